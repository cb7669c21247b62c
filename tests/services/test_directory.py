"""Users and Groups: what is kept, for how long, and who asks for whom."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._cache.single_flight import Flight
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._services.directory import GroupDirectory, Groups, UserDirectory, Users
from teamwire_sync.exceptions import (
    TWClosedError,
    TWError,
    TWNotFoundError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.builders import make_group, make_user
from tests.support.interrupts import interrupt_at
from tests.support.tables import unlike
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from teamwire_sync import Group, User
    from tests.support.builders import Clock

WAITERS = 4


class Directory:
    """A transport that knows users and groups by id."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.asked: list[tuple[str, float | None]] = []
        self.before_answer: Callable[[], object] = lambda: None

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        return self._get(uid, deadline)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        return self._get(gid, deadline)

    def _get(self, key: str, deadline: float | None) -> Any:
        self.asked.append((key, deadline))
        self.before_answer()
        answer = self.known.get(key)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def count(self) -> int:
        return len(self.asked)


@pytest.fixture
def server() -> Directory:
    directory = Directory()
    directory.known["u1"] = make_user()
    directory.known["g1"] = make_group(members=(make_user(),))
    return directory


def user_directory(server: Directory, clock: Callable[[], float], **times: float) -> UserDirectory:
    return UserDirectory(
        server,  # type: ignore[arg-type]
        clock=clock,
        **{"ttl": 300, "recheck_after": 5, "listing_timeout": 600, **times},
    )


@pytest.fixture
def known_users(server: Directory, clock: Clock) -> UserDirectory:
    return user_directory(server, clock)


@pytest.fixture
def users(known_users: UserDirectory) -> Users:
    return Users(known_users)


@pytest.fixture
def known_groups(server: Directory, known_users: UserDirectory, clock: Clock) -> GroupDirectory:
    return GroupDirectory(
        server,  # type: ignore[arg-type]
        known_users,
        writing=nullcontext,
        clock=clock,
        ttl=300,
        recheck_after=5,
        listing_timeout=600,
    )


@pytest.fixture
def groups(known_groups: GroupDirectory) -> Groups:
    return Groups(known_groups)


class TestKeeping:
    def test_gives_what_the_server_has(self, users: Users) -> None:
        assert users.get_user("u1") == make_user()

    def test_gives_none_for_what_it_has_not(self, users: Users) -> None:
        assert users.get_user("ghost") is None

    def test_asks_once(self, users: Users, server: Directory) -> None:
        assert users.get_user("u1") is users.get_user("u1")
        assert server.count == 1

    def test_keeps_each_by_itself(self, users: Users, server: Directory) -> None:
        for uid in ("u1", "u2", "u1", "u2"):
            users.get_user(uid)

        assert [key for key, _ in server.asked] == ["u1", "u2"]

    @pytest.mark.parametrize(("key", "seconds"), [("u1", 300), ("ghost", 5)])
    def test_is_asked_for_again_when_its_time_is_over(
        self, key: str, seconds: float, users: Users, server: Directory, clock: Clock
    ) -> None:
        counts = []
        for step in (0, seconds - 0.001, 0.001):
            clock.advance(step)
            users.get_user(key)
            counts.append(server.count)

        assert counts == [1, 1, 2]

    @pytest.mark.parametrize(("key", "seconds"), [("u1", 300), ("ghost", 5)])
    def test_time_counts_from_before_the_question(
        self, key: str, seconds: float, users: Users, server: Directory, clock: Clock
    ) -> None:
        server.before_answer = lambda: clock.advance(3)
        users.get_user(key)
        clock.advance(seconds - 3)
        users.get_user(key)

        assert server.count == 2

    def test_an_answer_that_took_longer_than_it_keeps_is_given_and_not_kept(
        self, users: Users, server: Directory, clock: Clock
    ) -> None:
        server.before_answer = lambda: clock.advance(301)

        assert users.get_user("u1") == users.get_user("u1") == make_user()
        assert server.count == 2

    def test_none_is_kept_no_longer_than_all_else(self, server: Directory, clock: Clock) -> None:
        users = Users(user_directory(server, clock, ttl=2))
        users.get_user("ghost")
        clock.advance(2)
        users.get_user("ghost")

        assert server.count == 2

    @pytest.mark.parametrize("key", ["u1", "ghost"])
    def test_zero_keeps_nothing(self, key: str, server: Directory, clock: Clock) -> None:
        users = Users(user_directory(server, clock, ttl=0))
        users.get_user(key)
        users.get_user(key)

        assert server.count == 2

    @pytest.mark.parametrize("ttl", [20, 20.5, 21, 21.5])
    def test_time_may_end_at_any_moment_of_a_look_up(self, ttl: float, server: Directory) -> None:
        """A real clock goes on while the cache looks at it, more than once."""
        ticks = iter(range(10_000))
        users = Users(user_directory(server, lambda: float(next(ticks)), ttl=ttl))

        assert {users.get_user("u1") for _ in range(200)} == {make_user()}

    def test_an_error_is_not_kept(self, users: Users, server: Directory) -> None:
        server.known["u1"] = TWServerError("down")
        with pytest.raises(TWServerError):
            users.get_user("u1")
        server.known["u1"] = make_user()

        assert users.get_user("u1") == make_user()

    def test_an_error_that_is_no_tw_error_leaves_nothing_behind(
        self, users: Users, server: Directory
    ) -> None:
        server.known["u1"] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            users.get_user("u1")
        server.known["u1"] = make_user()

        assert users.get_user("u1") == make_user()

    def test_the_oldest_go_when_there_are_too_many(self, users: Users, server: Directory) -> None:
        for number in range(4097):
            users.get_user(f"n{number}")
        assert server.count == 4097

        users.get_user("n4096")
        users.get_user("n0")
        assert server.count == 4098


class TestArguments:
    def test_ids_are_strings(self, users: Users, groups: Groups) -> None:
        for look_up, name in ((users.get_user, "uid"), (groups.get_group, "gid")):
            text = f"^{name} must be a str, not {{}}: ids are opaque"
            given = (None, 5, b"u1", make_user())
            rows = [(one, TypeError, text.format(type(one).__name__)) for one in given]

            assert unlike(look_up, rows) == []

    def test_an_empty_id_is_refused(self, users: Users, groups: Groups) -> None:
        with pytest.raises(ValueError, match=r"^uid is empty$"):
            users.get_user("")
        with pytest.raises(ValueError, match=r"^gid is empty$"):
            groups.get_group("")

    def test_a_timeout_that_is_none_is_refused_and_asks_nothing(
        self, users: Users, server: Directory
    ) -> None:
        out_of_range = (0, -1, float("nan"), float("inf"))
        rows = [
            *((one, ValueError, "^timeout must be more than zero") for one in out_of_range),
            *((one, TypeError, "^timeout must be a number of seconds") for one in ("5", True, b"")),
        ]

        assert unlike(lambda timeout: users.get_user("u1", timeout=timeout), rows) == []
        assert server.count == 0

    @pytest.mark.parametrize(("timeout", "deadline"), [(None, None), (5, 105.0)])
    def test_a_timeout_is_a_deadline_for_the_transport(
        self,
        timeout: float | None,
        deadline: float | None,
        users: Users,
        server: Directory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        users.get_user("u1", timeout=timeout)

        assert server.asked == [("u1", deadline)]
        assert deadline_of(timeout) == deadline


class TestGroups:
    def test_gives_the_group_with_its_members(self, groups: Groups) -> None:
        group = groups.get_group("g1")

        assert group == make_group()
        assert group is not None
        assert group.members == [make_user()]

    def test_gives_none_for_what_there_is_not(self, groups: Groups) -> None:
        assert groups.get_group("ghost") is None

    def test_members_of_a_group_that_came_without_are_asked_for_once(
        self, known_groups: GroupDirectory, server: Directory
    ) -> None:
        bare = make_group()
        known_groups.attach([bare])

        assert bare.members == bare.get_members() == [make_user()]
        assert bare.is_member("u1")
        assert server.asked == [("g1", None)]

    def test_members_come_through_the_same_cache_as_the_group(
        self, groups: Groups, known_groups: GroupDirectory, server: Directory
    ) -> None:
        bare = make_group()
        known_groups.attach([bare])
        groups.get_group("g1")

        assert bare.members == [make_user()]
        assert server.count == 1

    def test_members_are_asked_for_again_when_their_time_is_over(
        self, known_groups: GroupDirectory, server: Directory, clock: Clock
    ) -> None:
        bare = make_group()
        known_groups.attach([bare])
        bare.get_members()
        clock.advance(300)
        server.known["g1"] = make_group(members=())

        assert bare.members == []

    def test_members_of_a_group_that_is_gone(self, known_groups: GroupDirectory) -> None:
        bare = make_group("ghost")
        known_groups.attach([bare])

        with pytest.raises(TWNotFoundError, match=r"^the group 'ghost' no longer exists"):
            bare.get_members()

    def test_the_timeout_of_get_members_goes_along(
        self, known_groups: GroupDirectory, server: Directory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        bare = make_group()
        known_groups.attach([bare])
        bare.get_members(timeout=7)

        assert server.asked == [("g1", 107.0)]


class Crowd:
    """A leader that is held inside of its question, and those who wait for it."""

    def __init__(
        self, server: Directory, threads: Threads, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._threads = threads
        self._gate = server.before_answer = Gate()
        self._waiting = threading.Semaphore(0)
        self._leader: Future[Any] | None = None
        self.waiters: list[Future[Any]] = []
        self.release = self._gate.open
        original = Flight.wait

        def wait(flight: Flight[Any], deadline: float | None) -> Any:
            self._waiting.release()
            return original(flight, deadline)

        monkeypatch.setattr(Flight, "wait", wait)

    def gather(self, call: Callable[[], object], lead: Callable[[], object] | None = None) -> None:
        """Have one thread ask, by *lead*, and the others wait for it."""
        self._leader = self._threads.start(lead or call)
        self._gate.wait_arrived()
        for _ in range(WAITERS):
            self.waiters.append(self._threads.start(call))
            assert self._waiting.acquire(timeout=PATIENCE)

    def results(self) -> list[Any]:
        """What all of them got, the leader first."""
        self.release()
        return [future.result(PATIENCE) for future in (self._leader, *self.waiters)]

    def errors(self) -> list[BaseException | None]:
        """What they raised."""
        self.release()
        return [future.exception(PATIENCE) for future in (self._leader, *self.waiters)]


@pytest.fixture
def crowd(server: Directory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowd]:
    with Threads() as threads:
        crowd = Crowd(server, threads, monkeypatch)
        yield crowd
        crowd.release()


class TestSingleFlight:
    @pytest.mark.parametrize("key", ["u1", "ghost"])
    def test_all_who_ask_at_once_share_one_question(
        self, key: str, users: Users, server: Directory, crowd: Crowd
    ) -> None:
        crowd.gather(lambda: users.get_user(key))

        assert crowd.results() == [server.known.get(key)] * (WAITERS + 1)
        assert server.count == 1

    def test_they_share_it_even_when_nothing_is_kept(
        self, server: Directory, clock: Clock, crowd: Crowd
    ) -> None:
        users = Users(user_directory(server, clock, ttl=0, recheck_after=0))
        crowd.gather(lambda: users.get_user("u1"))

        assert crowd.results() == [make_user()] * (WAITERS + 1)
        assert server.count == 1

    def test_another_id_does_not_wait(self, users: Users, server: Directory, crowd: Crowd) -> None:
        crowd.gather(lambda: users.get_user("u1"))
        server.before_answer = lambda: None

        assert users.get_user("u2") is None

    def test_they_share_its_error_each_as_a_copy(
        self, users: Users, server: Directory, crowd: Crowd
    ) -> None:
        server.known["u1"] = TWServerError("down", status=503)
        crowd.gather(lambda: users.get_user("u1"))
        errors = crowd.errors()

        assert [(type(error), str(error)) for error in errors] == [(TWServerError, "down")] * (
            WAITERS + 1
        )
        assert len({id(error) for error in errors}) == WAITERS + 1
        assert server.count == 1

    def test_a_leader_that_had_no_time_fails_alone(
        self, users: Users, server: Directory, crowd: Crowd, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers: Iterator[Any] = iter([TWTimeoutError("late")])
        server.known = _Answers(answers, make_user())  # type: ignore[assignment]
        now = [100.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        crowd.gather(lambda: users.get_user("u1"), lambda: users.get_user("u1", timeout=5))
        now[0] = 200.0
        leader, *waiters = crowd.errors()

        assert isinstance(leader, TWTimeoutError)
        assert waiters == [None] * WAITERS
        assert server.count == 2

    def test_a_leader_that_was_interrupted_is_followed_by_another(
        self, users: Users, server: Directory, crowd: Crowd
    ) -> None:
        server.known = _Answers(iter([KeyboardInterrupt()]), make_user())  # type: ignore[assignment]
        crowd.gather(lambda: users.get_user("u1"))
        leader, *waiters = crowd.errors()

        assert isinstance(leader, KeyboardInterrupt)
        assert [future.result() for future in crowd.waiters] == [make_user()] * WAITERS
        assert (waiters, server.count) == ([None] * WAITERS, 2)

    def test_one_who_waits_may_have_less_time(
        self, users: Users, server: Directory, crowd: Crowd
    ) -> None:
        crowd.gather(lambda: users.get_user("u1"))

        with pytest.raises(TWTimeoutError, match="within the timeout of this call"):
            users.get_user("u1", timeout=0.001)
        assert server.count == 1

    def test_a_look_up_inside_of_itself_does_not_wait_for_itself(
        self, users: Users, server: Directory
    ) -> None:
        server.before_answer = lambda: users.get_user("u1")

        with pytest.raises(RuntimeError, match=r"look-up would wait for itself"):
            users.get_user("u1")


class _Answers:
    """Gives each prepared answer once, and then always the last."""

    def __init__(self, first: Iterator[Any], then: object) -> None:
        self._first = first
        self._then = then

    def get(self, _key: str) -> object:
        return next(self._first, self._then)


class TestClosing:
    @pytest.mark.parametrize("key", ["u1", "ghost"])
    def test_nothing_is_given_any_more(
        self, key: str, users: Users, known_users: UserDirectory, server: Directory
    ) -> None:
        users.get_user(key)
        known_users.close()

        with pytest.raises(TWClosedError, match=r"^the Connection is closed$"):
            users.get_user(key)
        assert server.count == 1

    def test_groups_close_too(self, known_groups: GroupDirectory) -> None:
        bare = make_group()
        known_groups.attach([bare])
        known_groups.close()

        with pytest.raises(TWClosedError):
            bare.get_members()

    def test_may_be_done_twice(self, users: Users, known_users: UserDirectory) -> None:
        known_users.close()
        known_users.close()

        with pytest.raises(TWClosedError):
            users.get_user("u1")

    def test_wakes_those_who_wait(
        self, users: Users, known_users: UserDirectory, server: Directory, crowd: Crowd
    ) -> None:
        crowd.gather(lambda: users.get_user("u1"))
        known_users.close()
        errors = [future.exception(PATIENCE) for future in crowd.waiters]

        assert [type(error) for error in errors] == [TWClosedError] * WAITERS
        assert server.count == 1

    def test_a_leader_that_comes_home_late_breaks_nothing(
        self, users: Users, known_users: UserDirectory, crowd: Crowd
    ) -> None:
        crowd.gather(lambda: users.get_user("u1"))
        known_users.close()
        leader = crowd.errors()[0]

        assert leader is None or isinstance(leader, TWError)
        with pytest.raises(TWClosedError):
            users.get_user("u1")


def test_ctrl_c_at_any_call_of_who_leads_leaves_nobody_waiting(
    server: Directory, clock: Clock
) -> None:
    files = ("_services/directory.py", "_internal/deadlines.py", "_cache/expiring_cache.py")
    files = (
        *files,
        "_cache/single_flight.py",
    )
    for number in count(1):
        users = Users(user_directory(server, clock))
        # The tracing is that of the thread.
        with Threads(1) as threads:
            work = threads.start(
                partial(interrupt_at, number, files, partial(users.get_user, "u1"))
            )
        assert users.get_user("u1", timeout=PATIENCE) is not None, f"after call {number}"
        if not work.result():
            break

    assert number > 12

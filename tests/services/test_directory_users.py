"""All users, and users found by name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWServerError
from tests.support.builders import make_chat, make_user
from tests.support.fake_transport import FakeTransport

if TYPE_CHECKING:
    from teamwire_sync import User
    from tests.support.builders import Clock

NAMES = {"u1": ("Ada", "Lovelace"), "u2": ("Grace", "Hopper"), "u3": ("Ada", "Byron")}


@pytest.fixture
def transport() -> FakeTransport:
    fake = FakeTransport()
    fake.most = 2
    fake.users = [
        make_user(uid, first_name=first, last_name=last) for uid, (first, last) in NAMES.items()
    ]
    return fake


@pytest.fixture
def connection(transport: FakeTransport, clock: Clock) -> Connection:
    return Connection(transport=transport, clock=clock)


def uids(users: Any) -> list[str]:
    return [user.uid for user in users]


class TestAll:
    def test_gives_all_of_them_and_asks_once(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        connection.users.get_all().clear()

        assert uids(connection.users.get_all()) == ["u1", "u2", "u3"]
        assert [asked["cursor"] for asked in transport.asked] == [None, "2"]
        assert [asked["text"] for asked in transport.asked] == [None, None]

    def test_get_user_knows_them(self, connection: Connection, transport: FakeTransport) -> None:
        users = connection.users.get_all()

        assert [connection.users.get_user(user.uid) for user in users] == users
        assert transport.calls == ["get_users"] * 2

    def test_the_timeout_is_that_of_all_pages(
        self, connection: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        connection.users.get_all(timeout=5)

        assert transport.deadlines == [105.0, 105.0]

    def test_the_old_name_warns(self, connection: Connection) -> None:
        with pytest.warns(DeprecationWarning, match=r"^users\.iter_all\(\) is now users\.get_all"):
            assert uids(connection.users.iter_all()) == ["u1", "u2", "u3"]


@pytest.mark.filterwarnings("ignore:users.iter_all:DeprecationWarning")
class TestIterAll:
    def test_gives_all_of_them_page_by_page(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        users = connection.users.iter_all()
        assert transport.calls == []

        assert uids(users) == ["u1", "u2", "u3"]
        assert [asked["cursor"] for asked in transport.asked] == [None, "2"]
        assert [asked["text"] for asked in transport.asked] == [None, None]

    def test_can_be_looped_over_twice(self, connection: Connection) -> None:
        users = connection.users.iter_all()

        assert uids(users) == uids(users) == ["u1", "u2", "u3"]

    def test_get_user_knows_those_that_have_come(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        first = next(iter(connection.users.iter_all()))
        known = connection.users.get_user("u2")

        assert connection.users.get_user("u1") is first
        assert known is not None
        assert known.uid == "u2"
        assert transport.calls == ["get_users"]

    def test_get_user_asks_for_those_that_have_not(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        next(iter(connection.users.iter_all()))
        connection.users.get_user("u3")

        assert transport.calls == ["get_users", "get_user"]

    def test_they_are_known_as_long_as_any_user(
        self, connection: Connection, transport: FakeTransport, clock: Clock
    ) -> None:
        transport.before_answer = lambda: clock.advance(10)
        next(iter(connection.users.iter_all()))
        clock.advance(289)
        connection.users.get_user("u1")
        assert transport.calls == ["get_users"]

        clock.advance(1)
        connection.users.get_user("u1")
        assert transport.calls == ["get_users", "get_user"]

    def test_they_can_act(self, connection: Connection, transport: FakeTransport) -> None:
        transport.users[0] = make_user("u1", has_avatar=True)
        user = next(iter(connection.users.iter_all()))

        assert user.load_avatar() == b"picture of u1"

    def test_each_page_has_the_time_of_its_own(
        self, connection: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        users = connection.users.iter_all(timeout=5)
        now = iter([100.0, 200.0])
        monkeypatch.setattr(time, "monotonic", lambda: next(now))
        uids(users)

        assert transport.deadlines == [105.0, 205.0]

    def test_a_wrong_timeout_is_refused_before_the_loop(self, connection: Connection) -> None:
        with pytest.raises(ValueError, match="timeout must be more than zero"):
            connection.users.iter_all(timeout=0)


@pytest.mark.parametrize(
    "user_of",
    [
        lambda connection: connection.check(),
        lambda connection: connection.users.get_user("u1"),
        lambda connection: connection.users.find("ada")[0],
        lambda connection: connection.chats.get_by_thread_id("t1").users[0],
        lambda connection: connection.chats.get_by_thread_id("t1").admins[0],
        lambda connection: connection.chats.create_chat(users=["u1"]).groups[0].members[0],
    ],
    ids=["check", "get_user", "find", "member of a chat", "admin", "member of a group"],
)
def test_a_user_can_act_wherever_it_comes_from(
    user_of: Callable[[Connection], User], connection: Connection, transport: FakeTransport
) -> None:
    ada = make_user("u1", has_avatar=True)
    transport.users = [ada, make_user("bot", has_avatar=True)]
    transport.chats = [make_chat("t1", users=(make_user(),), admins=(make_user(),))]

    assert user_of(connection).load_avatar().startswith(b"picture of ")


class TestFindUsers:
    def test_gives_those_that_the_server_finds_on_all_pages(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        transport.most = 1

        assert uids(connection.users.find("ADA")) == ["u1", "u3"]
        assert transport.asked == [
            {"text": "ADA", "cursor": None},
            {"text": "ADA", "cursor": "1"},
        ]

    def test_asks_once(self, connection: Connection, transport: FakeTransport) -> None:
        connection.users.find("ada").clear()

        assert uids(connection.users.find("ada")) == ["u1", "u3"]
        assert transport.calls == ["get_users"]

    def test_another_spelling_is_asked_for_by_itself(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        for text in ("ada", "Ada"):
            connection.users.find(text)

        assert transport.calls == ["get_users"] * 2

    @pytest.mark.parametrize(("text", "seconds"), [("ada", 300), ("nobody", 5)])
    def test_asks_again_when_the_time_is_over(
        self,
        text: str,
        seconds: float,
        connection: Connection,
        transport: FakeTransport,
        clock: Clock,
    ) -> None:
        counts = []
        for step in (0, seconds - 0.001, 0.001):
            clock.advance(step)
            connection.users.find(text)
            counts.append(len(transport.calls))

        assert counts == [1, 1, 2]

    def test_nobody_is_nobody(self, connection: Connection) -> None:
        assert connection.users.find("nobody") == []

    def test_get_user_knows_those_that_were_found(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        (found,) = connection.users.find("Hopper")

        assert connection.users.get_user("u2") is found
        assert transport.calls == ["get_users"]

    def test_an_error_is_not_kept(self, connection: Connection, transport: FakeTransport) -> None:
        transport.error = TWServerError("down")
        with pytest.raises(TWServerError):
            connection.users.find("ada")
        transport.error = None

        assert uids(connection.users.find("ada")) == ["u1", "u3"]

    def test_has_one_deadline_for_all_pages(
        self, connection: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transport.most = 1
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        connection.users.find("ada", timeout=5)

        assert transport.deadlines == [105.0, 105.0]


@pytest.mark.parametrize(
    "ask",
    [
        lambda connection: connection.users.find(""),
        lambda connection: connection.users.find("\ud800"),
        lambda connection: connection.users.find("x", timeout=-1),
    ],
    ids=["empty", "surrogate", "timeout"],
)
def test_a_wrong_value_asks_nothing(
    ask: Callable[[Connection], Any], connection: Connection, transport: FakeTransport
) -> None:
    with pytest.raises(ValueError, match=r"^(text|timeout) "):
        ask(connection)
    assert transport.calls == []


def test_with_nothing_to_be_kept_each_look_up_asks(transport: FakeTransport, clock: Clock) -> None:
    connection = Connection(transport=transport, clock=clock, config=ConnectionConfig(cache_ttl=0))
    for _ in range(2):
        connection.users.find("Hopper")

    assert transport.calls == ["get_users"] * 2

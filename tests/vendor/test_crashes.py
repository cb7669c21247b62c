"""A vendor's connection that ends, or can't be made, or raises what it should not."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWAuthError,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWServerError,
    TWTimeoutError,
    User,
)
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync._vendor.calls import Call
from tests.support.leftovers import complaints_of, threads
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.vendor.conftest import Vendor

pytestmark = pytest.mark.usefixtures("nothing_left")

CRASHES = pytest.mark.parametrize("cancel", [False, True], ids=["left as it is", "cancelled"])


def look_up(connection: Connection) -> object:
    return connection.users.get_user(KNOWN_USER, timeout=PATIENCE)


def look_up_group(connection: Connection) -> object:
    return connection.groups.get_group(BOT_LIST, timeout=PATIENCE)


def post(connection: Connection) -> object:
    return connection.chats.at(KNOWN_CHAT).post("hello", timeout=PATIENCE)


def create(connection: Connection) -> object:
    return connection.chats.create_chat(title="new", users=[KNOWN_USER], timeout=PATIENCE)


def vendor_error(name: str, text: str = "broken") -> BaseException:
    """One of the errors of this test's double."""
    exceptions = importlib.import_module("teamwire_api.exceptions")
    error: BaseException = getattr(exceptions, name)(text)
    return error


def error_of(call: Future[object]) -> type[BaseException]:
    return type(call.exception(PATIENCE))


def refuse(factory: Callable[[], Any], error: type[TWError], text: str) -> None:
    """Look up by what *factory* makes, which ends with *error*."""
    connection = Connection.from_vendor(factory)
    with connection, pytest.raises(error, match=text):
        look_up(connection)


# exec_async ends


class Case(NamedTuple):
    """A call under way when the connection ends.

    Attributes:
        name: What it has come to: the name of one of the vendor's calls.
        call: Makes it.
        error: What it ends with.
    """

    name: str
    call: Callable[[Connection], object]
    error: type[TWError]


CASES = {
    "look-up": Case("get_user", look_up, TWConnectionError),
    "write not sent": Case("get_by_thread_id", post, TWConnectionError),
    "write sent": Case("post", post, TWDeliveryUnknownError),
}


@CRASHES
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
class TestCrash:
    def test_who_waits_is_told(
        self, vendor: Vendor, uncached: Connection, cancel: bool, case: Case
    ) -> None:
        with Threads(1) as workers, vendor.faults.hold(case.name) as hold:
            waiting = workers.start(lambda: case.call(uncached))
            hold.wait_arrived()
            vendor.faults.crash(cancel=cancel)

            assert error_of(waiting) is case.error

    def test_what_was_under_way_is_cancelled(
        self, vendor: Vendor, uncached: Connection, cancel: bool, case: Case
    ) -> None:
        with Threads(1) as workers, vendor.faults.hold(case.name) as hold:
            workers.start(lambda: case.call(uncached))
            hold.wait_arrived()
            vendor.faults.crash(cancel=cancel)
            hold.wait_cancelled()

    def test_the_next_call_has_a_new_connection(
        self, vendor: Vendor, uncached: Connection, cancel: bool, case: Case
    ) -> None:
        with Threads(1) as workers, vendor.faults.hold(case.name, times=1) as hold:
            waiting = workers.start(lambda: case.call(uncached))
            hold.wait_arrived()
            vendor.faults.crash(cancel=cancel)
            waiting.exception(PATIENCE)

        assert case.call(uncached) is not None
        assert vendor.calls["enter"] == 2

    def test_the_old_connection_is_left(
        self, vendor: Vendor, uncached: Connection, cancel: bool, case: Case
    ) -> None:
        with Threads(1) as workers, vendor.faults.hold(case.name) as hold:
            workers.start(lambda: case.call(uncached))
            hold.wait_arrived()
            vendor.faults.crash(cancel=cancel)
            wait_until(lambda: not threads())

            assert (vendor.calls["exit"], vendor.faults.live) == (1, 0)


@CRASHES
def test_a_stubborn_call_keeps_nobody(vendor: Vendor, uncached: Connection, cancel: bool) -> None:
    with Threads(1) as workers, vendor.faults.stubborn("get_user", times=1) as stubborn:
        waiting = workers.start(lambda: look_up(uncached))
        stubborn.wait_arrived()
        vendor.faults.crash(cancel=cancel)

        assert error_of(waiting) is TWConnectionError
        assert look_up(uncached) is not None


def test_a_call_that_comes_while_the_old_ones_end_has_a_new_connection(
    vendor: Vendor, uncached: Connection
) -> None:
    with Threads(1) as workers, vendor.faults.stubborn("get_user") as stubborn:
        workers.start(lambda: look_up(uncached))
        stubborn.wait_arrived()
        vendor.faults.crash(cancel=True)
        stubborn.wait_cancelled()

        assert look_up_group(uncached) is not None


def test_who_waits_is_told_what_it_ended_with(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_user") as hold:
        waiting = workers.start(lambda: look_up(uncached))
        hold.wait_arrived()
        vendor.faults.crash(ValueError("the line is cut"))

        assert "ended with ValueError: the line is cut" in str(waiting.exception(PATIENCE))


def test_each_of_many_has_an_error_of_its_own(vendor: Vendor, uncached: Connection) -> None:
    with Threads() as workers, vendor.faults.hold("post") as hold:
        waiting = [workers.start(lambda: post(uncached)) for _ in range(64)]
        hold.wait_arrived(64)
        vendor.faults.crash()
        errors = [each.exception(PATIENCE) for each in waiting]

    assert {type(error) for error in errors} == {TWDeliveryUnknownError}
    assert len(set(map(id, errors))) == 64


def test_an_exit_that_hangs_keeps_nobody_who_waits(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_user") as hold:
        waiting = workers.start(lambda: look_up(uncached))
        hold.wait_arrived()
        with vendor.faults.block("exit"):
            vendor.faults.crash()

            assert error_of(waiting) is TWConnectionError


def test_an_exit_that_hangs_keeps_no_later_call(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    with vendor.faults.block("exit") as block:
        vendor.faults.crash()
        block.wait_arrived()

        assert look_up(uncached) is not None


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
def test_whatever_exec_async_raises_is_told(
    vendor: Vendor, uncached: Connection, error: BaseException
) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_user") as hold:
        waiting = workers.start(lambda: look_up(uncached))
        hold.wait_arrived()
        vendor.faults.crash(error)

        assert error_of(waiting) is TWConnectionError


def test_a_connection_that_ends_unused_is_made_anew(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    with complaints_of("teamwire_sync") as warnings:
        vendor.faults.crash()
        wait_until(lambda: warnings != [])

    assert look_up(uncached) is not None


def test_an_end_is_warned_of(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    with complaints_of("teamwire_sync") as warnings:
        vendor.faults.crash(ValueError("the line is cut"))
        wait_until(lambda: warnings != [])

    text = "the vendor's connection ended by itself with ValueError: the line is cut; the next call"
    assert warnings == [f"{text} makes a new one"]


def test_who_waits_is_told_before_the_log(vendor: Vendor, uncached: Connection) -> None:
    """A handler may take its time, or use the Connection."""
    told = threading.Event()
    in_order: list[bool] = []

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            in_order.append(told.wait(PATIENCE))

    def wait_for_end() -> None:
        with pytest.raises(TWConnectionError):
            look_up(uncached)
        told.set()

    logger, slow = logging.getLogger("teamwire_sync"), Slow(logging.WARNING)
    logger.addHandler(slow)
    try:
        with Threads(1) as workers, vendor.faults.hold("get_user") as hold:
            workers.start(wait_for_end)
            hold.wait_arrived()
            vendor.faults.crash()
            wait_until(lambda: in_order != [])
    finally:
        logger.removeHandler(slow)

    assert in_order == [True]


@pytest.mark.parametrize("is_swallowed", [False, True])
def test_an_exit_may_swallow_the_error(
    vendor: Vendor, nothing_left: None, is_swallowed: bool
) -> None:
    class Swallowing(vendor.package.Connection):  # type: ignore[name-defined,misc]
        def __exit__(self, *error: Any) -> bool:
            super().__exit__(*error)
            return is_swallowed

    config = ConnectionConfig(cache_ttl=0)
    with Connection.from_vendor(Swallowing, config=config) as connection:
        with Threads(1) as workers, vendor.faults.hold("get_user", times=1) as hold:
            waiting = workers.start(lambda: look_up(connection))
            hold.wait_arrived()
            vendor.faults.crash()

            assert error_of(waiting) is TWConnectionError
        assert look_up(connection) is not None


# exec_async returns


class Premature:
    """A connection whose exec_async returns when it wants to."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.enough = threading.Event()

    def __call__(self) -> Any:
        enough = self.enough

        class Returning(self._vendor.package.Connection):  # type: ignore[name-defined,misc]
            def exec_async(self, coro: Any) -> Any:
                async def until_enough() -> None:
                    self.task = asyncio.ensure_future(coro)
                    while not enough.is_set():
                        await asyncio.sleep(0.001)

                if enough.is_set():
                    return super().exec_async(coro)
                return self._loop.run_until_complete(until_enough())

        return Returning()


def test_an_exec_async_that_returns_ends_what_is_under_way(
    vendor: Vendor, nothing_left: None
) -> None:
    premature = Premature(vendor)
    config = ConnectionConfig(cache_ttl=0)
    with Connection.from_vendor(premature, config=config) as connection, Threads(1) as workers:
        with vendor.faults.hold("get_user", times=1) as hold:
            waiting = workers.start(lambda: look_up(connection))
            hold.wait_arrived()
            premature.enough.set()
            hold.wait_cancelled()

            assert error_of(waiting) is TWConnectionError
        assert look_up(connection) is not None


def test_an_exec_async_that_does_nothing_is_told(vendor: Vendor, nothing_left: None) -> None:
    class Idle(vendor.package.Connection):  # type: ignore[name-defined,misc]
        def exec_async(self, coro: Any) -> None:
            """Do nothing."""

    refuse(Idle, TWConfigError, "did not wait for the end")


# Calls that raise what they should not


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize(
    ("name", "call"), [("get_user", look_up), ("get_user", create), ("get_by_thread_id", post)]
)
def test_what_is_no_exception_fails_its_call_alone(
    vendor: Vendor, uncached: Connection, name: str, call: Any, error: BaseException
) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_group") as hold:
        other = workers.start(lambda: look_up_group(uncached))
        hold.wait_arrived()
        vendor.faults.fail(name, error, times=1)
        with pytest.raises(TWServerError, match=type(error).__name__):
            call(uncached)
        hold.release()

        assert other.exception(PATIENCE) is None


@pytest.mark.parametrize("call", [look_up, create])
def test_a_call_that_is_cancelled_by_another_s_hand_fails(
    vendor: Vendor, uncached: Connection, call: Any
) -> None:
    vendor.faults.fail("get_user", asyncio.CancelledError(), times=1)
    with pytest.raises(TWConnectionError, match="CancelledError"):
        call(uncached)
    look_up(uncached)

    assert call(uncached) is not None
    assert vendor.calls["enter"] == 2


def test_a_write_that_is_cancelled_by_another_s_hand_may_be_done(
    vendor: Vendor, uncached: Connection
) -> None:
    vendor.faults.fail("post", asyncio.CancelledError())
    with pytest.raises(TWDeliveryUnknownError):
        post(uncached)


def test_a_call_that_ends_its_own_coroutine_does_not_hang(
    vendor: Vendor, uncached: Connection
) -> None:
    vendor.faults.fail("get_user", GeneratorExit(), times=1)
    with pytest.raises(TWError) as caught:
        look_up(uncached)

    assert not isinstance(caught.value, TWTimeoutError)


def test_an_error_that_can_not_be_told_does_not_hang(vendor: Vendor, uncached: Connection) -> None:
    class Mute(Exception):  # noqa: N818  what it is called is what the test looks for
        def __str__(self) -> str:
            raise ValueError

    vendor.faults.fail("get_user", Mute())
    with pytest.raises(TWServerError, match="Mute"):
        look_up(uncached)


# Connections of no use


LASTING = [
    pytest.param(lambda: vendor_error("TWConnectionError"), id="documented"),
    pytest.param(lambda: RuntimeError("Session is closed"), id="session"),
    pytest.param(lambda: OSError(9, "Bad file descriptor"), id="descriptor"),
]
PASSING = ["TWNotFoundError", "TWAuthError", "TWServerError"]


@pytest.mark.parametrize("make", LASTING)
class TestDoubt:
    def test_the_next_call_has_a_new_connection(
        self, vendor: Vendor, uncached: Connection, make: Callable[[], BaseException]
    ) -> None:
        vendor.faults.fail("get_user", make(), times=1)
        with pytest.raises(TWError):
            look_up(uncached)
        look_up(uncached)

        assert vendor.calls["enter"] == 2

    def test_it_has_one_also_before_the_old_thread_does_anything_more(
        self,
        vendor: Vendor,
        uncached: Connection,
        make: Callable[[], BaseException],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        run, released = Call.run, threading.Event()

        async def run_and_hang(call: Call[Any], theirs: Any) -> None:
            await run(call, theirs)
            if call.is_doubtful:
                released.wait(PATIENCE)

        monkeypatch.setattr(Call, "run", run_and_hang)
        vendor.faults.fail("get_user", make(), times=1)
        try:
            with pytest.raises(TWError):
                look_up(uncached)
            assert look_up(uncached) is not None
        finally:
            released.set()

        assert vendor.calls["enter"] == 2

    def test_other_calls_end_on_the_old_one(
        self, vendor: Vendor, uncached: Connection, make: Callable[[], BaseException]
    ) -> None:
        with Threads(1) as workers, vendor.faults.hold("get_group") as hold:
            other = workers.start(lambda: look_up_group(uncached))
            hold.wait_arrived()
            vendor.faults.fail("get_user", make(), times=1)
            with pytest.raises(TWError):
                look_up(uncached)
            look_up(uncached)
            hold.release()

            assert other.exception(PATIENCE) is None

    def test_the_old_one_is_left_after_them(
        self, vendor: Vendor, uncached: Connection, make: Callable[[], BaseException]
    ) -> None:
        with Threads(1) as workers, vendor.faults.hold("get_group") as hold:
            workers.start(lambda: look_up_group(uncached))
            hold.wait_arrived()
            vendor.faults.fail("get_user", make(), times=1)
            with pytest.raises(TWError):
                look_up(uncached)
            look_up(uncached)
            assert vendor.faults.live == 2
            hold.release()
        wait_until(lambda: len(threads()) == 1)

        assert vendor.faults.live == 1

    def test_the_old_one_is_left_at_once_when_nobody_uses_it(
        self, vendor: Vendor, uncached: Connection, make: Callable[[], BaseException]
    ) -> None:
        vendor.faults.fail("get_user", make(), times=1)
        with pytest.raises(TWError):
            look_up(uncached)
        with complaints_of("teamwire_sync") as warnings:
            look_up(uncached)
            wait_until(lambda: vendor.faults.live == 1)

        assert warnings == []


@pytest.mark.parametrize("name", PASSING)
def test_an_answer_that_is_no_is_no_reason_for_a_new_connection(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    vendor.faults.fail("load_avatar", vendor_error(name))
    user = uncached.users.get_user(KNOWN_USER)
    assert user is not None
    with pytest.raises(TWError):
        user.load_avatar()
    look_up(uncached)

    assert vendor.calls["enter"] == 1


# Connections that can't be made


def missing() -> BaseException:
    return ValueError("TEAMWIRE_SECRET is not set")


# The call of theirs that fails, what with, and what that is to us.
REFUSALS: dict[str, tuple[str, Callable[[], BaseException], type[TWError]]] = {
    "settings": ("init", missing, TWConfigError),
    "made": ("init", lambda: vendor_error("TWAuthError"), TWAuthError),
    "exit": ("init", lambda: SystemExit(3), TWConnectionError),
    "login": ("enter", lambda: vendor_error("TWAuthError"), TWAuthError),
    "server": ("enter", lambda: vendor_error("TWServerError"), TWServerError),
    "line": ("enter", lambda: vendor_error("TWConnectionError"), TWConnectionError),
    "unknown": ("enter", lambda: OSError(111, "refused"), TWConnectionError),
    "interrupt": ("enter", KeyboardInterrupt, TWConnectionError),
}


def refusals(
    vendor: Vendor, *, times: int | None = None
) -> Iterator[tuple[str, Connection, type[TWError]]]:
    """Each of them, with a Connection that it befalls."""
    for reason, (name, make, kind) in REFUSALS.items():
        vendor.faults.clear()
        vendor.faults.fail(name, make(), times=times)
        with Connection.from_vendor(config=ConnectionConfig(cache_ttl=0)) as connection:
            yield reason, connection, kind


def outcome(call: Callable[[Connection], object], connection: Connection) -> object:
    """The kind of the error; else what the call gives."""
    try:
        return call(connection)
    except TWError as error:
        return type(error)


class TestRefusal:
    def test_a_call_is_told(self, vendor: Vendor) -> None:
        assert [
            reason
            for reason, connection, kind in refusals(vendor)
            if outcome(look_up, connection) is not kind
        ] == []

    def test_a_write_is_told_that_it_was_not_made(self, vendor: Vendor) -> None:
        assert [
            reason
            for reason, connection, kind in refusals(vendor)
            if outcome(post, connection) is not kind
        ] == []

    def test_the_next_call_tries_again(self, vendor: Vendor) -> None:
        outcomes = [
            (reason, outcome(look_up, connection) is kind, outcome(look_up, connection))
            for reason, connection, kind in refusals(vendor, times=1)
        ]

        assert [row for row in outcomes if not (row[1] and isinstance(row[2], User))] == []

    def test_it_is_no_warning(self, vendor: Vendor) -> None:
        """Who has called knows it."""
        wrong = []
        for reason, connection, _ in refusals(vendor):
            with complaints_of("teamwire_sync") as warnings:
                outcome(look_up, connection)
                wait_until(lambda: not threads())
            if warnings:
                wrong.append((reason, warnings))

        assert wrong == []

    def test_each_of_many_who_wait_for_a_connection_is_told(self, vendor: Vendor) -> None:
        wrong = []
        for reason, connection, kind in refusals(vendor):
            with Threads() as workers:
                waiting = [workers.start(partial(post, connection)) for _ in range(64)]
                errors = [each.exception(PATIENCE) for each in waiting]
            if ({type(error) for error in errors}, len(set(map(id, errors)))) != ({kind}, 64):
                wrong.append((reason, errors))

        assert wrong == []


def test_those_who_wait_for_one_attempt_are_told_together(
    vendor: Vendor, uncached: Connection
) -> None:
    vendor.faults.fail_enter(vendor_error("TWAuthError"))
    block = vendor.faults.block("init", times=1)
    with Threads() as workers:
        waiting = [workers.start(lambda: post(uncached)) for _ in range(64)]
        thread = uncached._transport._thread  # type: ignore[attr-defined]
        wait_until(lambda: thread._session is not None and len(thread._session._calls) == 64)
        block.release()
        errors = [each.exception(PATIENCE) for each in waiting]

    assert (vendor.calls["enter"], len(set(map(id, errors)))) == (1, 64)


def test_a_refused_login_is_unauthorized(vendor: Vendor, uncached: Connection) -> None:
    vendor.faults.fail_enter(vendor_error("TWAuthError"))
    with pytest.raises(TWAuthError) as caught:
        look_up(uncached)

    assert caught.value.code == "unauthorized"


@pytest.mark.parametrize("given", [None, 7, object(), "Connection"])
def test_a_factory_that_gives_something_else_is_told(
    vendor: Vendor, nothing_left: None, given: object
) -> None:
    refuse(
        lambda: given, TWConfigError, f"returned a {type(given).__name__}, which is no connection"
    )


def test_a_factory_that_gives_the_class_is_told(vendor: Vendor, nothing_left: None) -> None:
    refuse(
        lambda: vendor.package.Connection, TWConfigError, "returned a type, which is no connection"
    )


def test_a_connection_that_enters_something_else_is_told(
    vendor: Vendor, nothing_left: None
) -> None:
    class Strange(vendor.package.Connection):  # type: ignore[name-defined,misc]
        def __enter__(self) -> Any:
            super().__enter__()
            return object()

    refuse(Strange, TWConfigError, "returned a object, which is no connection")

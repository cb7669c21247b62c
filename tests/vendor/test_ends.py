"""The end of a Connection ends all its calls, and all that the vendor's SDK does."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, TWClosedError, TWDeliveryUnknownError, TWError
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync._vendor import loop_thread
from tests.support.leftovers import complaints_of, threads
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from concurrent.futures import Future

    from teamwire_sync._vendor.session import VendorSession
    from tests.support.builders import Clock
    from tests.vendor.conftest import Vendor

pytestmark = pytest.mark.usefixtures("nothing_left")

KINDS = pytest.mark.parametrize("kind", ["hold", "stubborn", "block"])
OPENING = pytest.mark.parametrize("name", ["init", "enter"])


@pytest.fixture
def _short_goodbye(nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who closes a connection that hangs does not wait for it."""
    monkeypatch.setattr(loop_thread, "_CLOSE_TIMEOUT", 0.05)


def look_up(connection: Connection) -> object:
    return connection.users.get_user(KNOWN_USER)


def post(connection: Connection) -> object:
    return connection.chats.at(KNOWN_CHAT).post("hello")


def calls_of(connection: Connection) -> int:
    """How many there are that have not ended."""
    session: Any = connection._transport._thread._session  # type: ignore[attr-defined]
    return len(session._calls) if session else 0


def error_of(call: Future[object]) -> type[BaseException]:
    return type(call.exception(PATIENCE))


# Those who wait


@pytest.mark.usefixtures("_short_goodbye")
@pytest.mark.parametrize(
    "case",
    [
        ("get_user", look_up, TWClosedError),
        ("get_by_thread_id", post, TWClosedError),
        ("post", post, TWDeliveryUnknownError),
    ],
    ids=["look-up", "write not sent", "write sent"],
)
@KINDS
def test_who_waits_is_told_at_once(
    vendor: Vendor,
    uncached: Connection,
    kind: str,
    case: tuple[str, Callable[[Connection], object], type[TWError]],
) -> None:
    name, call, error = case
    with Threads(1) as workers, getattr(vendor.faults, kind)(name) as effect:
        waiting = workers.start(lambda: call(uncached))
        effect.wait_arrived()
        uncached.close()

        assert error_of(waiting) is error


@pytest.mark.usefixtures("_short_goodbye")
@OPENING
def test_who_waits_for_the_connection_to_open_is_told_at_once(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    with Threads(2) as workers, vendor.faults.block(name) as block:
        waiting = [workers.start(partial(call, uncached)) for call in (look_up, post)]
        block.wait_arrived()
        wait_until(lambda: calls_of(uncached) == 2)
        uncached.close()

        assert [error_of(each) for each in waiting] == [TWClosedError, TWClosedError]


def test_a_write_that_was_sent_says_how_to_find_out(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.hold("post") as hold:
        waiting = workers.start(lambda: post(uncached))
        hold.wait_arrived()
        uncached.close()

        assert "any Teamwire app shows the message in the chat if" in str(waiting.exception())


@pytest.mark.parametrize("name", ["get_by_thread_id", "post"])
def test_what_is_under_way_is_cancelled(vendor: Vendor, uncached: Connection, name: str) -> None:
    with Threads(1) as workers, vendor.faults.hold(name) as hold:
        workers.start(lambda: post(uncached))
        hold.wait_arrived()
        uncached.close()
        hold.wait_cancelled()


@pytest.mark.usefixtures("_short_goodbye")
def test_a_write_whose_look_up_ends_after_the_close_is_not_made(
    vendor: Vendor, uncached: Connection
) -> None:
    with Threads(1) as workers, vendor.faults.block("get_by_thread_id") as block:
        workers.start(lambda: post(uncached))
        block.wait_arrived()
        uncached.close()
    wait_until(lambda: not threads())

    assert vendor.calls["post"] == 0


def test_each_of_many_calls_ends(vendor: Vendor, uncached: Connection) -> None:
    with Threads() as workers, vendor.faults.hold("post") as hold:
        waiting = [workers.start(lambda: post(uncached)) for _ in range(32)]
        hold.wait_arrived(8)
        waiting += [workers.start(lambda: post(uncached)) for _ in range(32)]
        uncached.close()

        ends = {TWClosedError, TWDeliveryUnknownError}
        assert {error_of(each) for each in waiting} <= ends


def test_a_close_amid_calls_that_come_and_go_ends_them_all(
    vendor: Vendor, uncached: Connection
) -> None:
    def work() -> None:
        while True:
            post(uncached)

    with Threads() as workers:
        waiting = [workers.start(work) for _ in range(64)]
        wait_until(lambda: vendor.calls["post"] > 64)
        uncached.close()

        ends = {TWClosedError, TWDeliveryUnknownError}
        assert {error_of(each) for each in waiting} <= ends


# The thread


@pytest.mark.parametrize("kind", ["hold", "stubborn"])
def test_the_thread_ends_whatever_is_under_way(
    vendor: Vendor, uncached: Connection, kind: str
) -> None:
    with Threads(1) as workers, getattr(vendor.faults, kind)("get_user") as effect:
        workers.start(lambda: look_up(uncached))
        effect.wait_arrived()
        uncached.close()

        assert (threads(), vendor.faults.live) == ([], 0)


@pytest.mark.usefixtures("_short_goodbye")
@pytest.mark.parametrize("name", ["init", "enter", "get_user", "exit"])
def test_a_thread_that_can_not_end_is_warned_of(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    with Threads(1) as workers, vendor.faults.block(name) as block:
        call = workers.start(lambda: look_up(uncached))
        if name == "exit":
            call.result(PATIENCE)
        else:
            block.wait_arrived()
        with complaints_of("teamwire_sync") as warnings:
            uncached.close()

    assert [text.partition(":")[0] for text in warnings] == [
        "the thread of the vendor's SDK has not ended within 0.05 s"
    ]


@pytest.mark.usefixtures("_short_goodbye")
def test_a_thread_that_can_not_end_is_warned_of_once(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    with vendor.faults.block("exit"), complaints_of("teamwire_sync") as warnings:
        uncached.close()
        uncached.close()

    assert len(warnings) == 1


@pytest.mark.usefixtures("_short_goodbye")
@OPENING
def test_a_connection_that_opens_after_the_close_is_left(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    with Threads(1) as workers, vendor.faults.block(name) as block:
        workers.start(lambda: look_up(uncached))
        block.wait_arrived()
        uncached.close()
    wait_until(lambda: not threads())

    assert (vendor.calls["get_user"], vendor.faults.live) == (0, 0)


def test_an_ordinary_end_is_not_worth_a_warning(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    with complaints_of("teamwire_sync") as warnings:
        uncached.close()

    assert warnings == []


@pytest.mark.parametrize("vendor", ["1.8"], indirect=True)
def test_however_many_threads_hang_there_is_one_goodbye(
    vendor: Vendor, uncached: Connection, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = []

    def join(session: VendorSession, seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    with vendor.faults.block("exit"), complaints_of("teamwire_sync") as ended:
        for number in range(1, 5):
            look_up(uncached)
            vendor.faults.crash()
            wait_until(lambda number=number: len(ended) == number)
        monkeypatch.setattr(loop_thread, "_CLOSE_TIMEOUT", 5.0)
        monkeypatch.setattr(loop_thread, "time", SimpleNamespace(monotonic=clock))
        monkeypatch.setattr(loop_thread.VendorSession, "join", join)
        uncached.close()

    assert (len(waited), sum(waited)) == (4, 5.0)


# Closing


def test_close_may_be_called_twice(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    uncached.close()
    uncached.close()

    assert vendor.calls["exit"] == 1


def test_close_may_be_called_by_several_threads(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    with Threads() as workers, vendor.faults.block("exit") as block:
        closing = [workers.start(uncached.close) for _ in range(8)]
        block.wait_arrived()
        block.release()

        assert [each.exception(PATIENCE) for each in closing] == [None] * 8
    assert vendor.calls["exit"] == 1


def test_each_who_closes_waits_for_the_end(vendor: Vendor, uncached: Connection) -> None:
    def close() -> int:
        uncached.close()
        return len(threads())

    look_up(uncached)
    with Threads() as workers:
        closing = [workers.start(close) for _ in range(8)]

        assert [each.result() for each in closing] == [0] * 8


def test_calls_after_the_close_are_refused(vendor: Vendor, uncached: Connection) -> None:
    look_up(uncached)
    uncached.close()
    for call in (look_up, post):
        with pytest.raises(TWClosedError):
            call(uncached)


def test_calls_after_the_close_make_no_thread(vendor: Vendor, uncached: Connection) -> None:
    uncached.close()
    with pytest.raises(TWClosedError):
        uncached._transport.get_group(BOT_LIST, deadline=None)

    assert vendor.faults.threads == []


def test_the_thread_may_close_its_own_connection(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.on("get_user", uncached.close), pytest.raises(TWClosedError):
        look_up(uncached)

    wait_until(lambda: not threads())


# An SDK that fails at the end


@pytest.mark.parametrize("error", [ValueError("broken"), SystemExit(3), KeyboardInterrupt()])
def test_an_exit_that_fails_is_nobody_s_concern(
    vendor: Vendor, uncached: Connection, error: BaseException
) -> None:
    look_up(uncached)
    vendor.faults.fail_exit(error)
    with complaints_of("teamwire_sync") as warnings:
        uncached.close()

    assert (warnings, threads()) == ([], [])


def test_an_end_without_a_failure_is_not_logged_as_one(
    uncached: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    look_up(uncached)
    with caplog.at_level("DEBUG", "teamwire_sync"):
        uncached.close()
        wait_until(lambda: not threads())

    assert [record.getMessage() for record in caplog.records] == []


def test_an_exit_that_fails_changes_nothing_for_who_waits(
    vendor: Vendor, uncached: Connection
) -> None:
    vendor.faults.fail_exit(ValueError("broken"))
    with Threads(1) as workers, vendor.faults.hold("get_user") as hold:
        waiting = workers.start(lambda: look_up(uncached))
        hold.wait_arrived()
        uncached.close()

        assert error_of(waiting) is TWClosedError

"""Ctrl-C ends a call at once, and nothing but that call."""

from __future__ import annotations

import signal
import sys
import threading
from itertools import count
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, TWClosedError
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync._vendor import session
from teamwire_sync._vendor.calls import Call
from tests.support.interrupts import interrupt_at
from tests.support.leftovers import threads
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    from types import FrameType

    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal to a thread here"),
]

new = pytest.mark.parametrize("vendor", ["1.8"], indirect=True)

FILES = ("vendor/calls.py", "vendor/session.py", "vendor/loop_thread.py", "vendor/transport.py")


def interrupt(is_ready: Callable[[], object], call: Callable[[], object]) -> None:
    """Press Ctrl-C when *is_ready* returns, while the main thread waits in *call*."""
    came = False

    def handle(*_: object) -> None:
        # It takes no lock: another signal may come within it.
        nonlocal came
        if not came:
            came = True
            raise KeyboardInterrupt

    def press() -> None:
        is_ready()
        wait_until(main_thread_waits)
        pause = threading.Event()
        # A signal that comes just before the main thread begins to wait does not wake it.
        while not came:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            pause.wait(0.01)

    before = signal.signal(signal.SIGINT, handle)
    try:
        with Threads(1) as workers:
            workers.start(press)
            with pytest.raises(KeyboardInterrupt):
                call()
    finally:
        came = True
        signal.signal(signal.SIGINT, before)


def main_thread_waits() -> bool:
    """Whether it waits for a call: what comes before has tests of its own."""
    frame: FrameType | None = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and frame.f_code is not Call.wait.__code__:
        frame = frame.f_back
    return frame is not None


def look_up(connection: Connection) -> object:
    return connection.users.get_user(KNOWN_USER, timeout=5 * PATIENCE)


@pytest.mark.parametrize("kind", ["hold", "stubborn", "block"])
def test_ctrl_c_ends_a_look_up_at_once(vendor: Vendor, uncached: Connection, kind: str) -> None:
    with getattr(vendor.faults, kind)("get_user") as effect:
        interrupt(effect.wait_arrived, lambda: look_up(uncached))


def test_its_task_is_cancelled(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.hold("get_user") as hold:
        interrupt(hold.wait_arrived, lambda: look_up(uncached))
        hold.wait_cancelled()


@pytest.mark.parametrize("name", ["init", "enter"])
def test_ctrl_c_ends_a_call_while_the_connection_opens(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    with vendor.faults.block(name) as block:
        interrupt(block.wait_arrived, lambda: look_up(uncached))


def test_the_connection_that_opened_meanwhile_is_used(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.block("enter") as block:
        interrupt(block.wait_arrived, lambda: look_up(uncached))

    assert look_up(uncached) is not None
    assert (vendor.calls["enter"], vendor.calls["get_user"]) == (1, 1)


def test_the_same_connection_works_on(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.hold("get_user") as hold:
        interrupt(hold.wait_arrived, lambda: look_up(uncached))

    assert look_up(uncached) is not None
    assert vendor.calls["enter"] == 1


def test_other_calls_go_on(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_group") as group:
        other = workers.start(lambda: uncached.groups.get_group(BOT_LIST))
        group.wait_arrived()
        with vendor.faults.hold("get_user") as hold:
            interrupt(hold.wait_arrived, lambda: look_up(uncached))
        group.release()

        assert other.result(PATIENCE) is not None


def test_another_who_waits_for_the_same_takes_over(vendor: Vendor, uncached: Connection) -> None:
    hold = vendor.faults.hold("get_subscriptions", times=1)

    def join() -> int:
        hold.wait_arrived()
        return len(uncached.chats.get_subscriptions())

    def is_joined() -> None:
        wait_until(lambda: uncached.chats.cache_info().joined == 1)

    with Threads(1) as workers:
        other = workers.start(join)
        interrupt(is_joined, uncached.chats.get_subscriptions)

        assert other.result(PATIENCE) == 100


# Writes


def create(connection: Connection) -> Any:
    return connection.chats.create_chat(title="new", users=[KNOWN_USER])


def test_a_chat_whose_members_were_looked_up_is_not_made(
    vendor: Vendor, uncached: Connection
) -> None:
    with vendor.faults.block("get_user") as block:
        interrupt(block.wait_arrived, lambda: create(uncached))
    # Behind the rest of what the loop had to do.
    uncached.groups.get_group(BOT_LIST)
    uncached.close()

    assert vendor.calls["create_chat"] == 0


def test_a_chat_whose_making_was_interrupted_may_be_there(vendor: Vendor) -> None:
    """The next look-up asks, although the time of the last listing is not over."""
    with Connection.from_vendor() as connection:
        connection.chats.get_subscriptions()
        with vendor.faults.hold("create_chat", after=True) as hold:
            interrupt(hold.wait_arrived, lambda: create(connection))

        assert len(connection.chats.get_by_title("new")) == 1


def test_a_message_whose_posting_was_interrupted_is_posted_once(
    vendor: Vendor, box: Sandbox, uncached: Connection
) -> None:
    with vendor.faults.hold("post", after=True) as hold:
        interrupt(hold.wait_arrived, lambda: uncached.chats.at(KNOWN_CHAT).post("hello"))
    uncached.close()

    assert box.count("POST", f"/v1/bot/chats/{KNOWN_CHAT}/messages/") == 1


# Anywhere


def at_call(number: int, work: Callable[[], object]) -> bool:
    """Interrupt *work* at one of the calls within it; whether it came that far."""
    with Threads(1) as workers:
        return workers.start(lambda: interrupt_at(number, FILES, work)).result(PATIENCE)


@new
def test_ctrl_c_at_any_call_leaves_it_usable(vendor: Vendor) -> None:
    wrong = []
    for number in count(1):
        vendor.faults.reset()
        with Connection.from_vendor() as connection:
            was_interrupted = at_call(number, lambda: create(connection))
            found = look_up(connection)
        if found is None or vendor.calls["create_chat"] > 1 or vendor.faults.live:
            wrong.append(number)
        if not was_interrupted:
            break

    assert (wrong, number > 12) == ([], True)


def test_a_thread_whose_start_is_interrupted_ends(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = session.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            look_up(uncached)
    wait_until(lambda: not threads())

    assert look_up(uncached) is not None


@new
def test_a_connection_whose_start_was_interrupted_is_made_again(
    uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up(uncached)
    uncached._transport._thread._session.is_doubtful = True  # type: ignore[attr-defined]

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(session.VendorSession, "drain", interrupted)
        with pytest.raises(KeyboardInterrupt):
            look_up(uncached)

    assert look_up(uncached) is not None


@new
def test_close_does_not_wait_for_a_thread_that_opens_a_connection(
    vendor: Vendor, uncached: Connection
) -> None:
    """A signal handler may call `close` while its thread has a lock that the opener needs."""
    gate = Gate()

    def hold() -> None:
        with uncached._transport._thread._lock:  # type: ignore[attr-defined]
            gate()

    with Threads(1) as workers:
        workers.start(hold)
        gate.wait_arrived()
        uncached.close()
        gate.open()


@new
def test_a_connection_that_opens_during_close_is_closed(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = session.start

    def closing(thread: threading.Thread) -> None:
        start(thread)
        uncached._transport._thread._closed = True  # type: ignore[attr-defined]

    monkeypatch.setattr(session, "start", closing)
    with pytest.raises(TWClosedError):
        look_up(uncached)
    wait_until(lambda: not threads())


@new
def test_ctrl_c_at_any_call_of_close_lets_it_be_closed_again(vendor: Vendor) -> None:
    wrong = []
    for number in count(1):
        connection = Connection.from_vendor()
        look_up(connection)
        was_interrupted = at_call(number, connection.close)
        connection.close()
        if vendor.faults.live:
            wrong.append(number)
        if not was_interrupted:
            break

    assert (wrong, number > 4) == ([], True)

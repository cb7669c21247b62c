"""The vendor's SDK has a thread of its own, which nobody notices."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, TWConnectionError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync._vendor.calls import Call
from tests.support.leftovers import FILES, NAME, files, loops, threads
from tests.support.waiting import PATIENCE, Threads, wait_until
from tests.vendor.conftest import DOUBLE

if TYPE_CHECKING:
    from tests.vendor.conftest import Vendor

pytestmark = pytest.mark.usefixtures("nothing_left")

old = pytest.mark.parametrize("vendor", ["1.4"], indirect=True)


# Its beginning


def test_a_new_connection_has_no_thread(vendor: Vendor) -> None:
    connection = Connection.from_vendor()

    assert threads() == []
    connection.close()


def test_closing_an_unused_connection_makes_no_thread(vendor: Vendor) -> None:
    Connection.from_vendor().close()

    assert vendor.faults.threads == []


def test_however_many_calls_have_one_thread(vendor: Vendor, uncached: Connection) -> None:
    with Threads() as workers:
        for _ in range(32):
            workers.start(lambda: uncached.users.get_user(KNOWN_USER))
            workers.start(lambda: uncached.chats.at(KNOWN_CHAT).post("hello"))

    assert (vendor.faults.threads, len(threads())) == ([NAME], 1)


def test_the_thread_lets_the_process_end(uncached: Connection) -> None:
    uncached.users.get_user(KNOWN_USER)

    assert [thread.daemon for thread in threads()] == [True]


def test_a_connection_is_entered_once(vendor: Vendor, uncached: Connection) -> None:
    for _ in range(3):
        uncached.users.get_user(KNOWN_USER)

    assert [vendor.calls[name] for name in ("init", "enter", "exec_async")] == [1, 1, 1]


# Side by side


def test_calls_run_side_by_side(vendor: Vendor, uncached: Connection) -> None:
    user, group = vendor.faults.hold("get_user"), vendor.faults.hold("get_group")
    with Threads(2) as workers, user, group:
        workers.start(lambda: uncached.users.get_user(KNOWN_USER))
        workers.start(lambda: uncached.groups.get_group(PUBLIC_CIRCLE))
        user.wait_arrived()
        group.wait_arrived()


def test_two_calls_of_the_same_kind_run_side_by_side(vendor: Vendor, uncached: Connection) -> None:
    with Threads(2) as workers, vendor.faults.hold("post") as hold:
        for text in ("one", "two"):
            workers.start(lambda text=text: uncached.chats.at(KNOWN_CHAT).post(text))
        hold.wait_arrived(2)


def test_a_held_call_keeps_no_other(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_group") as hold:
        workers.start(lambda: uncached.groups.get_group(PUBLIC_CIRCLE))
        hold.wait_arrived()
        user = uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)

    assert user is not None


# Where a loop runs


def test_a_coroutine_can_call(uncached: Connection) -> None:
    async def main() -> int:
        return len(uncached.chats.get_subscriptions())

    assert asyncio.run(main()) == 100


def test_the_loop_is_never_that_of_the_caller(vendor: Vendor, uncached: Connection) -> None:
    seen = []

    async def main() -> None:
        seen.append(asyncio.get_running_loop())
        uncached.users.get_user(KNOWN_USER)

    vendor.faults.on("get_user", lambda: seen.append(asyncio.get_running_loop()))
    asyncio.run(main())

    assert len(set(seen)) == 2


def test_the_current_loop_of_the_caller_stays(uncached: Connection) -> None:
    def work() -> bool:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            uncached.users.get_user(KNOWN_USER)
            return asyncio.get_event_loop() is loop and not loop.is_closed()
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    with Threads(1) as workers:
        assert workers.start(work).result()


# Calls that would wait for themselves


def error_of(call: Callable[[], object], errors: list[BaseException]) -> None:
    try:
        call()
    except BaseException as error:  # noqa: BLE001  whatever it is, the test looks at it
        errors.append(error)


@pytest.mark.parametrize("name", ["init", "enter", "get_user"])
def test_a_call_from_the_thread_itself_is_refused_at_once(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    errors: list[BaseException] = []
    vendor.faults.on(
        name, lambda: error_of(lambda: uncached.groups.get_group(PUBLIC_CIRCLE), errors), times=1
    )
    found = uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)

    assert found is not None
    assert [(type(error), "inside of the vendor's SDK" in str(error)) for error in errors] == [
        (RuntimeError, True)
    ]


@pytest.mark.parametrize("name", ["init", "enter", "get_user"])
def test_a_logging_handler_that_looks_up_what_is_being_looked_up_does_not_hang(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    """It would wait for the caller, which waits for the thread that it is in."""
    errors: list[BaseException] = []
    vendor.faults.on(
        name, lambda: error_of(lambda: uncached.users.get_user(KNOWN_USER), errors), times=1
    )
    found = uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)

    assert (found is not None, [type(error) for error in errors]) == (True, [RuntimeError])


# Its end


@pytest.mark.skipif(not FILES.exists(), reason="this system does not list the open files")
def test_after_the_end_nothing_is_left(vendor: Vendor) -> None:
    def there_is() -> set[object]:
        return {*files(), *threading.enumerate(), *loops()}

    def use() -> None:
        with Connection.from_vendor() as connection:
            connection.chats.get_subscriptions()
            connection.chats.at(KNOWN_CHAT).post("hello")

    use()  # what is opened once for all
    before = there_is()
    use()

    wait_until(lambda: there_is() <= before)


def test_the_connection_is_left_before_close_returns(vendor: Vendor) -> None:
    connection = Connection.from_vendor()
    connection.users.get_user(KNOWN_USER)
    connection.close()

    assert (vendor.calls["exit"], vendor.faults.live, threads()) == (1, 0, [])


def test_a_connection_that_is_dropped_ends_its_thread(vendor: Vendor) -> None:
    connection = Connection.from_vendor()
    connection.users.get_user(KNOWN_USER)
    gone = weakref.ref(connection)
    del connection

    # Not by one collection: the thread may still have the end of the call in its hands.
    wait_until(lambda: gc.collect() >= 0 and not threads())
    assert (gone(), vendor.calls["exit"]) == (None, 1)


def test_a_connection_may_be_dropped_by_who_holds_its_lock(vendor: Vendor) -> None:
    """The collector runs wherever something is made, the thread itself not excepted."""
    connection = Connection.from_vendor()
    connection.users.get_user(KNOWN_USER)
    session = connection._transport._thread._session  # type: ignore[attr-defined]
    del connection

    def collect() -> None:
        while not over:
            with session._lock:
                gc.collect()

    over: list[bool] = []
    threading.Thread(target=collect, daemon=True).start()
    try:
        wait_until(lambda: not threads())
    finally:
        over.append(True)


def test_what_a_call_gave_is_not_kept(vendor: Vendor, uncached: Connection) -> None:
    def calls() -> list[object]:
        gc.collect()
        return [one for one in gc.get_objects() if type(one) is Call]

    others = calls()
    uncached.chats.get_subscriptions()

    wait_until(lambda: all(one in others for one in calls()))


# A process that ends

PROGRAM = """
import logging
import sys
import teamwire_api
from teamwire_sync import Connection
from teamwire_api.testing import knobs
from teamwire_sync._vendor import session
from threading import Thread

session._EXIT_TIMEOUT *= 15  # what ends by itself is waited for, however busy the machine is
logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of a slow machine
teamwire_api.__version__ = sys.argv[1]

class Noted(teamwire_api.Connection):
    def __exit__(self, *args):
        super().__exit__(*args)
        print("left")

connection = Connection.from_vendor(Noted)
connection.chats.get_subscriptions()
print("used")
"""
MEANWHILE = """
Thread(target=lambda: connection.users.get_user("u1"), daemon=True).start()
"""
HELD = f"""
hold = knobs.hold("get_user")
{MEANWHILE}
hold.wait_arrived()
"""
BLOCKED = f"""
session._EXIT_TIMEOUT = 0.05
block = knobs.block("get_user")
{MEANWHILE}
block.wait_arrived()
"""


def output(vendor: Vendor, program: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a process."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, vendor.version],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(DOUBLE), *sys.path])},
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_process_that_ends_leaves_the_connection(vendor: Vendor) -> None:
    assert output(vendor, PROGRAM) == (0, "used\nleft\n", "")


def test_a_process_that_ends_with_an_error_leaves_the_connection(vendor: Vendor) -> None:
    status, text, _ = output(vendor, f"{PROGRAM}raise ValueError")

    assert (status, text) == (1, "used\nleft\n")


def test_a_process_ends_with_a_call_under_way(vendor: Vendor) -> None:
    """Its thread is a daemon, and tells of the end of its call as it would of any other error."""
    status, text, _ = output(vendor, PROGRAM + HELD)

    assert (status, text) == (0, "used\nleft\n")


def test_a_process_ends_while_the_loop_is_blocked(vendor: Vendor) -> None:
    status, text, _ = output(vendor, PROGRAM + BLOCKED)

    assert (status, text) == (0, "used\n")


# What the system has no more of


def test_without_files_for_a_loop_a_call_fails_and_the_next_one_works(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted() -> asyncio.AbstractEventLoop:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", exhausted)
        with pytest.raises(TWConnectionError, match="Too many open files"):
            uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)

    assert uncached.users.get_user(KNOWN_USER, timeout=PATIENCE) is not None


def test_without_a_thread_a_call_fails_and_the_next_one_works(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", exhausted)
        with pytest.raises(TWConnectionError, match="no thread for the vendor's SDK"):
            uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)

    assert uncached.users.get_user(KNOWN_USER, timeout=PATIENCE) is not None


def test_closing_after_a_thread_could_not_be_started(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", exhausted)
    with pytest.raises(TWConnectionError, match="no thread for the vendor's SDK"):
        uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)
    uncached.close()


class Busy:
    """Makes connections that leave work behind, on the loop that they were made in."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.ended: list[bool] = []

    async def _go_on(self) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            self.ended.append(True)

    def __call__(self) -> Any:
        asyncio.get_event_loop().create_task(self._go_on())
        return self._vendor.factory()


@old
def test_work_that_outlives_the_connection_in_an_old_version_is_ended(vendor: Vendor) -> None:
    """It leaves the thread's loop as it is, with all that still runs on it."""
    busy = Busy(vendor)
    with Connection.from_vendor(busy) as connection:
        connection.users.get_user(KNOWN_USER)

    assert busy.ended == [True]


@old
def test_work_that_outlives_a_crash_in_an_old_version_is_ended(vendor: Vendor) -> None:
    busy = Busy(vendor)
    with Connection.from_vendor(busy) as connection:
        connection.users.get_user(KNOWN_USER)
        vendor.faults.crash()
        wait_until(lambda: not threads())

    assert busy.ended == [True]

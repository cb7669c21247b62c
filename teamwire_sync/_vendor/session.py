"""One connection of the vendor's SDK on its own thread, from its creation to its end.

To open and to close the connection means to run its ``__enter__`` and its ``__exit__``.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable
from weakref import WeakSet

from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.waiting import is_held_here, new_lock, start, work_for
from teamwire_sync._vendor.errors import cause_of, kind_of
from teamwire_sync.exceptions import TWAuthError, TWConfigError, TWConnectionError, TWError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from teamwire_sync._vendor.calls import Call

# Seconds that tasks have to end after their cancellation.
_CANCEL_TIMEOUT = 1.0
# Seconds that the exit of the interpreter waits for the vendor's connections to be closed.
_EXIT_TIMEOUT = 2.0

_sessions: WeakSet[VendorSession] = WeakSet()


class VendorSession:
    """A thread that opens the vendor's connection and runs calls on it concurrently.

    Attributes:
        is_doubtful: Whether the vendor's connection may be broken.

    Args:
        factory: A callable that creates the vendor's connection.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._pid = os.getpid()
        # Reentrant: the garbage collector may call `stop` at any point, also in the thread that
        # holds this lock. With a plain lock, that thread would wait for itself.
        self._lock = new_lock()
        self._calls: set[Call[Any]] = set()
        # All running tasks, also the tasks of calls that no caller waits for any more.
        self._tasks: set[asyncio.Task[None]] = set()
        self._vendor: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatcher: asyncio.Task[Any] | None = None
        # The thread of the event loop. The vendor's SDK may run its loop on another thread.
        self._dispatching_thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        # Each of these flags refuses new calls. Draining: the calls in progress may end. Stopped:
        # the session was told to end. Leaving: its tasks are cancelled. Ended: no call is left.
        self._draining = self._stopped = self._leaving = self._ended = False
        self.is_doubtful = False
        self._thread = threading.Thread(target=self._main, name="teamwire_sync vendor", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        _sessions.add(self)
        start(self._thread)

    @property
    def is_awaited_here(self) -> bool:
        """Whether the current thread would wait for itself if it waited for this session.

        The thread runs this session, or a signal handler has interrupted it while it held the lock.
        """
        own = {self._thread, self._dispatching_thread}
        return threading.current_thread() in own or is_held_here(self._lock)

    @property
    def is_open(self) -> bool:
        """Whether the session accepts calls."""
        return not (self._draining or self._stopped or self._leaving or self._ended)

    def submit(self, call: Call[Any]) -> bool:
        """Schedule *call*; return False if the session does not accept calls any more."""
        with self._lock:
            if not self.is_open:
                return False
            # While the connection opens, calls wait in `_calls`: `_dispatch` starts them.
            if self._loop is not None and not self._soon(self._launch, call):
                self._leaving = True  # the loop is closed: the next call needs a new session
                return False
            self._calls.add(call)
        return True

    def cancel(self, call: Call[Any]) -> None:
        """Cancel the task of *call*, because no caller waits for it any more."""
        with self._lock:
            self._calls.discard(call)
            self._soon(call.cancel_task)
            # A connection that opens slowly is not doubtful. It would be opened twice otherwise.
            if call.is_doubtful and self._loop is not None:
                self.is_doubtful = True
        self._end_if_idle()

    def drain(self) -> None:
        """Accept no more calls, and end the session after its last call."""
        self._draining = True
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        with self._lock:
            idle = self._draining and not self._calls
        if idle:
            self.stop()

    def stop(self) -> None:
        """End the session and all its calls, without waiting for the thread; see `join`."""
        # In a forked child, this session has no thread. Its loop shares a wake-up socket with the
        # parent's loop, so a callback that is scheduled here would wake the parent's loop.
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._stopped = True
            calls, stop = list(self._calls), self._stop
        for call in calls:
            call.close()
        if stop is not None:
            self._soon(stop.set)

    def _soon(self, act: Callable[..., object], *arguments: Any) -> bool:
        try:
            loop = self._loop
            if loop is None:
                return False
            loop.call_soon_threadsafe(act, *arguments)
        except not_by_signal(RuntimeError):  # the loop is closed
            return False
        return True

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread for *seconds* at most; return whether it has ended."""
        # A thread that was never started counts as ended. Its own thread must not wait for itself.
        if self._thread.is_alive() and not self.is_awaited_here:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def detach(self) -> None:
        """Exclude the session from the wait at the exit of the interpreter."""
        _sessions.discard(self)

    # Called on the session's thread

    def _main(self) -> None:
        # A logging handler of the SDK runs on this thread. It must not wait for a caller that waits
        # for this thread: both would hang.
        work_for(self._is_awaited_by)
        failure: BaseException | None = None
        try:
            with _loop_of_this_thread():
                failure = self._live()
        except BaseException as error:  # noqa: BLE001  the waiting callers raise it
            failure = error
        finally:
            self._end(failure)

    def _is_awaited_by(self, thread: int) -> bool:
        with self._lock:
            return thread in [call.caller for call in list(self._calls)]

    def _live(self) -> BaseException | None:
        try:
            manager = self._factory()
        except Exception as error:  # noqa: BLE001  the waiting callers raise it
            return _unmade(error) if kind_of(error) is None else error
        if not all(hasattr(type(manager), name) for name in ("__enter__", "__exit__")):
            return _no_connection("connection_factory", manager)
        with manager as vendor:
            if not hasattr(vendor, "exec_async"):
                return _no_connection(f"entering a {type(manager).__name__}", vendor)
            dispatching = self._dispatch(vendor)
            try:
                vendor.exec_async(dispatching)
            except BaseException as error:
                self._end(error)
                raise
            else:
                # Settle the calls before the vendor's connection is closed: the close may hang.
                self._end(_early(dispatching))
            finally:
                self._clear_up(dispatching)
        return None

    async def _dispatch(self, vendor: Any) -> None:
        work_for(self._is_awaited_by)
        self._dispatching_thread = threading.current_thread()
        stop = asyncio.Event()
        with self._lock:
            self._vendor = vendor
            self._dispatcher = asyncio.current_task()
            self._loop, self._stop = asyncio.get_running_loop(), stop
            waiting = list(self._calls)
            if self._stopped:
                stop.set()
        self._launch_all(waiting)
        del waiting  # this coroutine runs on, and would keep the calls and their results alive
        try:
            await stop.wait()
        except asyncio.CancelledError:
            await self._cancel_all()
            raise
        await self._cancel_all()

    def _launch_all(self, calls: list[Call[Any]]) -> None:
        for call in calls:
            self._launch(call)

    def _launch(self, call: Call[Any]) -> None:
        if self._leaving:
            return
        call.task = task = asyncio.ensure_future(self._run(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call[Any]) -> None:
        try:
            await call.run(self._vendor)
        finally:
            with self._lock:
                self._calls.discard(call)
            self._end_if_idle()

    async def _cancel_all(self) -> None:
        with self._lock:
            self._leaving = True
        await _cancelled(set(self._tasks))

    def _clear_up(self, dispatching: Coroutine[Any, Any, None]) -> None:
        """End the dispatching coroutine after a crash: asyncio warns of an unfinished one."""
        if inspect.getcoroutinestate(dispatching) == inspect.CORO_CREATED:
            dispatching.close()
        loop, dispatcher = self._loop, self._dispatcher
        if loop is None or dispatcher is None or dispatcher.done():
            return
        if loop.is_closed() or loop.is_running():
            return
        dispatcher.cancel()
        loop.run_until_complete(asyncio.wait({dispatcher}, timeout=2 * _CANCEL_TIMEOUT))

    def _end(self, failure: BaseException | None) -> None:
        with self._lock:
            has_ended, self._ended = self._ended, True
            calls, self._calls = self._calls, set()
            entered, expected = self._loop is not None, self._stopped
        if expected or has_ended:
            for call in calls:
                call.close()
            if failure is not None:
                logger.debug("the thread of the vendor's SDK ended with %s", cause_of(failure))
            return
        if not entered and failure is not None:
            refusal = _refusal(failure)
            for call in calls:
                call.reject(refusal)
            return
        for call in calls:
            call.crash(failure)
        text = "the vendor's connection ended by itself%s; the next call makes a new one"
        logger.warning(text, f" with {cause_of(failure)}" if failure is not None else "")


@contextmanager
def _loop_of_this_thread() -> Iterator[None]:
    """Set an event loop for this thread: an older SDK expects one, as in the main thread."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        # An older SDK leaves tasks on this loop, as if the loop ran on. They must end before the
        # loop is closed.
        tasks = asyncio.all_tasks(loop)
        try:
            if tasks:
                loop.run_until_complete(_cancelled(tasks))
        finally:
            asyncio.set_event_loop(None)
            loop.close()


async def _cancelled(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    _, pending = await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT)
    if pending:
        # These tasks ignore their cancellation. Without this flag, asyncio would log an error when
        # the garbage collector destroys them, at any later time.
        for task in asyncio.all_tasks():
            task._log_destroy_pending = False  # type: ignore[attr-defined]


def _unmade(error: Exception) -> TWConfigError:
    cause = cause_of(error)
    message = (
        f"the vendor's connection can't be created: {cause}; the vendor's SDK finds its own "
        "settings: see docs/connect.md"
    )
    return TWConfigError(message, cause=cause)


def _no_connection(source: str, given: object) -> TWConfigError:
    message = (
        f"{source} returned a {type(given).__name__}, which is no connection of the vendor's SDK: "
        "connection_factory must be teamwire_api.Connection, or a callable that returns one"
    )
    return TWConfigError(message)


def _early(dispatching: Coroutine[Any, Any, None]) -> TWConfigError | None:
    if inspect.getcoroutinestate(dispatching) == inspect.CORO_CLOSED:
        return None
    message = (
        "exec_async of the vendor's connection did not wait for the end of its coroutine; check "
        "that connection_factory returns a connection of the vendor's SDK"
    )
    return TWConfigError(message)


def _refusal(failure: BaseException) -> TWError:
    if isinstance(failure, TWError):
        return failure
    cause = cause_of(failure)
    kind = kind_of(failure) or TWConnectionError
    # A refused login means that the server does not accept the credentials.
    code = "unauthorized" if kind is TWAuthError else None
    return kind(f"the vendor's connection could not be opened: {cause}", code=code, cause=cause)


def _end_all() -> None:
    sessions = list(_sessions)
    for session in sessions:
        session.stop()
    ends_at = time.monotonic() + _EXIT_TIMEOUT
    for session in sessions:
        session.join(max(0.0, ends_at - time.monotonic()))


atexit.register(_end_all)

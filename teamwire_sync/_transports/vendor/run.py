"""One life of the vendor's connection: from its making to its end, on a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Callable
from weakref import WeakSet

from teamwire_sync._log import logger
from teamwire_sync._transports.vendor.errors import cause_of, documented, is_lasting
from teamwire_sync.exceptions import TWAuthError, TWConfigError, TWConnectionError, TWError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from teamwire_sync._transports.vendor.calls import Call

# Seconds that tasks have for their end after they were cancelled.
_LAST_WORDS = 1.0
# Seconds that the end of the interpreter waits for the vendor's connections to be left.
_AT_EXIT = 2.0

_runs: WeakSet[Run] = WeakSet()


class Run:
    """A thread that enters the vendor's connection, and runs calls on it side by side.

    Attributes:
        is_doubtful: Whether the vendor's connection may be of no use any more.

    Args:
        factory: Makes the vendor's connection.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._calls: set[Call[Any]] = set()
        # Those of calls that nobody waits for are among them until they end.
        self._tasks: set[asyncio.Future[None]] = set()
        self._vendor: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatcher: asyncio.Task[Any] | None = None
        self._stop: asyncio.Event | None = None
        self._retired = self._stopped = self._ended = False
        self.is_doubtful = False
        self._thread = threading.Thread(target=self._main, name="teamwire_sync vendor", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        _runs.add(self)
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether this is its thread, which would wait for itself."""
        return threading.current_thread() is self._thread

    @property
    def is_open(self) -> bool:
        """Whether it takes calls."""
        return not (self._ended or self._stopped or self._retired)

    def submit(self, call: Call[Any]) -> bool:
        """Have *call* run; False when it is too late for that."""
        with self._lock:
            if not self.is_open:
                return False
            # Until the connection is made, they wait in the set.
            if self._loop is not None and not self._soon(self._launch, call):
                return False
            self._calls.add(call)
        return True

    def cancel(self, call: Call[Any]) -> None:
        """Have the task of *call* end: nobody waits for it."""
        with self._lock:
            self._calls.discard(call)
            self._soon(_cancel, call)
            if call.is_unanswered and self._loop is not None:
                self.is_doubtful = True  # something blocks its loop
        self._end_if_idle()

    def retire(self) -> None:
        """End it when the last of its calls has ended."""
        self._retired = True
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        with self._lock:
            idle = self._retired and not self._calls
        if idle:
            self.stop()

    def stop(self) -> None:
        """End it, and all its calls. Does not wait; see `join`."""
        # What a fork has copied has no thread, and its loop would wake that of the parent.
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
            if self._loop is None:
                return False
            self._loop.call_soon_threadsafe(act, *arguments)
        except RuntimeError:  # the loop is closed
            return False
        return True

    def join(self, seconds: float) -> bool:
        """Wait for its end; whether it has come."""
        if not self.is_here:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def let_go(self) -> None:
        """Let the end of the interpreter not wait for it."""
        _runs.discard(self)

    # Its thread

    def _main(self) -> None:
        # An older SDK asks for the loop of the thread it is in; there is none but in the main one.
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        failure: BaseException | None = None
        try:
            failure = self._live()
        except BaseException as error:  # noqa: BLE001  it goes to those who wait
            failure = error
        finally:
            self._end(failure)
            asyncio.set_event_loop(None)
            loop.close()

    def _live(self) -> BaseException | None:
        try:
            manager = self._factory()
        except Exception as error:  # noqa: BLE001  it goes to those who wait
            return error if documented(error) else _unmade(error)
        if not all(hasattr(type(manager), name) for name in ("__enter__", "__exit__")):
            return _no_connection(manager)
        with manager as vendor:
            if not hasattr(vendor, "exec_async"):
                return _no_connection(vendor)
            dispatching = self._dispatch(vendor)
            try:
                vendor.exec_async(dispatching)
            finally:
                self._clear_up(dispatching)
        return None

    async def _dispatch(self, vendor: Any) -> None:
        stop = asyncio.Event()
        with self._lock:
            self._vendor = vendor
            self._dispatcher = asyncio.current_task()
            self._loop, self._stop = asyncio.get_running_loop(), stop
            for call in self._calls:
                self._loop.call_soon(self._launch, call)
            if self._stopped:
                stop.set()
        try:
            await stop.wait()
        finally:
            await self._cancel_all()

    def _launch(self, call: Call[Any]) -> None:
        call.task = task = asyncio.ensure_future(self._run(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, call: Call[Any]) -> None:
        try:
            error = await call.run(self._vendor)
            if error is not None and is_lasting(error):
                self.is_doubtful = True
        finally:
            with self._lock:
                self._calls.discard(call)
            self._end_if_idle()

    async def _cancel_all(self) -> None:
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS)

    def _clear_up(self, dispatching: Coroutine[Any, Any, None]) -> None:
        """After a crash: leave no task half done, which asyncio would complain of."""
        if inspect.getcoroutinestate(dispatching) == inspect.CORO_CREATED:
            dispatching.close()
        loop, dispatcher = self._loop, self._dispatcher
        if loop is None or dispatcher is None or dispatcher.done():
            return
        if loop.is_closed() or loop.is_running():
            return
        dispatcher.cancel()
        loop.run_until_complete(asyncio.wait({dispatcher}, timeout=2 * _LAST_WORDS))

    def _end(self, failure: BaseException | None) -> None:
        with self._lock:
            self._ended = True
            calls, self._calls = self._calls, set()
            entered, expected = self._loop is not None, self._stopped
        if expected:
            for call in calls:
                call.close()
            if failure is not None:
                logger.debug("the vendor's connection was left with %s", cause_of(failure))
            return
        if not entered and failure is not None:
            refusal = _refusal(failure)
            for call in calls:
                call.refuse(refusal)
            return
        text = "the vendor's connection ended by itself%s; the next call makes a new one"
        logger.warning(text, f" with {cause_of(failure)}" if failure is not None else "")
        for call in calls:
            call.crash(failure)


def _cancel(call: Call[Any]) -> None:
    if call.task is not None:
        call.task.cancel()


def _unmade(error: Exception) -> TWConfigError:
    cause = cause_of(error)
    message = (
        f"the vendor's connection can't be made: {cause}; it takes its settings where the vendor's "
        "SDK looks for them"
    )
    return TWConfigError(message, cause=cause)


def _no_connection(given: object) -> TWConfigError:
    message = (
        f"connection_factory gave a {type(given).__name__}, which is none of the vendor's "
        "connections: give it teamwire_api.Connection, or what makes one"
    )
    return TWConfigError(message)


def _refusal(failure: BaseException) -> TWError:
    if isinstance(failure, TWError):
        return failure
    cause = cause_of(failure)
    kind = documented(failure) or TWConnectionError
    # Whoever can't log in is not known to the server.
    code = "unauthorized" if kind is TWAuthError else None
    return kind(f"the vendor's connection could not be opened: {cause}", code=code, cause=cause)


def _end_all() -> None:
    runs = list(_runs)
    for run in runs:
        run.stop()
    ends_at = time.monotonic() + _AT_EXIT
    for run in runs:
        run.join(max(0.0, ends_at - time.monotonic()))


atexit.register(_end_all)

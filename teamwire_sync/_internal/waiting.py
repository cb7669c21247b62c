"""Waiting for other threads, in a way that no signal breaks.

A signal handler may run between any two instructions of the main thread. It may raise an exception,
or call this package. `threading.Event`, `Condition`, `Semaphore` and `queue.Queue` are written in
Python: an exception just after they have taken their lock leaves it locked forever. So this package
waits with locks and containers only, whose operations are written in C.
"""

from __future__ import annotations

import _thread
import sys
import threading
import weakref
from typing import Any, Callable

from teamwire_sync._internal.signals import suppress

# The name of an attribute of the thread. A threading.local would not do: all greenlets of gevent or
# eventlet would share one that was made before these packages replaced threads.
_ATTRIBUTE = "_teamwire_sync_is_awaited_by"

# Seconds between two checks of a waiting thread. Usually, another thread wakes it. If an exception
# stops the other thread from doing so, the waiting thread finds out at its next check.
_CHECK_INTERVAL = 1.0


def work_for(is_awaited_by: Callable[[int], bool]) -> None:
    """Keep this thread from waiting for threads that wait for it.

    Args:
        is_awaited_by: A function that returns whether the thread with an identity (`get_ident`)
            waits for this thread.
    """
    setattr(threading.current_thread(), _ATTRIBUTE, is_awaited_by)


def works_for(thread: int) -> bool:
    """Return whether the thread with the identity *thread* waits for this thread."""
    is_awaited_by = getattr(threading.current_thread(), _ATTRIBUTE, None)
    return is_awaited_by is not None and is_awaited_by(thread)


# All locks of `new_lock`. No WeakSet: another thread may add a lock during an iteration.
_locks: dict[weakref.ref[Any], None] = {}


class _RLock(_thread.RLock):  # type: ignore[misc]  # it is final for mypy only
    """An RLock whose `__enter__` is written in Python.

    Since Python 3.14, a handler may run after an `__enter__` written in C, before the with block
    begins. An exception would leave the lock taken. No handler runs between an iterator written in
    C and the end of a function.
    """

    def __enter__(self) -> bool:  # type: ignore[override]
        for _ in iter(self.acquire, None):
            break
        return True


def rlock() -> Any:
    """Return an RLock that no signal leaves taken after its with block."""
    lock = threading.RLock()
    # gevent and eventlet replace `threading.RLock`.
    is_unsafe = sys.version_info >= (3, 14) and type(lock) is _thread.RLock
    return _RLock() if is_unsafe else lock


def new_lock() -> Any:
    """Return a lock that the same thread may take again, as a signal handler may need it."""
    lock = rlock()
    _locks[weakref.ref(lock, _locks.pop)] = None
    return lock


def is_held_here(lock: Any) -> bool:
    """Return whether this thread holds *lock*, an RLock.

    All greenlets of a thread share a lock that was made before gevent or eventlet replaced threads.
    Such a lock does not show which greenlet holds it, so the result is False.
    """
    held: bool = lock._is_owned()
    return held and isinstance(lock, type(threading.RLock()))


def is_inside() -> bool:
    """Return whether this thread holds any lock of `new_lock`.

    If so, a signal handler has interrupted this thread in a block with the lock. The handler must
    not wait for another thread, which may need the lock.
    """
    locks = [ref() for ref in list(_locks)]
    return any(lock is not None and is_held_here(lock) for lock in locks)


class Gate:
    """A gate that opens once and lets all waiting threads pass.

    Attributes:
        is_open: Whether the gate is open.
    """

    __slots__ = ("_lock", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        """Open the gate. Idempotent."""
        self.is_open = True
        with suppress(RuntimeError):  # another thread has released it
            self._lock.release()

    def wait(self, timeout: float | None) -> bool:
        """Wait until the gate is open, for *timeout* seconds at most, and return `is_open`."""
        left = float("inf") if timeout is None else timeout
        while not self.is_open and left > 0:
            if self._lock.acquire(timeout=min(left, _CHECK_INTERVAL)):
                self.open()  # wake the next thread
            left -= _CHECK_INTERVAL
        return self.is_open


def run_in_thread(work: Callable[[], object]) -> None:
    """Call *work* in a new thread.

    The thread is not a `threading.Thread`: a signal may interrupt its `start`. Debuggers, profilers
    and coverage tools trace the new thread as they trace a `threading.Thread`.

    Raises:
        RuntimeError: The thread can't be started.
    """

    def traced() -> None:
        if sys.version_info >= (3, 10):
            sys.setprofile(threading.getprofile())
            sys.settrace(threading.gettrace())
        work()

    _thread.start_new_thread(traced, ())


def start(thread: threading.Thread) -> None:
    """Start *thread*, as `threading.Thread.start` does.

    `threading.Thread.start` waits for the new thread with an Event. If a signal handler raises an
    exception in this wait, the lock of the Event stays locked, and the new thread waits for the
    lock forever. So a third thread starts *thread*, because signals only interrupt the main thread.

    Raises:
        RuntimeError: The thread can't be started.
    """
    failures: list[RuntimeError] = []
    is_started = Gate()

    def work() -> None:
        try:
            thread.start()
        except RuntimeError as error:
            failures.append(error)
        finally:
            is_started.open()

    run_in_thread(work)
    is_started.wait(None)
    for failure in failures:
        raise failure


class Ticket:
    """The place of one call in a `Limit`. `Limit.release` or the end of this object frees it.

    The caller creates the ticket before `Limit.acquire`. An exception may come at any moment after
    that, and the caller must then be able to release the ticket.
    """

    __slots__ = ("__weakref__", "gate", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.gate: Gate | None = None


class Limit:
    """A limit on concurrent calls. Further calls wait.

    All calls, also those that wait, are in one queue. The first *size* calls of the queue go on. So
    there is no count of free places, which an exception could make wrong. The queue has weak
    references to the tickets. So a call that an exception ended without `release` leaves the queue.

    Args:
        size: The maximum number of concurrent calls.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._queue: dict[weakref.ref[Ticket], None] = {}
        self._ended = Gate()

    def acquire(self, ticket: Ticket, timeout: float) -> bool:
        """Wait for a place, and return whether there was one within *timeout* seconds.

        After `close`, this succeeds at once. The caller must call `release` in all cases, even
        after False or an exception.

        Raises:
            RuntimeError: Calls of this thread have all the places, so no place would become free.
                Or the calls that have the places may wait for a lock of this thread.
        """
        self._queue[weakref.ref(ticket)] = None
        if len(self._queue) <= self._size:
            return True
        # Before the first check: a call that ends after the check must find the gate.
        ticket.gate = Gate()
        while True:
            first = self._alive()[: self._size]
            if ticket in first or self._ended.is_open:
                return True
            if timeout <= 0:
                return False
            if is_inside() or all(each.thread == ticket.thread for each in first):
                message = (
                    "this call would wait for itself, as it runs inside other calls of its thread; "
                    "don't use the Connection in a signal handler, a logging handler or a file "
                    "object, or set a larger pool_size"
                )
                raise RuntimeError(message)
            del first  # its references would keep the tickets of ended calls alive
            ticket.gate.wait(min(timeout, _CHECK_INTERVAL))
            timeout -= _CHECK_INTERVAL

    def release(self, ticket: Ticket) -> None:
        """Free the place of *ticket*, or end its wait. Idempotent."""
        self._queue.pop(weakref.ref(ticket), None)
        if len(self._queue) >= self._size:
            _wake(self._alive()[: self._size])

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until `close`."""
        self._ended.wait(seconds)

    def close(self) -> None:
        """End all current and later waits."""
        self._ended.open()
        _wake(self._alive())

    def _alive(self) -> list[Ticket]:
        alive = []
        for ref in list(self._queue):
            ticket = ref()
            if ticket is None:
                self._queue.pop(ref, None)
            else:
                alive.append(ticket)
        return alive


def _wake(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        if ticket.gate is not None:
            ticket.gate.open()

"""The limit on concurrent requests."""

from __future__ import annotations

import threading


class ConnectionLimit:
    """A limit on concurrent requests.

    Further requests wait for a free connection, with a time-out that urllib3's own pool lacks.

    Args:
        size: The maximum number of concurrent requests.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        # A signal handler may call `close` while this thread holds the lock. So the lock must be
        # an RLock. A Condition has an RLock, a Semaphore has not.
        self._changed = threading.Condition()
        # Not the Condition: a thread in `pause` must not take the wake-up of a waiting request.
        self._ended = threading.Event()

    def acquire(self, timeout: float) -> bool:
        """Take a connection, and return whether this succeeded within *timeout* seconds.

        After `close` it succeeds at once.
        """
        with self._changed:
            there = self._changed.wait_for(lambda: self._free > 0 or self._ended.is_set(), timeout)
            if there:
                self._free -= 1
            return there

    def release(self) -> None:
        """Free a connection, and wake one waiting request."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until `close`."""
        # A server may ask for a longer pause than `Event.wait` accepts.
        self._ended.wait(min(seconds, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """End all current and later waits."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()

"""How many requests there may be at once."""

from __future__ import annotations

import threading


class ConnectionLimit:
    """So many requests at once; further ones wait, which in urllib3's own pool has no end.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        # No Semaphore: a handler of signals may close in the middle of anything here, and only a
        # Condition has an RLock.
        self._changed = threading.Condition()
        # What wakes one who waits for a connection must not be spent on one who pauses.
        self._ended = threading.Event()

    def acquire(self, timeout: float) -> bool:
        """Whether there was a free connection, or the end, before *timeout* was over."""
        with self._changed:
            there = self._changed.wait_for(lambda: self._free > 0 or self._ended.is_set(), timeout)
            if there:
                self._free -= 1
            return there

    def release(self) -> None:
        """Let the next one have it."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until the end."""
        # A server may ask for more seconds than can be waited for.
        self._ended.wait(min(seconds, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """Wake all who wait."""
        self._ended.set()
        with self._changed:
            self._changed.notify_all()

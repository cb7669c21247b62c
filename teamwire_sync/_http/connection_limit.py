"""How many requests there may be at once."""

from __future__ import annotations

import threading


class ConnectionLimit:
    """So many requests at once; further ones wait, which in urllib3's own pool has no end.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._free = threading.Semaphore(size)
        self._ended = threading.Event()

    def acquire(self, timeout: float) -> bool:
        """Whether there was a free connection, or the end, before *timeout* was over."""
        there = self._free.acquire(timeout=timeout)
        if self._ended.is_set():
            self.release()
        return there

    def release(self) -> None:
        """Let the next one have it."""
        self._free.release()

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until the end."""
        # A server may ask for more seconds than can be waited for.
        self._ended.wait(min(seconds, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """Wake all who wait: each wakes the next one."""
        self._ended.set()
        self.release()

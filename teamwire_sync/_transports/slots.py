"""How many requests there may be at once."""

from __future__ import annotations

import threading


class Slots:
    """So many requests at once; further ones wait, which in urllib3's own pool has no end.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._closed = False
        self._changed = threading.Condition()

    def take(self, timeout: float) -> bool:
        """Whether there was a free slot, or the end, before *timeout* was over."""
        with self._changed:
            there = self._changed.wait_for(lambda: self._free > 0 or self._closed, timeout)
            if there:
                self._free -= 1
            return there

    def give_back(self) -> None:
        """Let the next one have it."""
        with self._changed:
            self._free += 1
            self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, seconds)

    def close(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

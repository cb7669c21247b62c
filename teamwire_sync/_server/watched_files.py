"""Files that other programs replace while a server runs."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Callable

_CHECK_INTERVAL = 1.0


class WatchedFiles:
    """A check whether files have changed. One thread at a time may use it.

    Args:
        paths: The files, which need not exist. Create the object before you read the files: then a
            change during the reading shows at the next check.
        clock: A function that returns seconds; only differences between its results matter.
    """

    def __init__(
        self, *paths: str | os.PathLike[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._statuses = self._read()
        self._check_at = clock() + _CHECK_INTERVAL

    def have_changed(self) -> bool:
        """Return whether a file has changed since the last check; check once in a second."""
        now = self._clock()
        if now < self._check_at:
            return False
        self._check_at = now + _CHECK_INTERVAL
        before, self._statuses = self._statuses, self._read()
        return self._statuses != before

    def _read(self) -> list[tuple[int, ...]]:
        found: list[tuple[int, ...]] = []
        for path in self._paths:
            with suppress(OSError):
                status = os.stat(path)  # noqa: PTH116  the path may be a str
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        return found

"""The gateway's own numbers for changes of the chats."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from teamwire_sync._gateway.state import replace_file
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from pathlib import Path

# The number of revisions for which one write to the disk suffices.
_BLOCK = 10_000


class Revisions:
    """Numbers that grow, also over restarts. One thread at a time may use it.

    The file has a number that is at least as high as all given numbers.

    Args:
        path: The file, which is created if it is missing; None for a gateway without a state.
        now: The time in seconds since 1970. A gateway that has lost its file continues with higher
            numbers by this time.

    Attributes:
        last: The last number.

    Raises:
        TWConfigError: The file is unusable.
    """

    def __init__(self, path: Path | None, now: float | None = None) -> None:
        self._path = path
        try:
            stored = int(path.read_text("ascii")) if path is not None and path.exists() else 0
            now = time.time() if now is None else now
            self.last = self._reserved = max(stored + 1, int(now * 1000))
            self._reserve()
        except (OSError, ValueError) as error:
            problem = str(error)
        else:
            return
        message = f"{path}: {problem}; remove it, and the gateway continues by the clock"
        raise TWConfigError(message)

    def next(self) -> int:
        """Return the next number."""
        if self.last + 1 > self._reserved:
            self._reserve()
        self.last += 1
        return self.last

    def _reserve(self) -> None:
        reserved = self.last + _BLOCK
        if self._path is not None:
            replace_file(self._path, str(reserved))
        self._reserved = reserved

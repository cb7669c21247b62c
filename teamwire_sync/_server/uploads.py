"""Bodies that may be too large for memory."""

from __future__ import annotations

import hashlib
import tempfile
from typing import BinaryIO, cast

CHUNK = 64 * 1024
IN_MEMORY = 64 * 1024
"""The size in bytes up to which a content needs no file."""


def read_body(source: BinaryIO, size: int) -> bytes | None:
    """Return at most *size* bytes of a request's body; None if the connection ends before them."""
    try:
        return source.read(size)
    except (OSError, ValueError):  # cheroot raises these inside a chunked body
        return None


class Spool:
    """A body while it is received: in memory while it is small, then in a file without a name.

    Such a file is gone when the process ends, also after ``kill -9``.

    Attributes:
        digest: The SHA-256 hash of the content.
        size: The number of bytes received.
        is_broken: Whether the source failed before its end.
    """

    def __init__(self) -> None:
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115  see `close`
        self.digest = hashlib.sha256()
        self.size = 0
        self.is_broken = False

    def receive(self, source: BinaryIO, longest: int) -> None:
        """Read a body; stop after more than `longest` bytes."""
        while self.size <= longest:
            chunk = read_body(source, CHUNK)
            if not chunk:
                self.is_broken = chunk is None
                return
            self.size += len(chunk)
            self.digest.update(chunk)
            self._file.write(chunk)

    def open(self) -> BinaryIO:
        """Return the file of the content, at its first byte."""
        self._file.seek(0)
        return self._file

    def close(self) -> None:
        """Remove the content. Idempotent."""
        self._file.close()

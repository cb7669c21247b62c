"""Bodies that are too large for memory, and the folder for them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from pathlib import Path
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

    Args:
        files: The folder for `keep`.

    Attributes:
        digest: The SHA-256 hash of the content.
        size: The number of bytes received.
        is_broken: Whether the source failed before its end.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._file = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
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

    def keep(self, name: str) -> bytes | None:
        """Return a small content; copy a large one for `Files.open` and return None."""
        content = self.open()
        if self.size <= IN_MEMORY:
            return content.read()
        with (self._files.folder() / name).open("xb") as kept:
            shutil.copyfileobj(content, kept, CHUNK)
        return None

    def close(self) -> None:
        """Remove the content. Idempotent."""
        self._file.close()


class Files:
    """The folder of large contents, created on first use.

    Args:
        path: The folder; None for a temporary folder.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def folder(self) -> Path:
        """Return the folder."""
        if self._path is not None:
            self._path.mkdir(exist_ok=True)
            return self._path
        with self._lock:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="teamwire-")
            return Path(self._temporary.name)

    def open(self, name: str) -> BinaryIO:
        """Open the content that was kept under this name."""
        return (self.folder() / name).open("rb")

    def close(self) -> None:
        """Remove a temporary folder."""
        if self._temporary is not None:
            self._temporary.cleanup()

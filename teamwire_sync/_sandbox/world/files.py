"""Contents that are too large for memory: bodies while they come in, and attachments."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import threading
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

CHUNK = 64 * 1024
IN_MEMORY = 64 * 1024
"""The size up to which contents need no file."""


class Spool:
    """A body as it comes in: in memory while it is small, then in a file.

    Args:
        files: Where the file would be.

    Attributes:
        digest: The content's SHA-256.
        size: How many bytes there are.
        is_broken: Whether the source failed before its end.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._path: Path | None = None
        self._memory = io.BytesIO()
        self.digest = hashlib.sha256()
        self.size = 0
        self.is_broken = False

    def receive(self, source: BinaryIO, longest: int) -> None:
        """Read a body; of one that is longer than `longest`, not all is read."""
        with ExitStack() as exits:
            target: BinaryIO = self._memory
            while self.size <= longest:
                if self._path is None and self.size > IN_MEMORY:
                    self._path = self._files.folder() / f"body-{uuid.uuid4().hex}"
                    target = exits.enter_context(self._path.open("xb"))
                    target.write(self._memory.getbuffer())
                    self._memory = io.BytesIO()
                chunk = self._read(source)
                if not chunk:
                    return
                self.size += len(chunk)
                self.digest.update(chunk)
                target.write(chunk)

    def _read(self, source: BinaryIO) -> bytes:
        try:
            return source.read(CHUNK)
        except (OSError, ValueError):  # what cheroot raises in the middle of a chunked body
            self.is_broken = True
            return b""

    def keep(self, name: str) -> bytes | None:
        """The content if it is small; else keep its file under a name, for `Files.open`."""
        if self._path is None:
            return self._memory.getvalue()
        self._path.replace(self._files.folder() / name)
        self._path = None
        return None

    def close(self) -> None:
        """Remove the file, unless it is kept."""
        if self._path is not None:
            self._path.unlink()
            self._path = None


class Files:
    """The folder of a world's large contents; it is made when it is needed.

    Args:
        world: The world's file, beside which the folder is; without one it is a temporary folder.
    """

    def __init__(self, world: str | os.PathLike[str] | None) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def folder(self) -> Path:
        """The folder."""
        if self._world is not None:
            folder = Path(f"{os.fspath(self._world)}.files")
            folder.mkdir(exist_ok=True)
            return folder
        with self._lock:
            if self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="teamwire-sandbox-")
            return Path(self._temporary.name)

    def open(self, name: str) -> BinaryIO:
        """The content that was kept under a name."""
        return (self.folder() / name).open("rb")

    def close(self) -> None:
        """Remove what is temporary."""
        if self._temporary is not None:
            self._temporary.cleanup()

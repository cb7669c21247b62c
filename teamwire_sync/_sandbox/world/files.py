"""The folder of the contents that are too large for the database."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from teamwire_sync._server.uploads import CHUNK, IN_MEMORY

if TYPE_CHECKING:
    from teamwire_sync._server.uploads import Spool


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

    def keep(self, name: str, body: Spool) -> bytes | None:
        """Return a small content; copy a large one for `open` and return None."""
        content = body.open()
        if body.size <= IN_MEMORY:
            return content.read()
        with (self.folder() / name).open("xb") as kept:
            shutil.copyfileobj(content, kept, CHUNK)
        return None

    def open(self, name: str) -> BinaryIO:
        """Open the content that was kept under this name."""
        return (self.folder() / name).open("rb")

    def close(self) -> None:
        """Remove a temporary folder."""
        if self._temporary is not None:
            self._temporary.cleanup()

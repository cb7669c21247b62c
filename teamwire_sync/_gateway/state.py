"""The folder of a gateway's state, and the locks between processes."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.folder import Folder, folder_path
from teamwire_sync.exceptions import TWConfigError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

_LOCK = "gateway.lock"


class StateFolder:
    """The folder of a gateway's state. Only one process at a time uses it, of only one user.

    The operating system frees the folder when the process ends, also after ``kill -9``. A process
    that forks must do so before it creates this object: parent and child would share the lock.

    Args:
        path: The folder, which is created if it is missing.

    Raises:
        TWConfigError: Another process uses the folder, or the folder is unusable.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = private_folder(path)
        self._exits = ExitStack()
        try:
            self._exits.enter_context(locked(self.path_of(_LOCK), waits=False))
        except OSError as error:
            in_use = "another gateway uses it, and one gateway serves all clients of a bot"
            why = in_use if isinstance(error, BlockingIOError) else str(error.strerror)
            problem = str(self._folder.error(why))
        else:
            return
        raise TWConfigError(problem)

    def path_of(self, name: str) -> str:
        """Return the path of the file with this name."""
        return self._folder.path_of(name)

    def make(self, name: str) -> str:
        """Create the file as an empty one, unless it exists, and return its path."""
        self._folder.make(name)
        return self.path_of(name)

    def close(self) -> None:
        """Free the folder for other processes. Idempotent."""
        self._exits.close()


def private_folder(path: str | os.PathLike[str]) -> Folder:
    """Return the folder, which only this user can open. Create it if it is missing.

    Raises:
        TWConfigError: The folder is unusable, or other users can open it.
    """
    try:
        folder = Folder(folder_path(path), "the gateway's state")
        with folder.opened():
            return folder
    except (StoreError, ValueError) as error:
        problem = str(error)
    raise TWConfigError(problem)


def replace_file(path: Path, text: str) -> None:
    """Write a file of the state, which only this user can read.

    After a power cut, the file has the old or the new content. After the call, it has the new one.
    """
    new = Path(f"{path}.new")
    number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    if sys.platform != "win32":
        number = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextmanager
def locked(path: str, *, waits: bool) -> Iterator[None]:
    """Hold the lock of a file in the ``with`` block. The file stays.

    Args:
        path: The file, which is created if it is missing.
        waits: Whether to wait for a process that holds the lock. On Windows, the wait ends after
            10 seconds with an `OSError`.

    Raises:
        BlockingIOError: Another process holds the lock, and *waits* is false.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            try:
                msvcrt.locking(lock, msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK, 1)
            except PermissionError as error:
                raise BlockingIOError(error.errno, error.strerror) from None
        else:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        yield
    finally:
        os.close(lock)


def force(file: FileIO) -> None:
    """Force the content of a file onto the disk."""
    if sys.platform == "darwin":
        # A usual fsync leaves the data in the cache of the disk.
        fcntl.fcntl(file, fcntl.F_FULLFSYNC)
    else:
        getattr(os, "fdatasync", os.fsync)(file.fileno())

"""A folder of small files that only one user reads and writes.

Each file is written beside its place and then takes it, so whoever reads one has it whole. Nothing
is forced onto the disk: what a power cut damages is noticed, and asked for anew.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from teamwire_sync._stores.base import DamagedError, StoreError, new_token

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = 64 * 1024
"""Bytes of a file that holds no chats, at most."""

_NAME = re.compile(
    r"(?P<key>[0-9a-f]{32})\."
    r"(?:(?:generation|head|failure|lease|lock)|[0-9a-f]{32}\.(?:chats|tmp))"
)

_PORTABLE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
# Without O_NONBLOCK, to open a pipe would wait for who writes into it.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _PORTABLE
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PORTABLE
# What it gives to open a link, a socket, or the file of another user.
_NOT_OURS = {errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EOPNOTSUPP, errno.EACCES}


def folder_path(path: str | os.PathLike[str] | None) -> Path:
    """The path of the folder *path*, or of the one in the user's cache folder.

    Raises:
        TypeError: It is no path.
        ValueError: No file system has it, or there is no home.
    """
    given = _default_folder() if path is None else path
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        message = f"path must be a str or a Path, not {type(given).__name__}"
        raise TypeError(message)
    if not text or "\0" in text:
        message = "path has a NUL in it" if text else "path is empty"
        raise ValueError(message)
    expanded = os.path.expanduser(text)  # noqa: PTH111  a Path raises RuntimeError without a home
    try:
        os.fsencode(text)
    except UnicodeError:
        message = f"path can't be written in the encoding of the file system: {text!r}"
        raise ValueError(message) from None
    if expanded.startswith("~"):
        message = f"path: there is no home folder for {text!r}: give the whole path"
        raise ValueError(message)
    # Absolute: the program may be elsewhere when it is used.
    return Path(expanded).absolute()


def _default_folder() -> str:
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return f"{caches}/teamwire_sync"


class Folder:
    """The folder of a `FileStore`.

    Args:
        path: Its path.
        now: Gives the time that files are of.
    """

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        self.path = path
        self._start = f"{path}{os.sep}"
        self._now = now

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have it there, and ours alone; what the system refuses in the block is a StoreError."""
        try:
            try:
                status = self.path.lstat()
            except FileNotFoundError:
                _make(self.path)
                status = self.path.lstat()
            problem = self._problem_of(status)
            if problem:
                raise self.error(problem)
            yield
        except OSError as error:
            raise self.error(error.strerror or type(error).__name__) from None

    def _problem_of(self, status: os.stat_result) -> str | None:
        if stat.S_ISLNK(status.st_mode):
            return "it is a link: give the folder that it leads to"
        if not stat.S_ISDIR(status.st_mode):
            return "it is no folder"
        if not _is_own(status):
            return "it belongs to another user: give a folder of your own"
        if _is_open(status):
            return "it is open to others: give a folder of its own, that only you can open"
        return None

    def error(self, why: str) -> StoreError:
        """The error that says *why*, and where."""
        return StoreError(self._text(why))

    def _text(self, why: str) -> str:
        return f"the store in {str(self.path)!r}: {why}"

    def refused(self, name: str) -> StoreError:
        """Remove the file *name*, which no store can use; the error that says so."""
        why = f"{name} is damaged, of another version or not ours"
        try:
            self.remove(name)
        except OSError as error:
            return self.error(f"{why}, and can't be removed: {error.strerror}")
        return DamagedError(self._text(f"{why}: removed"))

    def path_of(self, name: str) -> str:
        """The path of the file *name*."""
        return self._start + name

    def read(self, name: str, most: int = SMALL) -> bytes | None:
        """What is in the file *name*; None when there is none.

        Args:
            name: Its name.
            most: Bytes that it may have.

        Raises:
            DamagedError: It is none that a store wrote, or has more bytes.
        """
        try:
            file = os.open(self._start + name, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            raise self.refused(name) from None
        try:
            status = os.fstat(file)
            is_ours = stat.S_ISREG(status.st_mode) and _is_own(status) and not _is_open(status)
            if is_ours and status.st_size <= most:
                return _read_all(file, status.st_size)
        finally:
            os.close(file)
        raise self.refused(name)

    def write(self, name: str, data: bytes, *, first: bool = False) -> None:
        """Write the file *name* beside its place, and bring it there.

        Args:
            name: Its name.
            data: All that it is to have.
            first: Leave one that is there already as it is.
        """
        path = self._start + f"{name[:32]}.{new_token()}.tmp"
        try:
            file = os.open(path, _WRITE, 0o600)
            try:
                left = memoryview(data)
                while left:
                    left = left[os.write(file, left) :]
            finally:
                os.close(file)
            self.touch(path)
            if first:
                _put_first(path, self._start + name)
            else:
                os.replace(path, self._start + name)  # noqa: PTH105
        finally:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108

    def touch(self, path: str) -> None:
        """Have the file at *path* be of now."""
        now = self._now()
        os.utime(path, (now, now))

    def remove(self, name: str) -> None:
        """Remove the file *name* where it is there."""
        with suppress(FileNotFoundError):
            os.unlink(self._start + name)  # noqa: PTH108

    def files(self, key: str = "") -> list[os.DirEntry[str]]:
        """The files of stores in it, or those of the bot *key*."""
        with os.scandir(self.path) as entries:
            return [
                entry
                for entry in entries
                if entry.name.startswith(key) and _NAME.fullmatch(entry.name)
            ]

    def clear(self, key: str = "") -> int:
        """Remove all but leases and locks, and so renew the generation.

        Returns:
            How many snapshots there were.

        Raises:
            OSError: Something could not be removed; the rest is.
        """
        count, failed = 0, None
        for entry in self.files(key):
            if entry.name.endswith((".lease", ".lock")):
                continue
            try:
                self.remove(entry.name)
                count += entry.name.endswith(".head")
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed
        return count


def _put_first(temp: str, path: str) -> None:
    """Give the file *temp* the name *path*, unless another has it."""
    try:
        os.link(temp, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without links: the last one has it. What others ask for under theirs does
        # not count then.
        os.replace(temp, path)  # noqa: PTH105


def _make(folder: Path) -> None:
    # Path.mkdir(parents=True) would make the parents as open as the umask has them.
    with suppress(FileExistsError):
        try:
            folder.mkdir(0o700)
        except FileNotFoundError:
            _make(folder.parent)
            folder.mkdir(0o700)


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _is_open(status: os.stat_result) -> bool:
    return hasattr(os, "geteuid") and bool(status.st_mode & 0o077)


def _read_all(file: int, size: int) -> bytes:
    data = os.read(file, size)
    while len(data) < size:
        more = os.read(file, size - len(data))
        if not more:
            break
        data += more
    return data

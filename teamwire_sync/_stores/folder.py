"""A folder of databases that only one user reads and writes."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from teamwire_sync._stores.base import DamagedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

# With the version of what is in it: what a store of another version has, is left alone.
SUFFIX = ".v1.sqlite3"
"""How the name of a database ends."""

_NAME = re.compile(r"[0-9a-f]{32}" + re.escape(SUFFIX))
# SQLite may have these beside a database.
_SIDE_FILES = ("-journal", "-wal", "-shm")


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
    """

    def __init__(self, path: Path) -> None:
        self.path = path

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

    def error(self, why: str, kind: type[StoreError] = StoreError) -> StoreError:
        """The error that says *why*, and where."""
        return kind(f"the store in {str(self.path)!r}: {why}")

    def refused(self, name: str) -> StoreError:
        """Remove the database *name*, which no store can use; the error that says so."""
        why = f"{name} is damaged, of another version or not ours"
        try:
            # The database last: what a journal has of it is confidential, too.
            for suffix in (*_SIDE_FILES, ""):
                with suppress(FileNotFoundError):
                    os.unlink(self.path_of(name + suffix))  # noqa: PTH108
        except OSError as error:
            return self.error(f"{why}, and can't be removed: {error.strerror}")
        return self.error(f"{why}: removed", DamagedError)

    def path_of(self, name: str) -> str:
        """The path of the file *name*."""
        return f"{self.path}{os.sep}{name}"

    def check(self, name: str, most: int) -> bool:
        """Have the database *name* be ours alone, if it is there.

        Args:
            name: Its name.
            most: Bytes that it may have.

        Returns:
            Whether it is there; False also when somebody is writing, or was killed while writing.

        Raises:
            DamagedError: It is none that a store made.
        """
        found = {}
        for suffix in ("", *_SIDE_FILES):
            with suppress(FileNotFoundError):
                status = os.lstat(self.path_of(name + suffix))
                is_ours = stat.S_ISREG(status.st_mode) and _is_own(status) and not _is_open(status)
                if not is_ours or status.st_size > most:
                    raise self.refused(name)
                found[suffix] = status.st_size
        return bool(found.get("")) and "-journal" not in found

    def make(self, name: str) -> None:
        """Have the database *name* there, empty unless it was there already.

        Nobody here may use it meanwhile: to close it frees the locks that a process has on it.
        """
        # SQLite would make it as open as the umask has it.
        with suppress(FileExistsError):
            os.close(os.open(self.path_of(name), os.O_CREAT | os.O_EXCL, 0o600))

    def databases(self) -> list[str]:
        """The names of the databases in it, if it is there."""
        if not os.path.lexists(self.path):
            return []
        with self.opened():
            return [each.name for each in self.path.iterdir() if _NAME.fullmatch(each.name)]


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

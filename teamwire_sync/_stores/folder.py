"""A folder of databases that only one user can read and write."""

from __future__ import annotations

import os
import re
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from teamwire_sync._internal.home import expand, user_folder
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._stores.base import DamagedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The suffix contains the version of the format, so a store never uses the data of another version.
SUFFIX = ".v3.sqlite3"
"""The end of the name of each database."""

_NAME = re.compile(r"[0-9a-f]{32}" + re.escape(SUFFIX))
# The ends of the names of files that SQLite may create beside a database.
_SIDE_FILES = ("-journal", "-wal", "-shm")


def folder_path(path: str | os.PathLike[str] | None) -> Path:
    """Return *path* as an absolute path; None means a folder in the user's cache folder.

    Raises:
        TypeError: *path* is not a path.
        ValueError: *path* is empty or not valid in the file system, or no home folder exists.
    """
    given = _default_folder() if path is None else path
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str):
        message = f"path must be a str or a Path, not {type(given).__name__}"
        raise TypeError(message)
    if not text or "\0" in text:
        message = "path contains a NUL character" if text else "path is empty"
        raise ValueError(message)
    try:
        os.fsencode(text)
    except not_by_signal(UnicodeError):
        message = f"path can't be written in the encoding of the file system: {text!r}"
        raise ValueError(message) from None
    expanded = expand(text)
    if expanded is None:
        message = f"path: there is no home folder for {text!r}: use an absolute path"
        raise ValueError(message)
    # An absolute path, because the program may change its working directory later.
    return Path(expanded).absolute()


def _default_folder() -> str:
    if sys.platform == "win32":
        variable, caches = "LOCALAPPDATA", "~/AppData/Local"
    elif sys.platform == "darwin":
        variable, caches = "", "~/Library/Caches"
    else:
        variable, caches = "XDG_CACHE_HOME", "~/.cache"
    return f"{user_folder(variable, caches) or caches}/teamwire_sync"


class Folder:
    """A folder that only this user can open.

    Args:
        path: The absolute path of the folder.
        content: The content of the folder, for texts of errors.
    """

    def __init__(self, path: Path, content: str = "the store") -> None:
        self.path = path
        self._content = content

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Create the folder if it is missing, and check that only this user can open it.

        An `OSError` in the block is raised as a `StoreError`.
        """
        try:
            try:
                status = self.path.lstat()
            except not_by_signal(FileNotFoundError):
                _make(self.path)
                status = self.path.lstat()
            problem = self._problem_of(status)
            if problem:
                raise self.error(problem)
            yield
        except not_by_signal(OSError) as error:
            raise self.error(error.strerror or type(error).__name__) from None

    def _problem_of(self, status: os.stat_result) -> str | None:
        if stat.S_ISLNK(status.st_mode):
            return "it is a symbolic link: use the folder that it points to"
        if not stat.S_ISDIR(status.st_mode):
            return "it is not a folder"
        if not _is_own(status):
            return "it belongs to another user: use a folder that belongs to you"
        if _is_open(status):
            return "it is open to other users: use a separate folder that only you can open"
        return None

    def error(self, why: str, kind: type[StoreError] = StoreError) -> StoreError:
        """Return an error with this reason and the path of the folder."""
        return kind(f"{self._content} in {str(self.path)!r}: {why}")

    def refused(self, name: str) -> StoreError:
        """Remove this database, which no store can use; return an error with the reason."""
        why = f"{name} is damaged, of another version or not written by this package"
        try:
            # Remove the database last. A journal contains confidential data too, and `databases`
            # does not find a journal without its database.
            for suffix in (*_SIDE_FILES, ""):
                with suppress(FileNotFoundError):
                    os.unlink(self.path_of(name + suffix))  # noqa: PTH108
        except not_by_signal(OSError) as error:
            return self.error(f"{why}, and can't be removed: {error.strerror}")
        return self.error(f"{why}: removed", DamagedError)

    def path_of(self, name: str) -> str:
        """Return the path of the file with this name."""
        return f"{self.path}{os.sep}{name}"

    def check(self, name: str, most: int) -> bool:
        """Check that the database belongs to this user alone, if it exists.

        Args:
            name: The name of the database.
            most: The maximum size of each of its files in bytes.

        Returns:
            Whether the database exists, is not empty and has no journal. A journal means that a
            process is writing, or was killed while it was writing.

        Raises:
            DamagedError: The database was too large, not a regular file, or not private to this
                user. It has been removed.
            StoreError: Such a database can't be removed.
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
        """Create the database as an empty file, unless it exists.

        No other thread of this process may use the database at the same time. Otherwise, closing
        the file would free the process's locks on the database.
        """
        # SQLite would create the file with the permissions of the umask.
        with suppress(FileExistsError):
            os.close(os.open(self.path_of(name), os.O_CREAT | os.O_EXCL, 0o600))

    def databases(self) -> list[str]:
        """Return the names of the databases in the folder, if it exists."""
        if not os.path.lexists(self.path):
            return []
        with self.opened():
            return [each.name for each in self.path.iterdir() if _NAME.fullmatch(each.name)]


def _make(folder: Path) -> None:
    # Path.mkdir(parents=True) would create the parents with the permissions of the umask.
    with suppress(FileExistsError):
        try:
            folder.mkdir(0o700)
        except not_by_signal(FileNotFoundError):
            _make(folder.parent)
            folder.mkdir(0o700)


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _is_open(status: os.stat_result) -> bool:
    return hasattr(os, "geteuid") and bool(status.st_mode & 0o077)

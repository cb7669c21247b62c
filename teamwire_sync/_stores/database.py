"""The SQLite database of one bot: its tables, and the opening of it.

Each call opens the database, and closes it again. SQLite does not force the data onto the disk. If
a power cut damages the data, the store detects the damage, and the chats are listed again.
If a process is killed while it writes, the next process rolls back the incomplete write. On a full
disk, the store can only change a few values, and a killed process may then damage the data.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Callable, TypeVar

from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync._stores.base import new_token

if TYPE_CHECKING:
    import sqlite3

    from teamwire_sync._stores.folder import Folder
else:
    sqlite3 = LazyModule("sqlite3")

T = TypeVar("T")

_LOCK_TIMEOUT = 1.0
# The maximum number of bytes of a database in addition to the chats.
_MARGIN = 1024 * 1024
# The errors of SQLite on a full disk, and when the quota of the user is used up.
_FULL = {"database or disk is full", "disk I/O error"}
# The errors of SQLite that do not mean a damaged database.
_REASONS = {
    "access permission denied",
    "database is locked",
    *_FULL,
    "locking protocol",
    "unable to open database file",
}

# secure_delete overwrites removed data, because titles are confidential.
_BEGIN = """
PRAGMA synchronous = OFF;
PRAGMA secure_delete = ON;
BEGIN IMMEDIATE;
"""
_IN_MEMORY = "PRAGMA journal_mode = MEMORY;"
# The chats of each part have their own table: otherwise each change of another column would rewrite
# them. `present` is the last part.
_MAKE = """
CREATE TABLE IF NOT EXISTS slot (
    generation TEXT, failure TEXT, owner TEXT, since REAL, until REAL, written INTEGER,
    lacking_until REAL
);
CREATE TABLE IF NOT EXISTS parts (
    number INTEGER PRIMARY KEY, body TEXT, asked_in TEXT, asked_at REAL, listed INTEGER,
    room INTEGER
);
CREATE VIEW IF NOT EXISTS present AS
    SELECT * FROM parts WHERE number = (SELECT max(number) FROM parts);
CREATE TABLE IF NOT EXISTS chats (number INTEGER PRIMARY KEY, packed BLOB);
CREATE TABLE IF NOT EXISTS marks (write TEXT, until REAL);
"""

# One thread at a time uses SQLite, and a fork waits for this thread, because SQLite keeps a list of
# the locks of its process. Otherwise: thread A holds locks of SQLite; thread B forks; the child
# waits forever for A's locks.
_in_use = new_lock()


def _before_fork() -> None:
    _in_use.acquire()


def _after_fork_in_parent() -> None:
    with suppress(RuntimeError):  # Ctrl-C has ended the wait
        _in_use.release()


def _after_fork_in_child() -> None:
    global _in_use  # noqa: PLW0603
    # As long as something refers to the old lock, `is_inside` counts it.
    with suppress(RuntimeError):  # Ctrl-C has ended the wait, and a thread of the parent holds it
        _in_use.release()
    _in_use = new_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


class SlotDatabase:
    """The database of one bot.

    Args:
        folder: The folder of the store.
        name: The name of the database's file.
        max_bytes: The maximum size of a listing in bytes.
    """

    def __init__(self, folder: Folder, name: str, max_bytes: int) -> None:
        self._folder, self._name = folder, name
        self._most = 2 * max_bytes + _MARGIN

    def use(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        writes: bool = False,
        is_small: bool = False,
        has_space: bool = True,
    ) -> T:
        """Call *work* with an open database, and return its result.

        Args:
            work: The function. It may run twice.
            writes: Whether *work* is one transaction: other processes write before or after it.
            is_small: Whether *work* overwrites a few values. On a full disk, SQLite does that
                without a file for its journal.
            has_space: Whether the disk has space for this file.
        """
        ends_at = time.monotonic() + _LOCK_TIMEOUT
        folder, name = self._folder, self._name
        with _in_use, folder.opened():
            is_new = not folder.check(name, self._most)
            if is_new:
                folder.make(name)
            try:
                # The time-out includes the wait for other threads of this process.
                left = max(0.0, ends_at - time.monotonic())
                database = sqlite3.connect(folder.path_of(name), timeout=left, isolation_level=None)
                try:
                    # Invalid UTF-8 would otherwise raise OperationalError, as a full disk does.
                    database.text_factory = partial(str, encoding="utf-8", errors="replace")
                    if is_new:
                        database.executescript(_BEGIN + _MAKE)
                        database.execute(
                            "INSERT INTO slot (generation) SELECT ?"
                            " WHERE NOT EXISTS (SELECT * FROM slot)",
                            [new_token()],
                        )
                    elif writes:
                        database.executescript(_BEGIN if has_space else _IN_MEMORY + _BEGIN)
                    result = work(database)
                    database.commit()
                    return result
                finally:
                    database.close()
            except not_by_signal(sqlite3.DatabaseError, ValueError, RecursionError) as error:
                why = str(error)
            if why in _FULL and is_small and has_space:
                return self.use(work, writes=True, has_space=False)
            if why not in _REASONS:
                raise folder.refused(name)
            if why == "database is locked":
                why = f"another process holds {name}"
            raise folder.error(why)

    def write(self, sql: str, *values: object) -> bool:
        """Run *sql*, and return whether it changed a row."""
        return self.use(lambda database: database.execute(sql, values).rowcount > 0, writes=True)

"""FileStore: the listing outlives the process, and the processes of one user share it.

Each bot has its own SQLite database in the folder. A call opens the database, and closes it again.
SQLite does not force the data onto the disk. If a power cut damages the data, the store detects the
damage, and the chats are listed again.
If a process is killed while it writes, the next process rolls back the incomplete write. On a full
disk, only a change of a few values is written, without this protection.
"""

from __future__ import annotations

import json
import math
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from attrs import evolve

from teamwire_sync._cache.listing import SlotRevision, Written
from teamwire_sync._internal.imports import LazyModule, import_whole
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import check_seconds, require_count
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync._stores.base import (
    MAX_AGE,
    MAX_BYTES,
    DamagedError,
    Failure,
    SlotStatus,
    StoredListing,
    StoreError,
    key_of,
    new_token,
)
from teamwire_sync._stores.codec import pack, unpack
from teamwire_sync._stores.folder import SUFFIX, Folder, folder_path

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
else:
    sqlite3 = LazyModule("sqlite3")

T = TypeVar("T")

_LOCK_TIMEOUT = 1.0
# The maximum number of characters of a failure.
_LONGEST_FAILURE = 64 * 1024
# The maximum number of bytes of a database in addition to the chats.
_MARGIN = 1024 * 1024
# The errors of SQLite on a full disk, and at the end of a quota.
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
# The chats have their own table: otherwise each change of another column would rewrite them.
_MAKE = """
CREATE TABLE IF NOT EXISTS slot (
    generation TEXT, asked_in TEXT, asked_at REAL, listed INTEGER, failure TEXT,
    owner TEXT, since REAL, until REAL, written INTEGER, lacking_until REAL
);
CREATE TABLE IF NOT EXISTS chats (body TEXT, packed BLOB);
CREATE TABLE IF NOT EXISTS marks (write TEXT, until REAL);
"""
_FAILURE = (str, float, float, dict)
_WRITTEN = (int, float)
_LOOK = (
    "SELECT generation, body, asked_in, asked_at, failure, written, lacking_until,"
    " (SELECT max(until) FROM marks WHERE until < 9e999) FROM slot LEFT JOIN chats"
)
# The latest end of a mark that has passed stays.
_FORGET = "DELETE FROM marks WHERE until < (SELECT max(until) FROM marks WHERE until <= :now)"
_SAVE = (
    "UPDATE slot SET asked_in = :generation, asked_at = :asked_at, listed = :listed, failure = NULL"
    " WHERE NOT coalesce(:listed < listed AND :asked_at < asked_at + :grace"
    " AND EXISTS (SELECT * FROM chats), 0)"
)
_RENEW = "UPDATE slot SET generation = ?, owner = NULL, since = NULL"
_WROTE = (
    "UPDATE slot SET lacking_until = :now + :grace, written = CASE"
    " WHEN written > :revision AND lacking_until > :now THEN written ELSE :revision END"
)
# A lease with a start in the future is free, because the clock has been set back since that start.
_LEASE = (
    "UPDATE slot SET owner = :owner, since = :now, until = :until WHERE owner = :owner OR :free"
    " AND NOT coalesce(since <= :now AND until > :now AND typeof(until) = 'real', 0)"
)

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
    # If Ctrl-C has ended the wait, a thread of the parent holds the lock.
    _in_use = new_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


class FileStore:
    """A store in files, for the processes of one user.

    Args:
        path: The folder, which is created if it is missing. None means ``teamwire_sync`` in the
            user's cache folder.
        max_age: Seconds after which stored data expires.
        max_bytes: The maximum size of a stored listing in bytes.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A value is out of range.
        ImportError: This Python has no sqlite3.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_age: float = MAX_AGE,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        check_seconds("max_age", max_age)
        require_count(max_bytes, "max_bytes")
        self._now: Callable[[], float] = time.time
        self._folder = Folder(folder_path(path))
        self._max_age = max_age
        self._max_bytes = max_bytes
        _require_sqlite3()

    def _slot(self, identity: str) -> _FileSlot:
        return _FileSlot(self, key_of(identity) + SUFFIX)

    def clear(self) -> int:
        """Remove the stored data of all bots. Other files in the folder stay.

        Returns:
            The number of snapshots that the store had.

        Raises:
            OSError: Some data could not be removed.
        """
        count, failed = 0, ""
        try:
            names = self._folder.databases()
        except StoreError as error:
            names, failed = [], str(error)
        for name in names:
            slot = _FileSlot(self, name)
            try:
                count += slot.status().revision is not None
                slot.clear()
            except DamagedError:
                pass
            except StoreError as error:
                failed = str(error)
        if failed:
            raise OSError(failed)
        return count

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(FileStore, max_age=self._max_age, max_bytes=self._max_bytes)
        return make, (str(self._folder.path),)

    def __repr__(self) -> str:
        return f"FileStore({str(self._folder.path)!r})"


def _require_sqlite3() -> None:
    try:
        import_whole("sqlite3")
    except not_by_signal(ImportError) as error:
        message = f"FileStore needs sqlite3, which can't be imported: {error}"
        raise ImportError(message, name="sqlite3") from None


class _FileSlot:
    def __init__(self, store: FileStore, name: str) -> None:
        self._store, self._folder, self._name = store, store._folder, name
        self._most = 2 * store._max_bytes + _MARGIN

    def status(self) -> SlotStatus:
        status = self._use(self._look)
        found = status.revision
        if found is not None and not 0 <= status.now - found.asked_at < self._store._max_age:
            self._write(
                # Another process may have confirmed the listing since it was read.
                "DELETE FROM chats WHERE body = ? AND EXISTS"
                " (SELECT * FROM slot WHERE asked_at = ?)",
                found.body,
                found.asked_at,
            )
            status = evolve(status, revision=None)
        return status

    def load(self, revision: SlotRevision) -> StoredListing | None:
        sql = "SELECT CASE WHEN length(packed) <= ? THEN packed END FROM chats WHERE body = ?"
        values = self._store._max_bytes, revision.body
        row = self._use(lambda database: database.execute(sql, values).fetchone())
        if row is None:
            return None
        try:
            return unpack(row[0] if isinstance(row[0], bytes) else b"")
        except StoreError as error:
            message = str(error)
        self._write("DELETE FROM chats WHERE body = ?", revision.body)
        raise DamagedError(message)

    def save(
        self, listing: StoredListing, *, generation: str, asked_at: float, grace: float = 0.0
    ) -> SlotRevision | None:
        packed, most = pack(listing), self._store._max_bytes
        if len(packed) > most:
            message = f"the chats have {len(packed):,} bytes, more than max_bytes ({most:,})"
            raise self._folder.error(message)
        revision = SlotRevision(new_token(), generation, asked_at)

        values = {
            "generation": generation, "asked_at": asked_at, "listed": listing.revision,
            "grace": grace,
        }  # fmt: skip

        def replace(database: sqlite3.Connection) -> bool:
            if database.execute(_SAVE, values).rowcount == 0:
                return False
            database.execute("DELETE FROM chats")
            database.execute("INSERT INTO chats VALUES (?, ?)", (revision.body, packed))
            return True

        with suppress(DamagedError):
            self.status()
        is_saved = self._use(replace, writes=True)
        self._sweep()
        return revision if is_saved else None

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        is_there = self._write(
            "UPDATE slot SET asked_at = ?, failure = NULL"
            " WHERE EXISTS (SELECT * FROM chats WHERE body = ?)",
            asked_at,
            revision.body,
        )
        return evolve(revision, asked_at=asked_at) if is_there else None

    def fail(self, failure: Failure) -> None:
        times = float(failure.failed_at), float(failure.until)
        text = json.dumps([failure.generation, *times, dict(failure.error)])
        if len(text) > _LONGEST_FAILURE:
            message = f"the failure has {len(text):,} bytes, more than {_LONGEST_FAILURE:,}"
            raise self._folder.error(message)
        self._write("UPDATE slot SET failure = ?", text)

    def bump_generation(
        self, *, ended: Collection[str] = (), revision: int | None = None, grace: float = 0.0
    ) -> str:
        generation = new_token()

        def renew(database: sqlite3.Connection) -> None:
            database.execute(_RENEW, [generation])
            if revision is not None:
                values = {"revision": revision, "now": self._store._now(), "grace": grace}
                database.execute(_WROTE, values)
            _unmark(database, ended)

        self._use(renew, writes=True, is_small=True)
        return generation

    def mark(self, write: str, seconds: float) -> None:
        def add(database: sqlite3.Connection) -> None:
            now = self._store._now()
            database.execute(_FORGET, {"now": now})
            database.execute("INSERT INTO marks VALUES (?, ?)", (write, now + seconds))

        self._use(add, writes=True, is_small=True)

    def unmark(self, writes: Collection[str]) -> None:
        self._use(lambda database: _unmark(database, writes), writes=True, is_small=True)

    def take_lease(self, owner: str, seconds: float) -> bool:
        return self._lease(owner, seconds, free=True)

    def extend_lease(self, owner: str, seconds: float) -> bool:
        return self._lease(owner, seconds, free=False)

    def _lease(self, owner: str, seconds: float, *, free: bool) -> bool:
        def take(database: sqlite3.Connection) -> bool:
            now = self._store._now()
            values = {"owner": owner, "free": free, "now": now, "until": now + seconds}
            return database.execute(_LEASE, values).rowcount > 0

        return self._use(take, writes=True)

    def release_lease(self, owner: str) -> None:
        self._write("UPDATE slot SET owner = NULL, since = NULL WHERE owner = ?", owner)

    def clear(self) -> None:
        self._write("UPDATE slot SET generation = ?, failure = NULL", new_token())
        self._write("DELETE FROM chats")

    def _write(self, sql: str, *values: object) -> bool:
        """Run *sql*, and return whether it changed a row."""
        return self._use(lambda database: database.execute(sql, values).rowcount > 0, writes=True)

    def _look(self, database: sqlite3.Connection) -> SlotStatus:
        [row] = database.execute(_LOOK)
        generation, body, asked_in, asked_at, failure, *written, doubt_until = row
        # Read the clock last: an earlier time would make the stored data seem younger.
        now = self._store._now()
        _typed([generation], str)
        revision = [body, asked_in, asked_at]
        return SlotStatus(
            now,
            generation,
            None if body is None else SlotRevision(*_typed(revision, str, str, float)),
            None if failure is None else Failure(*_typed(json.loads(str(failure)), *_FAILURE)),
            -math.inf if doubt_until is None else doubt_until,
            None if written[0] is None else Written(*_typed(written, *_WRITTEN)),
        )

    def _sweep(self) -> None:
        """Remove expired data of the other bots."""
        for name in self._folder.databases():
            # A failure here does not matter: the listing of this bot is already stored.
            with suppress(OSError, StoreError):
                age = self._store._now() - os.lstat(self._folder.path_of(name)).st_mtime
                if abs(age) > self._store._max_age:
                    _FileSlot(self._store, name).clear()

    def _use(
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
                return self._use(work, writes=True, has_space=False)
            if why not in _REASONS:
                raise folder.refused(name)
            if why == "database is locked":
                why = f"another process holds {name}"
            raise folder.error(why)


def _unmark(database: sqlite3.Connection, writes: Collection[str]) -> None:
    database.executemany("DELETE FROM marks WHERE write = ?", [[each] for each in writes])


def _typed(values: Any, *types: type) -> Any:
    if not isinstance(values, list) or [*map(type, values)] != [*types]:
        message = "the data was not written by a store"
        raise ValueError(message)
    return values

"""FileStore: the listing outlives the process, and the processes of one user share it.

Each bot has its own SQLite database in the folder.
"""

from __future__ import annotations

import json
import math
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from attrs import evolve

from teamwire_sync._cache.listing import SlotRevision, Written
from teamwire_sync._internal.imports import import_whole
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import check_seconds, require_count
from teamwire_sync._stores.base import (
    MAX_AGE,
    MAX_BYTES,
    MAX_DOUBT,
    DamagedError,
    Failure,
    SlotStatus,
    StoredListing,
    StoreError,
    key_of,
    new_token,
)
from teamwire_sync._stores.codec import joined, pack, pack_changes, room_for_changes, unpack_parts
from teamwire_sync._stores.database import SlotDatabase
from teamwire_sync._stores.folder import SUFFIX, Folder, folder_path

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

# The maximum number of characters of a failure.
_LONGEST_FAILURE = 64 * 1024
_FAILURE = (str, float, float, dict)
_WRITTEN = (int, float)
_LOOK = (
    "SELECT generation, body, asked_in, asked_at, failure, written, lacking_until,"
    " (SELECT max(until) FROM marks WHERE until < 9e999) FROM slot LEFT JOIN present"
)
# If the listing began with the known part, only the later parts.
_LOAD = (
    "SELECT body, CASE WHEN length(packed) <= :most THEN packed END"
    " FROM parts LEFT JOIN chats USING (number) WHERE number >"
    " coalesce((SELECT number FROM parts WHERE body = :known ORDER BY number DESC LIMIT 1), -1)"
    " ORDER BY number"
)
# Of the marks that have ended, the one with the latest end stays.
_FORGET = (
    "DELETE FROM marks WHERE until > :now + :most"
    " OR until < (SELECT max(until) FROM marks WHERE until <= :now)"
)
_STAYS = (
    "SELECT :asked_at < CASE coalesce(:listed < listed, -1)"
    " WHEN 1 THEN asked_at + :grace WHEN -1 THEN asked_at END FROM present"
)
_ADD = "INSERT INTO parts VALUES (NULL, :body, :generation, :asked_at, :listed, :room)"
_CONFIRM = (
    "UPDATE parts SET asked_in = :generation, asked_at = :asked_at"
    " WHERE number = (SELECT number FROM present WHERE body = :base)"
)
_EXTEND = (
    "INSERT INTO parts SELECT NULL, :body, :generation, :asked_at, :listed, room - length(:packed)"
    " FROM present WHERE body = :base AND room >= length(:packed)"
)
# Another process may have stored another listing since this listing was read.
_DAMAGED = (
    "SELECT number FROM parts WHERE EXISTS (SELECT * FROM present WHERE body = ?)"
    " ORDER BY number DESC LIMIT 1 OFFSET ?"
)
_ADD_CHATS = "INSERT INTO chats SELECT number, :packed FROM present"
_SUCCEED = "UPDATE slot SET failure = NULL"
_RENEW = "UPDATE slot SET generation = ?, owner = NULL, since = NULL"
_WROTE = (
    "UPDATE slot SET written = :revision, lacking_until = :now + :grace"
    " WHERE NOT coalesce(written >= :revision AND lacking_until > :now, 0)"
)
# A lease with a start in the future is free, because the clock has been set back since that start.
_LEASE = (
    "UPDATE slot SET owner = :owner, since = :now, until = :until WHERE owner = :owner OR :free"
    " AND NOT coalesce(since <= :now AND until > :now AND typeof(until) = 'real', 0)"
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
        self._max_age = check_seconds("max_age", max_age)
        self._max_bytes = require_count(max_bytes, "max_bytes")
        self._now: Callable[[], float] = time.time
        self._folder = Folder(folder_path(path))
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
        self._store, self._folder = store, store._folder
        self._database = SlotDatabase(store._folder, name, store._max_bytes)

    def status(self) -> SlotStatus:
        status = self._database.use(self._look)
        found = status.revision
        if found is not None and not 0 <= status.now - found.asked_at < self._store._max_age:
            # Another process may have confirmed the listing since it was read.
            same = "SELECT 0 FROM present WHERE body = ? AND asked_at = ?"
            values = found.body, found.asked_at
            self._database.use(partial(_remove, first=same, values=values), writes=True)
            status = evolve(status, revision=None)
        return status

    def load(self, revision: SlotRevision, known: str | None = None) -> StoredListing | None:
        values = {"most": self._store._max_bytes, "known": known}
        rows = self._database.use(lambda database: database.execute(_LOAD, values).fetchall())
        if not rows or rows[-1][0] != revision.body:
            return None
        parts, problem = unpack_parts(rows, known)
        if not problem:
            return joined(parts)

        def drop(database: sqlite3.Connection) -> None:
            _remove(database, _DAMAGED, (revision.body, len(rows) - len(parts) - 1))
            database.execute("UPDATE parts SET asked_in = ''")

        self._database.use(drop, writes=True)
        raise DamagedError(problem)

    def save(
        self, listing: StoredListing, *, generation: str, asked_at: float, grace: float = 0.0
    ) -> SlotRevision | None:
        most = self._store._max_bytes
        packed = pack(listing, most)
        revision = SlotRevision(new_token(), generation, asked_at)
        values = {
            "body": revision.body, "generation": generation, "asked_at": asked_at,
            "listed": listing.revision, "grace": grace, "room": room_for_changes(packed, most),
            "packed": packed,
        }  # fmt: skip

        def replace(database: sqlite3.Connection) -> bool:
            if (1,) in database.execute(_STAYS, values).fetchall():
                return False
            _remove(database)
            database.execute(_ADD, values)
            database.execute(_ADD_CHATS, values)
            database.execute(_SUCCEED)
            return True

        with suppress(DamagedError):
            self.status()
        is_saved = self._database.use(replace, writes=True)
        self._sweep()
        return revision if is_saved else None

    def extend(
        self,
        base: SlotRevision,
        changes: StoredListing | None,
        *,
        generation: str,
        asked_at: float,
    ) -> SlotRevision | None:
        token, packed = pack_changes(changes, base, self._store._max_bytes)
        values = {
            "base": base.body, "body": token, "generation": generation, "asked_at": asked_at,
            "listed": changes and changes.revision, "packed": packed,
        }  # fmt: skip

        def add(database: sqlite3.Connection) -> bool:
            sql = _CONFIRM if changes is None else _EXTEND
            if database.execute(sql, values).rowcount == 0:
                return False
            if changes is not None:
                database.execute(_ADD_CHATS, values)
            database.execute(_SUCCEED)
            return True

        is_added = self._database.use(add, writes=True)
        if changes is not None:
            self._sweep()
        return SlotRevision(token, generation, asked_at) if is_added else None

    def fail(self, failure: Failure) -> None:
        times = float(failure.failed_at), float(failure.until)
        text = json.dumps([failure.generation, *times, dict(failure.error)])
        if len(text) > _LONGEST_FAILURE:
            message = f"the failure has {len(text):,} bytes, more than {_LONGEST_FAILURE:,}"
            raise self._folder.error(message)
        self._database.write("UPDATE slot SET failure = ?", text)

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

        self._database.use(renew, writes=True, is_small=True)
        return generation

    def mark(self, write: str, seconds: float) -> None:
        def add(database: sqlite3.Connection) -> None:
            now = self._store._now()
            database.execute(_FORGET, {"now": now, "most": MAX_DOUBT})
            database.execute("INSERT INTO marks VALUES (?, ?)", (write, now + seconds))

        self._database.use(add, writes=True, is_small=True)

    def unmark(self, writes: Collection[str]) -> None:
        self._database.use(lambda database: _unmark(database, writes), writes=True, is_small=True)

    def take_lease(self, owner: str, seconds: float) -> bool:
        return self._lease(owner, seconds, free=True)

    def extend_lease(self, owner: str, seconds: float) -> bool:
        return self._lease(owner, seconds, free=False)

    def _lease(self, owner: str, seconds: float, *, free: bool) -> bool:
        def take(database: sqlite3.Connection) -> bool:
            now = self._store._now()
            values = {"owner": owner, "free": free, "now": now, "until": now + seconds}
            return database.execute(_LEASE, values).rowcount > 0

        return self._database.use(take, writes=True)

    def release_lease(self, owner: str) -> None:
        self._database.write("UPDATE slot SET owner = NULL, since = NULL WHERE owner = ?", owner)

    def clear(self) -> None:
        self._database.write("UPDATE slot SET generation = ?, failure = NULL", new_token())
        self._database.use(_remove, writes=True)

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


def _unmark(database: sqlite3.Connection, writes: Collection[str]) -> None:
    database.executemany("DELETE FROM marks WHERE write = ?", [[each] for each in writes])


def _remove(
    database: sqlite3.Connection, first: str = "SELECT 0", values: Sequence[object] = ()
) -> None:
    """Remove the last parts of the listing, from the number that the SQL in *first* selects."""
    numbers = database.execute(first, values).fetchall()
    for sql in ("DELETE FROM chats WHERE number >= ?", "DELETE FROM parts WHERE number >= ?"):
        database.executemany(sql, numbers)


def _typed(values: Any, *types: type) -> Any:
    if not isinstance(values, list) or [*map(type, values)] != [*types]:
        message = "the data was not written by a store"
        raise ValueError(message)
    return values

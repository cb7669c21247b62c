"""The SQLite database of a world: its tables and its transactions."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

# A chat is stored as versions. Each version is valid from one sequence number of the log up to
# another, so that a listing as of an earlier time can still be read. The sequence numbers are the
# contract's revisions.
_TABLES = (
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS users (
        uid TEXT PRIMARY KEY, name TEXT NOT NULL, is_visible INTEGER NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS groups (
        gid TEXT PRIMARY KEY, name TEXT NOT NULL, is_visible INTEGER NOT NULL,
        document TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS members (
        gid TEXT NOT NULL, position INTEGER NOT NULL, uid TEXT NOT NULL,
        PRIMARY KEY (gid, position)
    ) WITHOUT ROWID""",
    # `total` is the number of chats after the change.
    """CREATE TABLE IF NOT EXISTS log (
        seq INTEGER PRIMARY KEY, at REAL NOT NULL, total INTEGER NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS chats (
        ordinal INTEGER NOT NULL, from_seq INTEGER NOT NULL, to_seq INTEGER,
        tid TEXT NOT NULL, peer_uid TEXT, document TEXT NOT NULL,
        PRIMARY KEY (ordinal, from_seq)
    ) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX IF NOT EXISTS present_chat ON chats (tid) WHERE to_seq IS NULL",
    """CREATE UNIQUE INDEX IF NOT EXISTS present_one_to_one ON chats (peer_uid)
        WHERE to_seq IS NULL AND peer_uid IS NOT NULL""",
    "CREATE INDEX IF NOT EXISTS versions_of_chat ON chats (tid, from_seq)",
    "CREATE INDEX IF NOT EXISTS begun_versions ON chats (from_seq, to_seq)",
    "CREATE INDEX IF NOT EXISTS ended_versions ON chats (to_seq) WHERE to_seq IS NOT NULL",
    """CREATE TABLE IF NOT EXISTS messages (
        number INTEGER PRIMARY KEY, mid TEXT NOT NULL UNIQUE, tid TEXT NOT NULL,
        document TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS messages_of_chat ON messages (tid, number)",
    """CREATE TABLE IF NOT EXISTS reads (
        mid TEXT NOT NULL, uid TEXT NOT NULL, PRIMARY KEY (mid, uid)
    ) WITHOUT ROWID""",
    # A small content is in the table, a large content in a file.
    """CREATE TABLE IF NOT EXISTS attachments (
        attachment_id TEXT PRIMARY KEY, name TEXT NOT NULL, size INTEGER NOT NULL,
        content_type TEXT NOT NULL, is_own INTEGER NOT NULL, content BLOB
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS uses (
        attachment_id TEXT NOT NULL, mid TEXT NOT NULL, tid TEXT NOT NULL,
        PRIMARY KEY (attachment_id, mid)
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS uses_of_message ON uses (mid)",
    "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, document TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS outcomes (
        key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL,
        body TEXT NOT NULL, revision INTEGER NOT NULL
    ) WITHOUT ROWID""",
)


_VERSION = 4
"""The version of the tables; a new file has version 0."""


class Database:
    """An SQLite connection that all threads of a server share, one thread at a time.

    Args:
        path: The database file; None keeps the world in memory.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=10,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as error:
            message = f"{path}: {error}"
            raise ValueError(message) from None
        try:
            self._require_version(path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            with self.writing() as db:
                db.execute(f"PRAGMA user_version = {_VERSION}")
                for statement in _TABLES:
                    db.execute(statement)
        except BaseException:
            self._db.close()
            raise

    def _require_version(self, path: str | os.PathLike[str] | None) -> None:
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            (tables,) = self._db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
            is_world = not tables or version == _VERSION
        except sqlite3.OperationalError:
            raise  # the file may be a world that is locked
        except sqlite3.DatabaseError:
            is_world = False
        if not is_world:
            message = f"{path} is not a sandbox world of this release; use another file"
            raise ValueError(message)

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open a transaction in which every query sees the same state."""
        return self._transaction("BEGIN")

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """Open an atomic transaction; inside another transaction, join that transaction."""
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute(begin)
            try:
                yield self._db
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

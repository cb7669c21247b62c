"""The record of writes: each request with an Idempotency-Key is executed at most once.

A request is recorded before the upstream is called, and its outcome afterwards. SQLite forces the
first record onto the disk. So neither ``kill -9`` nor a power cut can lead to a second execution: a
request without an outcome, which no thread is executing, may have been executed or not.

SQLite does not force outcomes onto the disk. After a power cut, the outcomes of the last requests
may be unknown.

Each statement is a transaction of its own. So an exception of a signal handler, which may come
between any two statements, leaves no open transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Callable

from attrs import Factory, frozen

from teamwire_sync._internal.log import logger
from teamwire_sync._internal.waiting import Gate, new_lock
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.errors import RefusedError, refusal_answer, refuse, refuse_for_now
from teamwire_sync._server.idempotency import require_same_request
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from teamwire_sync._gateway.state import StateFolder

KEPT = 86_400.0
"""Seconds for which a request and its outcome are kept, as the contract requires."""

MAX_BYTES = 1024**3
"""The size of the database in bytes from which new requests are refused: a million requests."""

# Seconds for which a request waits for another request with the same key. This must be shorter than
# the time-out of usual clients.
_WAIT = 5.0
_RETRY_AFTER = 1
# With these statuses, the upstream has done nothing and may do the work later.
_NOT_DONE = {429, 501, 503}
_NAME = "outcomes.sqlite3"
_VERSION = 1
# Each new row removes at most this number of expired rows. It must be more than one.
_BATCH = 20
# `secure_delete` overwrites removed data, because titles and messages are confidential.
# `fullfsync` is for macOS, where a usual fsync leaves the data in the cache of the disk.
_OPEN = f"""
PRAGMA secure_delete = ON;
PRAGMA fullfsync = ON;
PRAGMA user_version = {_VERSION};
CREATE TABLE IF NOT EXISTS outcomes (
    client TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL, begun_at REAL NOT NULL,
    status INTEGER, body TEXT, revision INTEGER, headers TEXT, PRIMARY KEY (client, key)
);
CREATE INDEX IF NOT EXISTS by_time ON outcomes (begun_at);
"""
_EXPIRE = (
    "DELETE FROM outcomes WHERE rowid IN"
    " (SELECT rowid FROM outcomes WHERE begun_at < ? ORDER BY begun_at LIMIT ?)"
)
# The limit on the pages is only for new requests, so that a recorded request can be finished.
_BEGIN = (
    "INSERT OR IGNORE INTO outcomes (client, key, fingerprint, begun_at) SELECT ?, ?, ?, ?"
    " FROM pragma_page_count, pragma_freelist_count WHERE page_count - freelist_count < ?"
)
_FIND = (
    "SELECT fingerprint, status, body, revision, headers FROM outcomes WHERE client = ? AND key = ?"
)
_FINISH = (
    "UPDATE outcomes SET status = ?, body = ?, revision = ?, headers = ?"
    " WHERE client = ? AND key = ?"
)
_FORGET = "DELETE FROM outcomes WHERE client = ? AND key = ?"


@frozen(eq=False)
class _Execution:
    """A request that a thread is executing.

    Attributes:
        fingerprint: A hash of the request.
        ended: A gate that opens at the end of the execution.
    """

    fingerprint: str
    ended: Gate = Factory(Gate)


class Outcomes:
    """The outcomes of the requests with an Idempotency-Key.

    Threads may share it, processes may not: a forked child can't use it.

    Args:
        state: The folder of the database.
        clock: A function that returns seconds since 1970.
        wait: Seconds for which a request waits for another request with the same key.
        max_bytes: The size of the database in bytes from which requests with a new key are refused,
            until old ones expire.

    Raises:
        TWConfigError: The database is damaged, or another release of this package wrote it.
    """

    def __init__(
        self,
        state: StateFolder,
        *,
        clock: Callable[[], float] = time.time,
        wait: float = _WAIT,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._clock = clock
        self._wait = wait
        self._process = os.getpid()
        self._executions: dict[tuple[str, str], _Execution] = {}
        self._lock = new_lock()
        path = state.make(_NAME)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._max_pages = 0
        try:
            problem = self._open(max_bytes)
        except sqlite3.Error as error:
            problem = str(error)
        if problem:
            self._database.close()
            message = (
                f"{path}: {problem}; without this file, a request from before may be executed twice"
            )
            raise TWConfigError(message)

    def perform(
        self, client: str, key: str | None, fingerprint: str, work: Callable[[], Answer]
    ) -> Answer:
        """Execute a write, or return the outcome of the request with the same key.

        Args:
            client: The App ID of the client. Each client has its own keys.
            key: The request's Idempotency-Key, or None for a request that may be executed twice.
            fingerprint: A hash of the request.
            work: A function that executes the write. It returns an answer with a str as its body,
                or raises `RefusedError`. The statuses 429, 501 and 503 mean that nothing was done:
                a request with the same key is executed again. After any other status from 500, and
                after any other exception, the outcome is unknown.

        Raises:
            RefusedError: The outcome is unknown (``delivery_unknown``); the key belongs to another
                request (``idempotency_mismatch``); another thread is executing the request and did
                not end in time (``in_progress``); or the request can't be recorded, and was not
                executed (``service_unavailable``).
        """
        if key is None:
            return work()
        if os.getpid() != self._process:
            message = "the gateway was started before a fork: start it in the forked process"
            raise RuntimeError(message)
        execution = self._enter((client, key), fingerprint)
        try:
            return self._begin(client, key, fingerprint) or self._execute(client, key, work)
        finally:
            del self._executions[client, key]
            execution.ended.open()

    def close(self) -> None:
        """Close the database. Idempotent."""
        self._database.close()

    def _open(self, max_bytes: int) -> str | None:
        """Create the tables, and return what is wrong with the database, or None."""
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in {0, _VERSION}:
            return "another release of teamwire_sync wrote it"
        (page_size,) = self._database.execute("PRAGMA page_size").fetchone()
        self._max_pages = max_bytes // page_size
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_OPEN)
        return None

    def _enter(self, slot: tuple[str, str], fingerprint: str) -> _Execution:
        """Wait until no other thread executes the request, and return this thread's execution."""
        own = _Execution(fingerprint)
        ends_at = time.monotonic() + self._wait
        while True:
            execution = self._executions.setdefault(slot, own)
            if execution is own:
                return own
            require_same_request(execution.fingerprint, fingerprint)
            if not execution.ended.wait(ends_at - time.monotonic()):
                refuse_for_now("a request with this key is under way", "in_progress", _RETRY_AFTER)

    def _begin(self, client: str, key: str, fingerprint: str) -> Answer | None:
        """Record a new request and return None, or return the outcome of the recorded request."""
        now = self._clock()
        try:
            with self._lock:
                self._run(_EXPIRE, now - KEPT, _BATCH)
                values = client, key, fingerprint, now, self._max_pages
                if self._run(_BEGIN, *values, synchronous="FULL").rowcount:
                    return None
                row = self._run(_FIND, client, key).fetchone()
                problem = None if row else "the database is full"
        except sqlite3.Error as error:
            problem = str(error)
        if problem:
            logger.error("the gateway can't record a request: %s", problem)
            refuse("the gateway can't record this request now", "service_unavailable")
        known, status, body, revision, headers = row
        require_same_request(known, fingerprint)
        if status is None:
            refuse("the request with this key may have been done or not", "delivery_unknown")
        return Answer(body, revision, status=status, headers=json.loads(headers), is_replay=True)

    def _execute(self, client: str, key: str, work: Callable[[], Answer]) -> Answer:
        try:
            answer = work()
        except RefusedError as refusal:
            answer = refusal_answer(refusal)
        try:
            with self._lock:
                if answer.status in _NOT_DONE:
                    self._run(_FORGET, client, key)
                elif answer.status < 500:
                    headers = json.dumps(dict(answer.headers))
                    values = answer.status, answer.body, answer.revision, headers
                    self._run(_FINISH, *values, client, key)
        except sqlite3.Error as error:
            logger.error("the gateway can't record an outcome, which is now unknown: %s", error)
        return answer

    def _run(self, sql: str, *values: Any, synchronous: str = "NORMAL") -> sqlite3.Cursor:
        self._database.execute(f"PRAGMA synchronous = {synchronous}")
        return self._database.execute(sql, values)

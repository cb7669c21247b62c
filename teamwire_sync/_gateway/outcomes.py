"""The record of writes: each request with an Idempotency-Key is executed at most once.

A request is recorded before the upstream is called, and its outcome afterwards. The first record is
forced onto the disk. So neither ``kill -9`` nor a power cut can lead to a second execution: a
request without an outcome, which no thread is executing, may have been executed or not.

Outcomes are not forced onto the disk. After a power cut, the outcomes of the last requests may be
unknown.

SQLite appends each transaction to a log, the file ``outcomes.sqlite3-wal``. SQLite would force this
file onto the disk while it holds its lock. So the threads force the file themselves, concurrently.

Each statement is a transaction of its own. So an exception of a signal handler, which may come
between any two statements, leaves no open transaction.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, cast

from attrs import Factory, frozen

from teamwire_sync._gateway.state import force
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
"""The size of the database in bytes from which clients have a limit: about a million requests."""

MOST = 10_000
"""The number of requests that a client may have in a larger database."""

# Seconds for which a request waits for another request with the same key. This must be shorter than
# the time-out of usual clients.
_WAIT = 5.0
_RETRY_AFTER = 1
# With these statuses, the upstream has done nothing and may do the work later.
_NOT_DONE = {429, 501, 503}
# Seconds for which a request of unknown outcome may be sent to the upstream again. The upstream may
# forget the key after 24 hours, and the last try may take minutes.
_REPEATED = KEPT - 3600
_NAME = "outcomes.sqlite3"
_VERSION = 1
# The number of expired rows that one statement removes, and the seconds until the next such
# statement.
_BATCH = 50
_PAUSE = 0.1
# `secure_delete` overwrites removed data, because titles and messages are confidential. With
# `synchronous = NORMAL`, SQLite forces its log onto the disk only when it moves the log's content
# into the database. `fullfsync` is for macOS: see `force`.
_OPEN = f"""
PRAGMA secure_delete = ON;
PRAGMA synchronous = NORMAL;
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
# The limits are only for new requests, so that a recorded request can be finished. One client can't
# fill the database for all others. A million rows can't be counted for each request, so the rows of
# a client are counted only if the database is large.
_BEGIN = (
    "INSERT OR IGNORE INTO outcomes (client, key, fingerprint, begun_at)"
    " SELECT :client, :key, :fingerprint, :now FROM"
    " (SELECT page_count - freelist_count AS pages FROM pragma_page_count, pragma_freelist_count)"
    " WHERE pages < :pages OR pages < 2 * :pages AND :most >"
    " (SELECT count(*) FROM (SELECT 1 FROM outcomes WHERE client = :client LIMIT :most))"
)
_FIND = (
    "SELECT fingerprint, begun_at, status, body, revision, headers FROM outcomes"
    " WHERE client = ? AND key = ?"
)
_FINISH = (
    "UPDATE outcomes SET status = ?, body = ?, revision = ?, headers = ?"
    " WHERE client = ? AND key = ?"
)
_RECENT = (
    "SELECT fingerprint, body FROM outcomes WHERE begun_at > ? AND status = 200 ORDER BY begun_at"
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
        max_bytes: The size of the database in bytes from which a client with *most* requests can't
            have more, until old ones expire. From the double size, no client can.
        most: This number of requests.

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
        most: int = MOST,
    ) -> None:
        self._clock = clock
        self._wait = wait
        self._most = most
        self._process = os.getpid()
        self._executions: dict[tuple[str, str], _Execution] = {}
        self._lock = new_lock()
        self._path = state.make(_NAME)
        self._database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._max_pages = 0
        self._expires_at = -math.inf
        try:
            self._open(max_bytes)
        except (sqlite3.Error, OSError) as error:
            self._database.close()
            problem = str(error)
        else:
            return
        raise self._unusable(problem)

    def perform(
        self, client: str, key: str | None, fingerprint: str, work: Callable[[bool], Answer]
    ) -> Answer:
        """Execute a write, or return the outcome of the request with the same key.

        Args:
            client: The App ID of the client. Each client has its own keys.
            key: The request's Idempotency-Key, or None for a request that may be executed twice.
            fingerprint: A hash of the request.
            work: A function that executes the write. It returns an answer with a str as its body,
                or raises `RefusedError`. The statuses 429, 501 and 503 mean that nothing was done:
                a request with the same key is executed again. After any other status from 500, and
                after any other exception, the outcome is unknown. The argument is whether an
                earlier call for the same request may have executed the write. Then the function
                must find out its outcome, or refuse (``delivery_unknown``).

        Raises:
            RefusedError: The outcome is unknown (``delivery_unknown``); the key belongs to another
                request (``idempotency_mismatch``); another thread is executing the request and did
                not end in time, or the outcome can't be found out now (``in_progress``); or the
                request can't be recorded, and was not executed (``service_unavailable``).
        """
        if key is None:
            return work(False)
        if os.getpid() != self._process:
            message = "the gateway was started before a fork: start it in the forked process"
            raise RuntimeError(message)
        execution = self._enter((client, key), fingerprint)
        try:
            row = self._begin(client, key, fingerprint)
            if row is None:
                return self._execute(client, key, work, may_be_done=False)
            known, begun_at, status, body, revision, headers = row
            require_same_request(known, fingerprint)
            if status is not None:
                headers = json.loads(headers)
                return Answer(body, revision, status=status, headers=headers, is_replay=True)
            if abs(self._clock() - begun_at) > _REPEATED:
                refuse("the request with this key may have been done or not", "delivery_unknown")
            return self._execute(client, key, work, may_be_done=True)
        finally:
            del self._executions[client, key]
            execution.ended.open()

    def recent(self, seconds: float) -> list[tuple[str, str]]:
        """Return the fingerprints and responses of the last *seconds* seconds, the oldest first.

        Only successful writes count.

        Raises:
            TWConfigError: The database is damaged.
        """
        try:
            return self._database.execute(_RECENT, (self._clock() - seconds,)).fetchall()
        except sqlite3.Error as error:
            problem = str(error)
        raise self._unusable(problem)

    def close(self) -> None:
        """Close the database. Idempotent."""
        self._database.close()
        self._log.close()

    def _unusable(self, problem: str) -> TWConfigError:
        return TWConfigError(
            f"{self._path}: {problem}; without this file, a request from before may be executed "
            "twice"
        )

    def _open(self, max_bytes: int) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version not in {0, _VERSION}:
            message = "another release of teamwire_sync wrote it"
            raise sqlite3.DatabaseError(message)
        (page_size,) = self._database.execute("PRAGMA page_size").fetchone()
        self._max_pages = max_bytes // page_size
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.executescript(_OPEN)
        # SQLite keeps this file as long as the connection is open, and has no lock on it.
        self._log = Path(f"{self._path}-wal").open("rb+", buffering=0)  # noqa: SIM115  see `close`

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

    def _begin(self, client: str, key: str, fingerprint: str) -> tuple[Any, ...] | None:
        """Record a new request and return None, or return the record of an earlier request."""
        now = self._clock()
        try:
            with self._lock:
                if now >= self._expires_at:
                    self._database.execute(_EXPIRE, (now - KEPT, _BATCH))
                    self._expires_at = now + _PAUSE
                values = {
                    "client": client,
                    "key": key,
                    "fingerprint": fingerprint,
                    "now": now,
                    "pages": self._max_pages,
                    "most": self._most,
                }
                is_new = self._database.execute(_BEGIN, values).rowcount
                row = None if is_new else self._database.execute(_FIND, (client, key)).fetchone()
            if is_new:
                force(self._log)
            problem = None if is_new or row else "the database is full"
        except (sqlite3.Error, OSError, ValueError) as error:
            problem = str(error)
        if problem:
            logger.error("the gateway can't record a request: %s", problem)
            refuse("the gateway can't record this request now", "service_unavailable")
        return cast("tuple[Any, ...] | None", row)

    def _execute(
        self, client: str, key: str, work: Callable[[bool], Answer], *, may_be_done: bool
    ) -> Answer:
        try:
            answer = work(may_be_done)
        except RefusedError as refusal:
            answer = refusal_answer(refusal)
            is_no_result = answer.status in _NOT_DONE or refusal.code == "idempotency_mismatch"
            if may_be_done and is_no_result:
                # It says only that this call has done nothing.
                wait = refusal.retry_after or _RETRY_AFTER
                refuse_for_now("the outcome can't be found out now", "in_progress", wait)
        try:
            with self._lock:
                if answer.status in _NOT_DONE:
                    self._database.execute(_FORGET, (client, key))
                elif answer.status < 500:
                    headers = json.dumps(dict(answer.headers))
                    values = answer.status, answer.body, answer.revision, headers
                    self._database.execute(_FINISH, (*values, client, key))
        except sqlite3.Error as error:
            logger.error("the gateway can't record an outcome, which is now unknown: %s", error)
        return answer

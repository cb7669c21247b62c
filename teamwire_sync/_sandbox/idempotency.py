"""Idempotent writes: a repeated request is executed only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamwire_sync._sandbox.errors import refusal_answer
from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.errors import RefusedError, refuse

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from teamwire_sync._sandbox.world.database import Database


def perform(
    database: Database, work: Callable[[sqlite3.Connection], str], key: str | None, fingerprint: str
) -> tuple[ResponseReturnValue, int]:
    """Execute a write, or repeat the response to its key; return the response and its revision.

    A refusal by the domain's rules is stored too. One transaction stores the write and its
    response, so that a crash leaves both or neither.

    Args:
        database: The database to write to.
        work: A function that executes the write in the given transaction and returns the body of
            the response.
        key: The request's Idempotency-Key, or None.
        fingerprint: A hash of the request's method, path and body.
    """
    with database.writing() as db:
        row = db.execute(
            "SELECT fingerprint, body, status, revision FROM outcomes WHERE key = ?", (key,)
        ).fetchone()
        if row is not None:
            known, body, status, revision = row
            if known != fingerprint:
                refuse("this Idempotency-Key was sent with another request", "idempotency_mismatch")
            return (body, status, {"Idempotency-Replayed": "true"}), revision
        db.execute("SAVEPOINT work")
        try:
            body, status = work(db), 200
        except RefusedError as refusal:
            db.execute("ROLLBACK TO work")
            body, status = refusal_answer(refusal)
        revision = queries.revision(db)
        if key is not None:
            db.execute(
                "INSERT INTO outcomes (key, fingerprint, status, body, revision)"
                " VALUES (?, ?, ?, ?, ?)",
                (key, fingerprint, status, body, revision),
            )
        return (body, status), revision

"""Writes that happen once, however often they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from teamwire_sync._sandbox.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._sandbox.world.store import Store


@attrs.frozen
class Outcome:
    """How a write ended: the answer's status and body."""

    status: int
    body: str
    replayed: bool = False


def perform(store: Store, work: Callable[[], str], *, key: str | None, fingerprint: str) -> Outcome:
    """Do a write, or repeat the outcome that its key already has.

    A refusal by the domain's rules is an outcome too. Work and outcome are stored in one
    transaction, so that a crash leaves both or neither.

    Args:
        store: Where the write goes.
        work: Does the write in the current transaction and returns the answer's body.
        key: The request's Idempotency-Key, if it has one.
        fingerprint: Identifies the request's method, path and body.
    """
    with store.writing() as db:
        if key is not None:
            row = db.execute(
                "SELECT fingerprint, status, body FROM outcomes WHERE key = ?", (key,)
            ).fetchone()
            if row is not None:
                if row[0] != fingerprint:
                    message = "this Idempotency-Key was sent with another request"
                    raise ApiError(422, message, "idempotency_mismatch")
                return Outcome(row[1], row[2], replayed=True)
        db.execute("SAVEPOINT work")
        try:
            outcome = Outcome(200, work())
        except ApiError as refusal:
            db.execute("ROLLBACK TO work")
            outcome = Outcome(refusal.status, refusal.body)
        if key is not None:
            db.execute(
                "INSERT INTO outcomes (key, fingerprint, status, body) VALUES (?, ?, ?, ?)",
                (key, fingerprint, outcome.status, outcome.body),
            )
        return outcome

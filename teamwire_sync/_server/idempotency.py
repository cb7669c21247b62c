"""Idempotent writes: a repeated request is executed only once."""

from __future__ import annotations

import hashlib

from teamwire_sync._server.errors import refuse


def fingerprint_of(method: str, path: str, content: bytes) -> str:
    """Return a hash that differs for requests with another method, path or content."""
    return hashlib.sha256(f"{method} {path}\n".encode() + content).hexdigest()


def require_same_request(known: str, fingerprint: str) -> None:
    """Refuse a request whose Idempotency-Key was sent with a request of another fingerprint."""
    if known != fingerprint:
        refuse("this Idempotency-Key was sent with another request", "idempotency_mismatch")

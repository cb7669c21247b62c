"""Idempotent writes: a repeated request is executed only once."""

from __future__ import annotations

import hashlib

from teamwire_sync._server.errors import refuse


def fingerprint_of(method: str, path: str, content: bytes) -> str:
    """Return a text that differs for requests with another method, path or content.

    It begins with the method and the path. Of the content, it contains only a hash.
    """
    return f"{method} {path} {hashlib.sha256(content).hexdigest()}"


def require_same_request(known: str, fingerprint: str) -> None:
    """Refuse a request whose Idempotency-Key was sent with a request of another fingerprint."""
    if known != fingerprint:
        refuse("this Idempotency-Key was sent with another request", "idempotency_mismatch")

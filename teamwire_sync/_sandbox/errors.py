"""Error responses in the contract's format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teamwire_sync._sandbox.world.errors import RefusedError

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    410: "unknown_revision",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "rate_limited",
    500: "internal_error",
    501: "unsupported",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
}
_STATUSES = {
    **{code: status for status, code in _CODES.items()},
    "not_admin": 403,
    "not_owner": 403,
    "circle_managed": 403,
    "circle_not_public": 403,
    "sending_not_allowed": 403,
    "no_avatar": 404,
    "no_such_path": 404,
    "chat_closed": 409,
    "one_to_one": 409,
    "idempotency_mismatch": 422,
    "invalid_attachments": 422,
    "invalid_cursor": 422,
    "invalid_members": 422,
    "invalid_reply_to": 422,
    "no_recipient": 422,
}


def refusal_answer(refusal: RefusedError) -> tuple[str, int]:
    """Return the body and the status of the response to a refused request."""
    status = _STATUSES[refusal.code]
    return error_body(status, str(refusal), refusal.code, **refusal.details), status


def error_body(status: int, message: str, code: str | None = None, **details: Any) -> str:
    """Return the JSON text of an error response; the status determines the default code."""
    error = {"code": code or _CODES.get(status, f"http_{status}"), "message": message, **details}
    # Escaped to ASCII: a message may quote text that UTF-8 cannot encode.
    return json.dumps({"error": error})

"""Refusals of requests, and error responses in the contract's format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from teamwire_sync._server.backend import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

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
    "in_progress": 409,
    "idempotency_mismatch": 422,
    "invalid_attachments": 422,
    "invalid_cursor": 422,
    "invalid_members": 422,
    "invalid_reply_to": 422,
    "no_recipient": 422,
    "delivery_unknown": 502,
}


class RefusedError(Exception):
    """A refusal of a request: the request had no effect.

    If the code is ``delivery_unknown``, it is unknown whether the request had an effect.

    Args:
        message: The reason, for people.
        code: The reason, for programs: an error code of the contract.
        details: Further properties of the error, for programs.

    Attributes:
        revision: The revision of the response, as in `Answer`.
        retry_after: The seconds after which the client may try again, or None.
    """

    def __init__(self, message: str, code: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.revision: int | None = None
        self.retry_after: int | None = None


def contract_code(status: int | None, code: str | None) -> str | None:
    """Return *code* if the contract has it with this status, or else the code of the status."""
    known = code is not None and _STATUSES.get(code) == status
    return code if known else _CODES.get(status or 0)


def refuse(message: str, code: str = "invalid_request", **details: Any) -> NoReturn:
    """Refuse a request."""
    raise RefusedError(message, code, **details) from None


def refuse_for_now(message: str, code: str, seconds: int) -> NoReturn:
    """Refuse a request that may succeed after this number of seconds."""
    refusal = RefusedError(message, code)
    refusal.retry_after = seconds
    raise refusal from None


def require(thing: T | None, message: str) -> T:
    """Return `thing`; refuse the request if `thing` is None."""
    if thing is None:
        refuse(message, "not_found")
    return thing


def refuse_members(uids: Iterable[str], gids: Iterable[str] = ()) -> NoReturn:
    """Refuse users and groups that are unknown, or are not members where they must be."""
    refuse(
        "these users and groups are unknown or not members",
        "invalid_members",
        user_ids=list(dict.fromkeys(uids)),
        group_ids=list(dict.fromkeys(gids)),
    )


def refusal_answer(refusal: RefusedError) -> Answer:
    """Return the response to a refused request."""
    status = _STATUSES[refusal.code]
    body = error_body(status, str(refusal), refusal.code, **refusal.details)
    wait = refusal.retry_after
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return Answer(body, refusal.revision, status=status, headers=headers)


def error_body(status: int, message: str, code: str | None = None, **details: Any) -> str:
    """Return the JSON text of an error response; the status determines the default code."""
    error = {"code": code or _CODES.get(status, f"http_{status}"), "message": message, **details}
    # Escaped to ASCII: a message may quote text that UTF-8 cannot encode.
    return json.dumps({"error": error})

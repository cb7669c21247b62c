"""Refusals in the contract's one error format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "rate_limited",
    500: "internal_error",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
}


class ApiError(Exception):
    """A request that the contract answers with an error.

    Args:
        status: The HTTP status.
        message: What is wrong, for a person.
        code: What is wrong, for a program; by default the status's own code.
        details: Further members of the error object.
    """

    def __init__(self, status: int, message: str, code: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, code, **details)


def invalid_members(uids: Iterable[str], gids: Iterable[str] = ()) -> ApiError:
    """The refusal of users and groups that are unknown, or are not what they must be."""
    message = "these users and groups are unknown, or no members"
    return ApiError(
        422,
        message,
        "invalid_members",
        user_ids=list(dict.fromkeys(uids)),
        group_ids=list(dict.fromkeys(gids)),
    )


def error_body(status: int, message: str, code: str | None = None, **details: Any) -> str:
    """The JSON text of an error answer."""
    error = {"code": code or _CODES.get(status, f"http_{status}"), "message": message, **details}
    # Escaped to ASCII: a message may quote text that UTF-8 cannot hold.
    return json.dumps({"error": error})

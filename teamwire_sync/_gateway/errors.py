"""The upstream's errors as errors of the contract."""

from __future__ import annotations

import math

from teamwire_sync._http.contract import (
    INVALID_MEMBERS,
    NO_AVATAR,
    NOT_FOUND,
    UNSUPPORTED,
)
from teamwire_sync._internal.log import logger
from teamwire_sync._server.errors import RefusedError, contract_code
from teamwire_sync.exceptions import (
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWRateLimitError,
    TWRequestError,
    TWTimeoutError,
    TWUnsupportedError,
)

_logger = logger.getChild("gateway")

# Errors about the client's request, with the upstream's texts.
_CODES = (
    (TWUnsupportedError, UNSUPPORTED),
    (TWNotFoundError, NOT_FOUND),
    (TWImageLoadError, NO_AVATAR),
    (TWInvalidMembersError, INVALID_MEMBERS),
    (TWRateLimitError, "rate_limited"),
)
# Errors of the gateway itself: the client can't do anything about its credentials and settings.
_OWN = (TWAuthError, TWConfigError, TWClosedError)
_UNAVAILABLE = "the gateway can't use its upstream now"
_UNKNOWN = "the upstream did not confirm the request"
_FAILED = "the upstream failed, or its response can't be used"
_LATE = "the upstream did not respond in time"


def refusal_for(error: TWError, *, writes: bool) -> RefusedError:
    """Return the refusal for an upstream's error.

    Args:
        error: The error.
        writes: Whether the request was a write: then the refusal says whether it may be done.
    """
    details = {}
    if isinstance(error, TWInvalidMembersError):
        details = {"user_ids": list(error.user_ids), "group_ids": list(error.group_ids)}
    code = next((code for kind, code in _CODES if isinstance(error, kind)), None)
    if code is None and _is_about_request(error):
        default = "forbidden" if isinstance(error, TWAuthError) else "invalid_request"
        code = contract_code(error.status, error.code) or default
    # The client adds all that an error's text has around the reason.
    text = error._reason or str(error)
    refusal = RefusedError(text, code, **details) if code else _failure(error, writes=writes)
    wait = getattr(error, "retry_after", None)
    refusal.retry_after = None if wait is None else math.ceil(wait)
    return refusal


def _is_about_request(error: TWError) -> bool:
    if isinstance(error, TWAuthError):
        return error.status != 401 and error.code != "unauthorized"
    return isinstance(error, TWRequestError)


def _failure(error: TWError, *, writes: bool) -> RefusedError:
    """Return the refusal for an error of the upstream, or of the gateway itself.

    The text of the error may name the upstream's address and settings.
    """
    kind = type(error).__name__
    _logger.warning("the upstream failed: %s, status %s, %s", kind, error.status, error.code)
    is_network = isinstance(error, TWConnectionError)
    # A write that was sent raises no TWConnectionError.
    nothing_done = writes and (is_network or error._is_refusal)
    if isinstance(error, _OWN) or nothing_done:
        return RefusedError(_UNAVAILABLE, "service_unavailable")
    if writes:
        return RefusedError(_UNKNOWN, "delivery_unknown")
    if isinstance(error, TWTimeoutError) or error.status == 504:
        return RefusedError(_LATE, "gateway_timeout")
    if is_network or error.status == 503:
        return RefusedError(_UNAVAILABLE, "service_unavailable")
    return RefusedError(_FAILED, "bad_gateway")

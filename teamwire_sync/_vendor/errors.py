"""The translation of the vendor's errors into errors of this package."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl

from teamwire_sync.exceptions import (
    TWAuthError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWServerError,
)

# The errors that the vendor documents in its module ``exceptions``. They are matched by name, not
# imported: the vendor's package may be missing, and its versions differ.
_DOCUMENTED: dict[str, type[TWError]] = {
    error.__name__: error
    for error in (
        TWAuthError,
        TWConnectionError,
        TWImageLoadError,
        TWInvalidMembersError,
        TWNotFoundError,
        TWServerError,
    )
}
# Python's network errors, which the vendor's SDK may pass through instead of its TWConnectionError.
_NETWORK = (
    ConnectionError,
    TimeoutError,
    asyncio.TimeoutError,
    socket.gaierror,
    socket.timeout,
    ssl.SSLError,
)
_LONGEST_CAUSE = 300
# Only the vendor's SDK knows the Secret. So every value that looks like a secret is replaced.
_SECRETS = (
    # An Authorization header with any scheme.
    (re.compile(r"(?i)\b(authorization\W{1,6}\w+\s+)[^\s'\",;]+"), r"\1***"),
    (re.compile(r"(?i)\b(basic|bearer)\s+[^\s'\",;]+"), r"\1 ***"),
    # A quoted value or one word. The quotes are escaped if JSON is nested in JSON.
    (re.compile(r"(?i)\b(\w*(?:secret|passw(?:or)?d|token|authorization)\w*\\*['\"]?\s*[=:]\s*)"
                r"(?!(?:basic|bearer)\b)(\\+\".*?\\+\"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|"
                r"[^\s,;&})\]]+)"), r"\1***"),
    (re.compile(r"(?i)(\w+://)[^/\s]+@"), r"\1***@"),
)  # fmt: skip


def cause_of(error: BaseException) -> str:
    """Return the type and one line of text of *error*, without values that look like secrets."""
    try:
        text = " ".join(str(error)[: 10 * _LONGEST_CAUSE].split())
    except BaseException:  # noqa: BLE001  the vendor's __str__ may raise anything
        text = ""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(text) > _LONGEST_CAUSE:
        text = f"{text[:_LONGEST_CAUSE]}..."
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def kind_of(error: BaseException) -> type[TWError] | None:
    """Return our class for *error*; None if it is neither documented nor a network error."""
    for base in type(error).__mro__:
        if base.__name__ in _DOCUMENTED:
            return _DOCUMENTED[base.__name__]
    return TWConnectionError if isinstance(error, _NETWORK) else None


def translate(error: BaseException, name: str, *, sent: bool, hint: str) -> TWError:
    """Return the error that our caller sees for *error*.

    Args:
        error: The error that a call of the vendor's SDK raised.
        name: The name of the call.
        sent: Whether the call may have changed something on the server.
        hint: A text that says how to check for the change.
    """
    kind = kind_of(error)
    cause = cause_of(error)
    text = f"{name}: {cause}"
    if sent and kind is TWConnectionError:
        return delivery_unknown(text, hint, cause)
    if kind is None:
        kind = TWServerError
        text = f"{name}: the vendor's SDK failed with {cause}"
    if sent and kind is TWServerError:
        text = f"{text}; it may have been done or not; {hint}"
    translated = kind(text, cause=cause)
    translated._reason = cause.partition(": ")[2] or None
    return translated


def delivery_unknown(text: str, hint: str, cause: str | None = None) -> TWDeliveryUnknownError:
    """Return the error of a write that may have been done."""
    return TWDeliveryUnknownError(f"{text}; it may have been done or not; {hint}", cause=cause)


def is_lasting(error: BaseException) -> bool:
    """Return whether *error* may mean that the vendor's connection is broken."""
    return kind_of(error) in {None, TWConnectionError}

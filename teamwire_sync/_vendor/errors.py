"""The errors of the vendor's SDK as ours."""

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

# What the vendor documents, in its module exceptions. They are known by name: the package may be
# another version's, and it is not there for whoever has none.
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
# What a package lets through that means to raise its TWConnectionError.
_NETWORK = (
    ConnectionError,
    TimeoutError,
    asyncio.TimeoutError,
    socket.gaierror,
    socket.timeout,
    ssl.SSLError,
)
_LONGEST_CAUSE = 300
# The Secret is known to the vendor's SDK alone: so what stands where secrets do is left out.
_SECRETS = (
    # Whatever the scheme.
    (re.compile(r"(?i)\b(authorization\W{1,6}\w+\s+)[^\s'\",;]+"), r"\1***"),
    (re.compile(r"(?i)\b(basic|bearer)\s+[^\s'\",;]+"), r"\1 ***"),
    # Between quotes, which are escaped where JSON stands in JSON, or a word.
    (re.compile(r"(?i)\b(\w*(?:secret|passw(?:or)?d|token|authorization)\w*\\*['\"]?\s*[=:]\s*)"
                r"(?!(?:basic|bearer)\b)(\\+\".*?\\+\"|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|"
                r"[^\s,;&})\]]+)"), r"\1***"),
    (re.compile(r"(?i)(\w+://)[^/\s]+@"), r"\1***@"),
)  # fmt: skip


def cause_of(error: BaseException) -> str:
    """Type and one line of text of *error*."""
    try:
        text = " ".join(str(error)[: 10 * _LONGEST_CAUSE].split())
    except BaseException:  # noqa: BLE001  another's package: it may have no text to give
        text = ""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(text) > _LONGEST_CAUSE:
        text = f"{text[:_LONGEST_CAUSE]}..."
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def kind_of(error: BaseException) -> type[TWError] | None:
    """Our class for *error*; None for one that is neither documented nor of the network."""
    for base in type(error).__mro__:
        if base.__name__ in _DOCUMENTED:
            return _DOCUMENTED[base.__name__]
    return TWConnectionError if isinstance(error, _NETWORK) else None


def translate(error: BaseException, name: str, *, sent: bool, hint: str) -> TWError:
    """What *error* is to our callers.

    Args:
        error: Left a call of the vendor's SDK.
        name: The call.
        sent: Whether the call may have changed something on the server.
        hint: How to see whether it has.
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
    return kind(text, cause=cause)


def delivery_unknown(text: str, hint: str, cause: str | None = None) -> TWDeliveryUnknownError:
    """A write that may have been done."""
    return TWDeliveryUnknownError(f"{text}; it may have been done or not; {hint}", cause=cause)


def is_lasting(error: BaseException) -> bool:
    """Whether *error* may say that the vendor's connection is of no use any more."""
    return kind_of(error) in {None, TWConnectionError}

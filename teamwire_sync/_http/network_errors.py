"""Network failures, and their conversion to errors of this package."""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, Callable

import requests
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    DecodeError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
)

from teamwire_sync._http.body import AnswerRefusedError
from teamwire_sync._http.reasons import one_line
from teamwire_sync._http.responses import how_to_go_on
from teamwire_sync._http.sockets import is_unsent
from teamwire_sync.exceptions import (
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from teamwire_sync._http.contract import Operation
    from teamwire_sync._http.network import SettingNames

# Each of these is raised before a request is sent, also on connections of the caller's session.
_NEVER_LEFT = (
    ClosedPoolError,
    ConnectTimeoutError,
    LocationParseError,
    NewConnectionError,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    ssl.CertificateError,
)
_TIMEOUTS = (requests.Timeout, ReadTimeoutError, socket.timeout)
# After one of these errors, a retry would fail in the same way.
_LASTING = (
    AnswerRefusedError,
    DecodeError,
    LocationParseError,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    ssl.CertificateError,
)
# The TLS alerts (RFC 8446, 6.2) after which a retry would fail again. The names are in OpenSSL's
# spelling.
_NO_CERTIFICATE = {
    "BAD_CERTIFICATE",
    "CERTIFICATE_EXPIRED",
    "CERTIFICATE_REQUIRED",
    "CERTIFICATE_REVOKED",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
    "UNSUPPORTED_CERTIFICATE",
}
_NO_COMMON_TLS = {"HANDSHAKE_FAILURE", "INSUFFICIENT_SECURITY", "PROTOCOL_VERSION"}
# OpenSSL's error numbers for an issuer that is not trusted, such as an unknown CA.
_UNTRUSTED = {2, 18, 19, 20, 21}
# The errors of http.client and PySocks for a refusal of a proxy differ only in their texts.
_NO_TUNNEL = "Tunnel connection failed: "
_NO_LOGIN = re.compile(rf"{_NO_TUNNEL}(407)|(?:SOCKS5|username/password) authentication")
# Not 408, 425 and 429: after these, a retry may succeed. The server of a web page, which is no
# proxy, responds to CONNECT with 400, 404, 405 or 501.
_NO_PASSAGE = re.compile(rf"{_NO_TUNNEL}(?:4(?!08|25|29)..|501)|Connection not allowed by ruleset")
_NO_SOCKET = "Failed to establish a new connection: "
_NO_SOCKS = re.compile(f"(?i:socks).*{_NO_SOCKET}")
# Texts of `requests` and OpenSSL for a file that is missing, or has no certificate or no right key.
_NO_PEM = re.compile("Could not find .*TLS|NO_CERTIFICATE_OR_CRL_FOUND|KEY_VALUES_MISMATCH|PEM lib")


def may_pass(error: Exception, *, heard: bool) -> bool:
    """Return whether a retry may succeed. For example, a wrong certificate would fail again.

    Args:
        error: The exception that was raised instead of a response.
        heard: Whether an earlier response had the header of the contract. If so, a proxy that
            refuses the connection now has let this client pass before.
    """
    return not _is_local(error) and not any(
        isinstance(each, _LASTING)
        or _alert(each) in _NO_CERTIFICATE | _NO_COMMON_TLS
        or _NO_LOGIN.search(str(each))
        or (not heard and _NO_PASSAGE.search(str(each)))
        for each in _causes(error)
    )


def network_error(
    error: Exception,
    operation: Operation,
    *,
    left: bool,
    once: bool,
    heard: bool,
    server: str,
    timeout: float,
    names: SettingNames,
    context: dict[str, Any],
    redact: Callable[[str], str],
) -> TWError:
    """Return the `TWError` for *error*, without a reference to *error* or to its request.

    Args:
        error: The exception that was raised instead of a response.
        operation: The operation of the request.
        left: Whether the request may have been sent.
        once: Whether the request was sent at most once. If not, *error* says nothing about an
            earlier attempt to send it.
        heard: Whether an earlier response had the header of the contract.
        server: The server's host and port.
        timeout: The time-out of the request, in seconds.
        names: The names of the network settings.
        context: The keyword arguments for the returned error.
        redact: A function that removes the Secret from a text. The text of *error* may quote what
            the server sent.
    """
    causes = list(_causes(error))
    text = one_line(redact(_innermost(causes)), 200) or type(causes[-1]).__name__
    context = {**context, "cause": f"{type(error).__name__}: {text}"}
    left = left and not _is_local(error)
    if operation.writes and left and not (once and any(map(_never_left, causes))):
        message = (
            f"the answer of {server} was lost ({text}): it may have done {context['method']} "
            f"{context['path']} or not; {how_to_go_on(operation)}"
        )
        return TWDeliveryUnknownError(message, **context)
    if any(isinstance(each, (AnswerRefusedError, DecodeError)) for each in causes):
        message = f"the answer to {context['method']} {context['path']} is refused: {text}"
        return TWProtocolError(message, **context)
    if any(isinstance(each, _TIMEOUTS) for each in causes):
        return TWTimeoutError(f"no answer from {server} within {seconds(timeout)}", **context)
    no_login = next(filter(None, (_NO_LOGIN.search(str(each)) for each in causes)), None)
    if no_login:
        return proxy_refusal(no_login[1] or "SOCKS5 authentication", names, context)
    if not heard and any(_NO_PASSAGE.search(str(each)) for each in causes):
        reason = text.replace(_NO_TUNNEL, "")
        message = (
            f"the proxy refuses the connection to {server} ({reason}): check {names.proxies}, or "
            "allow this server in the proxy"
        )
        return TWConfigError(message, **context)
    hint = next(filter(None, (_tls_hint(each, names) for each in causes)), "")
    by_socks = any(_NO_SOCKS.search(str(each)) for each in causes)
    if by_socks or isinstance(error, requests.exceptions.ProxyError):
        return TWConnectionError(f"can't reach {server} through the proxy: {text}{hint}", **context)
    if isinstance(error, requests.exceptions.SSLError):
        return TWConnectionError(f"no TLS connection to {server}: {text}{hint}", **context)
    return TWConnectionError(f"can't reach {server}: {text}{hint}", **context)


def proxy_refusal(reason: str, names: SettingNames, context: Mapping[str, Any]) -> TWError:
    """Return the error for a proxy that does not accept the user and the password.

    It is final, because each retry would be a failed login, which may lock the account.
    """
    message = (
        f"the proxy refuses this client ({reason}): check user and password in {names.proxies}"
    )
    return TWConfigError(message, **context)


def _never_left(cause: BaseException) -> bool:
    # In TLS 1.3 a client sends its request before the server refuses the client certificate.
    # The server does not read that request.
    return (
        isinstance(cause, _NEVER_LEFT)
        or is_unsent(cause)
        or _alert(cause) in _NO_CERTIFICATE
        or str(cause).startswith(_NO_TUNNEL)
    )


def _alert(cause: BaseException) -> str:
    """Return the TLS alert that ended the connection, or an empty string."""
    reason = getattr(cause, "reason", None) if isinstance(cause, ssl.SSLError) else None
    return (reason or "").partition("ALERT_")[2]


def _tls_hint(cause: BaseException, names: SettingNames) -> str:
    if getattr(cause, "verify_code", None) in _UNTRUSTED:
        return (
            "; if its certificate comes from a CA of your own, "
            f"pass the path of the CA's certificate to {names.verify}"
        )
    if _alert(cause) in _NO_CERTIFICATE:
        return (
            f"; the server needs a client certificate, or another client certificate: {names.cert}"
        )
    if _alert(cause) == "HANDSHAKE_FAILURE":
        return f"; does the server need a client certificate ({names.cert})?"
    if "WRONG_VERSION_NUMBER" in str(cause):
        return "; this port does not speak TLS: check the port, and http:// or https:// in the URL"
    if _NO_PEM.search(str(cause)):
        return f"; check {names.cert} and {names.verify}"
    return ""


def _is_local(error: Exception) -> bool:
    # The library `requests` raises only one OSError without an errno: the error for a missing CA
    # bundle.
    return (
        isinstance(error, OSError)
        and not isinstance(error, (requests.RequestException, socket.timeout))
        and error.errno is None
    )


def seconds(number: float) -> str:
    """Return *number* seconds as a text, rounded."""
    digits = 3 if number < 0.1 else 2 if number < 10 else 1
    return f"{round(number, digits):g} s"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error*, then its causes, from the outermost to the innermost."""
    inner: Any = error
    for _ in range(10):
        yield inner
        following = getattr(inner, "reason", None)
        if not isinstance(following, BaseException):
            following = next((arg for arg in inner.args if isinstance(arg, BaseException)), None)
        # Do not follow __context__. It may be an unrelated error that the caller is handling.
        inner = following or inner.__cause__
        if inner is None:
            return


def _innermost(causes: list[BaseException]) -> str:
    """Return the text of the innermost system error, or else of the innermost error."""
    texts = [each.strerror for each in causes if isinstance(each, OSError) and each.strerror]
    return texts[-1] if texts else str(causes[-1]).rpartition(_NO_SOCKET)[2]

"""Nasty answers, and what each comes to."""

from __future__ import annotations

import zlib
from typing import Any

from attrs import frozen

from teamwire_sync import (
    Message,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
    User,
)
from teamwire_sync._http.response_body import MAX_BYTES
from tests.support.nasty_server import Nasty, answer, chunked, gzip_bomb, gzipped

DEEP = 100_000
GZIP = "Content-Encoding: gzip"
JSON = "Content-Type: application/json"
STRANGE_COOKIES = (
    "Set-Cookie: a=b; Path=/",
    "Set-Cookie: \x01=; expires=never; port=x",
    "Set-Cookie: =",
)


@frozen
class Case:
    """A nasty answer.

    Attributes:
        nasty: Makes it of the good one's body.
        read: What a read comes to.
        write: What a write comes to.
        closes: Whether the server ends the connection then.
        timeout: Seconds that the call may take, None for as many as it likes.
    """

    nasty: Nasty
    read: type
    write: type
    closes: bool = False
    timeout: float | None = None


def harmless(nasty: Nasty, **how: Any) -> Case:
    """The good answer is in it, and nothing that is wrong changes what it means."""
    return Case(nasty, User, Message, **how)


def no_answer(nasty: Nasty, **how: Any) -> Case:
    """It is none of HTTP, so the network may be to blame."""
    return Case(nasty, TWConnectionError, TWDeliveryUnknownError, **how)


def no_contract(nasty: Nasty, **how: Any) -> Case:
    """It is one of HTTP, but not of the bot contract."""
    return Case(nasty, TWProtocolError, TWDeliveryUnknownError, **how)


def endless(nasty: Nasty) -> Case:
    """It does not end within the time for it."""
    return Case(nasty, TWTimeoutError, TWDeliveryUnknownError, timeout=0.3)


def refused(nasty: Nasty, kind: type[TWError]) -> Case:
    """The server says that it did nothing."""
    return Case(nasty, kind, kind)


def unknown(nasty: Nasty) -> Case:
    """The server failed, at the work or after it."""
    return Case(nasty, TWServerError, TWDeliveryUnknownError)


def with_field(body: bytes, value: bytes) -> bytes:
    """*body* with a field that no contract knows."""
    return b'{"more": ' + value + b"," + body[1:]


def renamed(body: bytes, name: bytes) -> bytes:
    """*body* with another text in it."""
    return body.replace(b"Lovelace", name)


BODIES = {
    "HTML": no_contract(lambda body: answer(b"<html>Hi</html>", "Content-Type: text/html")),
    "JSON that is called HTML": harmless(lambda body: answer(body, "Content-Type: text/html")),
    "empty": no_contract(lambda body: answer(b"")),
    "cut": no_contract(lambda body: answer(body[:-5])),
    "UTF-16": no_contract(
        lambda body: answer(body.decode().encode("utf-16"), f"{JSON}; charset=utf-16")
    ),
    "UTF-8 that is called UTF-16": harmless(lambda body: answer(body, f"{JSON}; charset=utf-16")),
    "Latin-1": no_contract(
        lambda body: answer(renamed(body, b"L\xf6velace"), f"{JSON}; charset=latin-1")
    ),
    "byte order mark": harmless(lambda body: answer(b"\xef\xbb\xbf" + body)),
    "deep arrays": no_contract(lambda body: answer(with_field(body, b"[" * DEEP + b"]" * DEEP))),
    "deep objects": no_contract(lambda body: answer(b'{"a":' * DEEP)),
    "a million digits": no_contract(lambda body: answer(with_field(body, b"9" * 1_000_000))),
    "a million digits and a point": harmless(
        lambda body: answer(with_field(body, b"9" * 1_000_000 + b".5"))
    ),
    "NaN": no_contract(lambda body: answer(with_field(body, b"NaN"))),
    "duplicate keys": harmless(lambda body: answer(b'{"user": 1, "message": 2,' + body[1:])),
    "half a surrogate pair": harmless(lambda body: answer(renamed(body, b"\\ud800"))),
    "half a surrogate pair in bytes": harmless(lambda body: answer(renamed(body, b"\xed\xa0\x80"))),
    "half a character": harmless(lambda body: answer(renamed(body, b"\xf0\x9f"))),
    "too many values": no_contract(
        lambda body: answer(with_field(body, b"[" + b"[]," * 10**7 + b"[]]"))
    ),
}
LENGTHS = {
    "longer than the body": no_answer(
        lambda body: answer(body, f"Content-Length: {len(body) + 10}"), closes=True
    ),
    "much longer": no_answer(lambda body: answer(body, f"Content-Length: {10**30}"), closes=True),
    "longer, and no end": endless(lambda body: answer(body, f"Content-Length: {len(body) + 10}")),
    "shorter than the body": no_contract(
        lambda body: answer(body, f"Content-Length: {len(body) - 10}")
    ),
    "an answer after the answer": harmless(lambda body: answer(body) + someone_elses(body)),
    "negative": endless(lambda body: answer(body, "Content-Length: -1")),
    "no number": endless(lambda body: answer(body, "Content-Length: many")),
    "two": no_answer(
        lambda body: answer(body, f"Content-Length: {len(body)}", "Content-Length: 5")
    ),
    "twice the same": harmless(lambda body: answer(body, *[f"Content-Length: {len(body)}"] * 2)),
    "of chunks": harmless(lambda body: chunked(body, "Content-Length: 5")),
    "chunk longer": no_answer(lambda body: chunked(body, size=b"fffff"), closes=True),
    "chunk much longer": no_answer(lambda body: chunked(body, size=b"f" * 1000), closes=True),
    "chunk shorter": no_answer(lambda body: chunked(body, size=b"5")),
    # An older urllib3 reads them to the end of the connection.
    "chunk of -1": no_answer(lambda body: chunked(body, size=b"-1"), closes=True),
    "chunk of -5": no_answer(lambda body: chunked(body, size=b"-5"), closes=True),
    "chunk of no number": no_answer(lambda body: chunked(body, size=b"xyz")),
    "chunk of a long number": no_answer(lambda body: chunked(body, size=b"0" * 100_000)),
    "no last chunk": no_answer(lambda body: chunked(body)[:-5], closes=True),
}
PACKED = {
    "gzip": harmless(lambda body: answer(gzipped(body), GZIP)),
    "no gzip": no_contract(lambda body: answer(body, GZIP)),
    "gzip cut": no_contract(lambda body: answer(gzipped(body)[:-20], GZIP)),
    "gzip with a wrong sum": no_contract(
        lambda body: answer(gzipped(body)[:-8] + b"12345678", GZIP)
    ),
    "gzip of nothing": no_contract(lambda body: answer(b"", GZIP)),
    "gzip bomb": no_contract(lambda body: answer(gzip_bomb(2**30), GZIP)),
    "gzip bomb in chunks": no_contract(lambda body: chunked(gzip_bomb(2**30), GZIP)),
    "deflate bomb": no_contract(
        lambda body: answer(zlib.compress(bytes(2 * MAX_BYTES)), "Content-Encoding: deflate")
    ),
    "gzip in gzip": no_contract(
        lambda body: answer(gzipped(gzipped(body)), "Content-Encoding: gzip, gzip")
    ),
    "gzip in gzip, two headers": no_contract(
        lambda body: answer(gzipped(gzipped(body)), GZIP, GZIP)
    ),
    "brotli": no_contract(lambda body: answer(body, "Content-Encoding: br")),
    "zstd": no_contract(lambda body: answer(body, "Content-Encoding: zstd")),
}
HEADS = {
    "nothing": no_answer(lambda body: b"", closes=True),
    "no head": no_answer(lambda body: body, closes=True),
    "half a head": no_contract(lambda body: answer(body)[:30], closes=True),
    "TLS": no_answer(lambda body: b"\x15\x03\x01\x00\x02\x02\x46", closes=True),
    "HTTP/2": no_answer(lambda body: answer(body).replace(b"HTTP/1.1", b"HTTP/2.0")),
    "a line of 1 MB": no_answer(lambda body: answer(body, "X: " + "x" * 1_000_000)),
    "10,000 lines": no_answer(lambda body: answer(body, *["X: x"] * 10_000)),
    "control characters": harmless(
        lambda body: answer(body, "X: \x00\x1b[31m", "X-Request-ID: \x1b]0;owned\x07")
    ),
    "a line that is folded": harmless(lambda body: answer(body, "X: a\r\n b")),
    "a line without a colon": endless(lambda body: answer(body, "X")),
    "cookies": harmless(lambda body: answer(body, *STRANGE_COOKIES)),
}
STATUSES = {
    **{
        status: no_answer(lambda body, status=status: answer(body, status=status))
        for status in ("0 x", "99 x", "1000 x", "-200 x", "OK")
    },
    **{
        status: no_contract(lambda body, status=status: answer(body, status=status))
        for status in ("201 x", "204 x", "205 x", "206 x", "304 x")
    },
    **{
        status: harmless(
            lambda body, status=status: b"HTTP/1.1 %s\r\n\r\n" % status.encode() + answer(body)
        )
        for status in ("101 x", "102 x", "103 x", "199 x")
    },
    "100 x": harmless(lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + answer(body)),
    "300 x": refused(lambda body: answer(body, status="300 x"), TWConfigError),
    "404 x": refused(lambda body: answer(body, status="404 x"), TWProtocolError),
    "429 x": refused(
        lambda body: answer(body, "Retry-After: " + "9" * 5000, status="429 x"), TWRateLimitError
    ),
    "500 escape": unknown(lambda body: answer(body, status="500 \x1b[31m\x00red")),
    "500 long": unknown(lambda body: answer(body, status="500 " + "x" * 60_000)),
    "500 long id": unknown(
        lambda body: answer(body, "X-Request-ID: " + "x" * 10_000, status="500 x")
    ),
    "500 with 24 MB": unknown(
        lambda body: answer(
            b'{"error": {"message": "' + b"x " * 12_000_000 + b'"}}', status="500 x"
        )
    ),
    "600 x": unknown(lambda body: answer(body, status="600 x")),
    "999 x": unknown(lambda body: answer(body, status="999 x")),
}
CASES = {
    f"{kind}: {name}": case
    for kind, cases in [
        ("body", BODIES), ("length", LENGTHS), ("packed", PACKED), ("head", HEADS),
        ("status", STATUSES),
    ]
    for name, case in cases.items()
}  # fmt: skip


def someone_elses(body: bytes) -> bytes:
    """A good answer to the same call, but with another content."""
    return answer(body.replace(b'"u1"', b'"crossed"').replace(b'"one"', b'"crossed"'))

"""Requests that two programs may read in different ways, and requests that are none."""

from __future__ import annotations

import base64

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT

POSTS = f"/v1/bot/chats/{KNOWN_CHAT}/messages/"
HIDDEN = "the hidden request alone"
_UPLOAD = b"POST /v1/bot/attachments/?name=x HTTP/1.1\r\n"
_ME = b"GET /v1/bot/me/ HTTP/1.1\r\n"
_LENGTH = b"Content-Length: %d\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_END = b"\r\n"


def hostile_requests(app_id: str, secret: str) -> dict[str, bytes]:
    """All requests, by name.

    Where a request has a body, the body is a request of its own, which posts a message. Whoever
    reads the beginning of the body as a new request executes it.
    """
    login = base64.b64encode(f"{app_id}:{secret}".encode())
    common = b"Host: x\r\nAuthorization: Basic " + login + _END
    message = b'{"message": "smuggled"}'
    hidden = f"POST {POSTS} HTTP/1.1\r\n".encode() + common
    hidden += b"Content-Type: application/json\r\n" + _LENGTH % len(message) + _END + message
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    length = _LENGTH % len(hidden)
    upload, me = _UPLOAD + common, _ME + common

    def body(*lines: bytes, content: bytes = hidden) -> bytes:
        return upload + b"".join(lines) + _END + content

    return {
        HIDDEN: hidden,
        # The length of the body
        "two lengths": body(b"Content-Length: 0\r\n", length),
        "two lengths, the other way": body(length, b"Content-Length: 0\r\n"),
        "the same length twice": body(length, length),
        "two lengths in a line": body(length[:-2] + b", 0\r\n"),
        "a signed length": body(b"Content-Length: +0\r\n"),
        "a negative length": body(b"Content-Length: -1\r\n"),
        "a hexadecimal length": body(b"Content-Length: 0x0\r\n"),
        "a length with an underscore": body(b"Content-Length: 0_0\r\n"),
        "a huge length": body(b"Content-Length: 99999999999999999999\r\n"),
        "a length behind a tab": body(b"Content-Length\t: 0\r\n"),
        "a length behind a space": body(b"Content-Length : 0\r\n"),
        "a length and chunks": body(length, _CHUNKED, content=b"0\r\n\r\n" + hidden),
        "chunks and a length": body(_CHUNKED, _LENGTH % 0, content=chunk),
        "chunks twice": body(_CHUNKED, _CHUNKED, content=b"0\r\n\r\n" + hidden),
        "a disguised encoding": body(b"Transfer-Encoding: xchunked\r\n", length),
        "an encoding behind a space": body(b"Transfer-Encoding : chunked\r\n", length),
        "an encoding behind a vertical tab": body(b"Transfer-Encoding: \x0bchunked\r\n", length),
        "an encoding in quotes": body(b'Transfer-Encoding: "chunked"\r\n', length),
        "an encoding in a folded line": body(b"Transfer-Encoding:\r\n chunked\r\n", length),
        "an encoding behind a comma": body(b"Transfer-Encoding: , chunked\r\n", length),
        "two encodings": body(b"Transfer-Encoding: gzip, chunked\r\n", content=chunk),
        "an encoding after chunks": body(b"Transfer-Encoding: chunked, identity\r\n", length),
        "identity": body(b"Transfer-Encoding: identity\r\n", length),
        "an encoding in an old version": body(_CHUNKED, length).replace(b"/1.1", b"/1.0", 1),
        # Chunks
        "a negative chunk": body(_CHUNKED, content=b"-1\r\n" + hidden),
        "a chunk with a prefix": body(_CHUNKED, content=b"0x0\r\n\r\n" + hidden),
        "a huge chunk": body(_CHUNKED, content=b"f" * 17 + b"\r\n" + hidden),
        "an overflowing chunk": body(_CHUNKED, content=b"1" + b"0" * 16 + b"\r\n\r\n" + hidden),
        "a chunk without a size": body(_CHUNKED, content=b"\r\n\r\n" + hidden),
        "a chunk behind a bare LF": body(_CHUNKED, content=b"1\nx\r\n0\r\n\r\n"),
        "an extension with a bare LF": body(_CHUNKED, content=b"1;\nx\r\n0\r\n\r\n"),
        "an extension with a bare CR": body(_CHUNKED, content=b"1;\rx\r\n0\r\n\r\n" + hidden),
        "a chunk that is too long": body(_CHUNKED, content=b"1\r\nxx\r\n0\r\n\r\n" + hidden),
        "a long extension": body(_CHUNKED, content=b"1;" + b"x" * 70_000 + b"\r\nx\r\n0\r\n\r\n"),
        # Lines
        "bare LFs": me.replace(b"\r\n", b"\n") + b"\n",
        "a header behind a bare LF": me + b"X: a\nContent-Length: 0\r\n\r\n",
        "a header behind a bare CR": me + b"X: a\rContent-Length: 0\r\n\r\n",
        "a folded line": me + b"X: a\r\n b\r\n\r\n",
        "a folded first line": _ME + b" X: a\r\n" + common + _END,
        "a NUL in a header": me + b"X: \0\r\n\r\n",
        "a header without a colon": me + b"X\r\n\r\n",
        "a header without a name": me + b": x\r\n\r\n",
        "a space in a name": me + b"X Y: x\r\n\r\n",
        "two hosts": me + b"Host: y\r\n\r\n",
        "two credentials": me + b"Authorization: Basic eA==\r\n\r\n",
        "a huge header": me + b"X: " + b"x" * 70_000 + b"\r\n\r\n",
        "20,000 headers": me + b"X: x\r\n" * 20_000 + _END,
        # The first line
        "a huge path": me.replace(b"/me/", b"/" + b"x" * 70_000, 1) + _END,
        "a method in lower case": me.replace(b"GET", b"get", 1) + _END,
        "an unknown method": me.replace(b"GET", b"BREW", 1) + _END,
        "TRACE": me.replace(b"GET", b"TRACE", 1) + _END,
        "CONNECT": b"CONNECT x:80 HTTP/1.1\r\n" + common + _END,
        "OPTIONS *": b"OPTIONS * HTTP/1.1\r\n" + common + _END,
        "PATCH": me.replace(b"GET", b"PATCH", 1) + b"Content-Length: 0\r\n\r\n",
        "an absolute URL": me.replace(b"/v1", b"http://x/v1", 1) + _END,
        "a URL of another host": me.replace(b"/v1", b"http://y/v1", 1) + _END,
        "two slashes first": me.replace(b"/v1", b"//v1", 1) + _END,
        "two slashes": me.replace(b"/me", b"//me", 1) + _END,
        "dots": me.replace(b"/me", b"/users/../me", 1) + _END,
        "escaped dots": me.replace(b"/me", b"/users/%2e%2e/me", 1) + _END,
        "escaped dots as an ID": me.replace(b"/me", b"/users/%2e%2e", 1) + _END,
        "an escaped slash": me.replace(b"/me", b"%2fme", 1) + _END,
        "a backslash": me.replace(b"/me", b"\\me", 1) + _END,
        "an escaped NUL": me.replace(b"/me", b"/users/%00", 1) + _END,
        "an escaped line end": me.replace(b"/me", b"/users/x%0d%0aX:%20x", 1) + _END,
        "a tab in the path": me.replace(b"/me", b"/m\te", 1) + _END,
        "a NUL in the path": me.replace(b"/me", b"/users/\0", 1) + _END,
        "no UTF-8": me.replace(b"/me", b"/users/\xff", 1) + _END,
        "no UTF-8, escaped": me.replace(b"/me", b"/users/%ff", 1) + _END,
        "a space in the path": me.replace(b"/me", b"/m e", 1) + _END,
        "a fragment": me.replace(b"/me/", b"/me/#x", 1) + _END,
        "no path": me.replace(b"/v1/bot/me/", b"", 1) + _END,
        "two spaces": me.replace(b"GET ", b"GET  ", 1) + _END,
        "HTTP/0.9": b"GET /v1/bot/me/\r\n",
        "HTTP/9.9": me.replace(b"/1.1", b"/9.9", 1) + _END,
        "HTTP/1.01": me.replace(b"/1.1", b"/1.01", 1) + _END,
        "HTTP/1.1.1": me.replace(b"/1.1", b"/1.1.1", 1) + _END,
        "another protocol": me.replace(b"HTTP", b"SMTP", 1) + _END,
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        "an upgrade to HTTP/2": me + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2,
        "garbage": bytes(range(255, -1, -1)) * 20,
        "line ends": _END * 5000,
        "half of a request": me[:20],
        # A request that is whole, and asks for something odd
        "an unknown expectation": body(length, b"Expect: a-miracle\r\n"),
        "another method in a header": me + b"X-HTTP-Method-Override: DELETE\r\n\r\n",
        "a header that a proxy removes": me + b"Connection: Authorization\r\n\r\n",
        "an encoded body": body(length, b"Content-Encoding: gzip\r\n"),
        "no host": _ME + common.partition(_END)[2] + _END,
    }

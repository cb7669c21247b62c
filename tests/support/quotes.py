"""What a server may do with the header that it gets, and with the Secret in it."""

from __future__ import annotations

import base64
import html
import json
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync import Connection, ConnectionConfig
from tests.support.nasty_server import answer

if TYPE_CHECKING:
    from tests.support.nasty_server import NastyServer

APP_ID = "app"
URL = "https://teamwire.example"
ONCE = ConnectionConfig(retries=0)


def connected(server: NastyServer, secret: str, **arguments: Any) -> Connection:
    return Connection(APP_ID, secret, server.url, **{"config": ONCE, **arguments})


def header_of(secret: str) -> str:
    """How *secret* is sent."""
    return f"Basic {base64.b64encode(f'{APP_ID}:{secret.strip()}'.encode()).decode()}"


def quote(
    server: NastyServer, secret: str, echo: Callable[[str], bytes], *, times: int = 1
) -> None:
    """Have *server* answer what *echo* makes of the header and the Secret."""
    text = f"{header_of(secret)} {secret.strip()}"
    for _ in range(times):
        server.answer_next(lambda _: echo(text), closes=True)


def last(status: str, body: object = b"", *headers: str) -> bytes:
    """The last answer on a connection."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return answer(sent, *headers, "Connection: close", status=status)


# Each ends in an error of a read and a write.
def _references(text: str) -> str:
    """*text* with a character reference for each character."""
    return "".join(f"&#{ord(character)};" for character in text)


ECHOES: dict[str, Callable[[str], bytes]] = {
    **{
        f"status {status}": lambda text, status=status: last(  # type: ignore[misc]
            f"{status} {text}", {"error": {"code": text, "message": text}}
        )
        for status in (400, 401, 403, 404, 409, 422, 500, 502, 503)
    },
    "members": lambda text: last(
        "422 Unprocessable",
        {"error": {"code": "invalid_members", "user_ids": [text, 5], "group_ids": text.split()}},
    ),
    "members by name": lambda text: last(
        "422 Unprocessable", {"error": {"code": "invalid_members", "message": text}}
    ),
    "unknown fields": lambda text: last("400 Bad", {"error": {"code": "x", text: [text]}}),
    "code of 10,000 letters": lambda text: last("400 Bad", {"error": {"code": text * 200}}),
    "request id": lambda text: last("500 Failed", b"{}", f"X-Request-ID: {text}"),
    "every header": lambda text: last(
        "429 Too Many",
        b"",
        *(f"{name}: {text}" for name in ("Retry-After", "ETag", "Server", "X", "WWW-Authenticate")),
    ),
    "redirect": lambda text: last("302 Found", b"", f"Location: {text}"),
    "redirect to a host": lambda text: last(
        "302 Found", b"", f"Location: https://{text.split()[2].replace('/', '')}.example:8443/"
    ),
    "redirect to a port that is none": lambda text: last(
        "302 Found", b"", f"Location: https://{text.split()[2].replace('/', '')}.example:99999/"
    ),
    "redirect with a user": lambda text: last(
        "307 Temporary", b"", f"Location: https://{text.split()[1]}@other.example/{text}"
    ),
    "page": lambda text: last("503 Unavailable", f"<p>{text}".encode(), "Content-Type: text/html"),
    "escaped page": lambda text: last(
        "502 Bad",
        f"<html><title>{html.escape(text)}</title><p>{_references(text)}".encode(),
        "Content-Type: text/html; charset=utf-8",
    ),
    "page without a status": lambda text: last(
        "200 OK", f"<html><title>{html.escape(text)}</title>{text}".encode()
    ),
    "plain text": lambda text: last("403 Forbidden", text.encode(), "Content-Type: text/plain"),
    "wrapped text": lambda text: last("404 Not Found", text.replace(" ", "\r\n  ").encode()),
    "text in Latin-1": lambda text: last(
        "404 Not Found",
        text.encode("latin-1", "replace"),
        "Content-Type: text/plain; charset=iso-8859-1",
    ),
    "XML": lambda text: last(
        "500 Failed", f"<a><message>{html.escape(text)}</message></a>".encode()
    ),
    "problem": lambda text: last("400 Bad", {"title": text, "detail": text}),
    "other errors": lambda text: last("422 Bad", {"errors": [{"detail": text}]}),
    "no JSON": lambda text: last("200 OK", text.encode()),
    "other JSON": lambda text: last("200 OK", {text: text}),
    "JSON of a wrong type": lambda text: last("200 OK", {"user": text, "chat": [text]}),
    "no such encoding": lambda text: last("200 OK", b"x", f"Content-Encoding: {text}"),
    "no status line": lambda text: text.encode() + b"\r\n\r\n",
    "a broken status line": lambda text: f"HTTP/1.1 {text}\r\n\r\n".encode(),
    "a wrong length": lambda text: last("200 OK", text.encode(), "Content-Length: 9999"),
    "a length that is none": lambda text: last("200 OK", b"x", f"Content-Length: {text}"),
    "a broken chunk": lambda text: (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n".encode()
    ),
    "nothing": lambda _text: b"",
}

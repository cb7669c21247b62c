"""Servers that never come to an end, and requests that have to."""

from __future__ import annotations

import gzip
import json
import random
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWError
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.builders import user_doc
from tests.support.raw_server import (
    CHUNKED,
    ENDLESS,
    OK,
    Peer,
    RawServer,
    Script,
    bytewise,
    length,
    repeated,
    whole,
)
from tests.support.waiting import Threads

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import requests

    from tests.support.builders import Clock

# Seconds that run out. Nothing has to succeed within them.
BUDGET = 0.2
ME = json.dumps({"user": user_doc(is_bot=True)}).encode()
GZIP = b"Content-Encoding: gzip"
# Its first bytes can be unpacked at once, the others as they come.
NOISE = gzip.compress(random.Random(7).randbytes(20_000))  # noqa: S311
BEGIN, REST = NOISE[:500], NOISE[500:]


def sends(data: bytes) -> Script:
    return lambda peer: peer.send(data)


def drips(start: bytes, endless: bytes) -> Script:
    """Send *start* at once, and *endless* byte by byte."""

    def work(peer: Peer) -> None:
        peer.send(start)
        peer.drip(repeated(endless))

    return work


def floods(start: bytes, endless: bytes) -> Script:
    """Send *start* and *endless* as fast as they are taken."""

    def work(peer: Peer) -> None:
        peer.send(start)
        peer.flood(endless)

    return work


# What follows a request. All but the first go on for ever.
STALLS: dict[str, Script] = {
    "an answer that would have come": lambda peer: peer.drip(bytewise(whole(ME))),
    "silence": sends(b""),
    "silence in the status line": sends(b"HTTP/1.1 2"),
    "silence in the head": sends(OK + b"X-Name: val"),
    "silence before the body": sends(length(100)),
    "silence in the body": sends(length(100) + ME[:50]),
    "silence in chunks": sends(CHUNKED + b"5\r\nhel"),
    "silence before the last chunk": sends(CHUNKED + b"1\r\nx\r\n"),
    "silence before the trailer": sends(CHUNKED + b"%x\r\n%s\r\n0\r\n" % (len(ME), ME)),
    "a slow status line": drips(b"HTTP/1.1 200 ", b"O"),
    "a slow line of the head": drips(OK + b"X-Name: ", b"v"),
    "slow lines of the head": drips(OK, b"X: y\r\n"),
    "a slow body": drips(length(10**6), b"x"),
    "a slow body without length": drips(OK + b"Connection: close\r\n\r\n", b"x"),
    "a slow body in chunks": drips(CHUNKED, b"1\r\nx\r\n"),
    "a slow size of a chunk": drips(CHUNKED, b"0"),
    "a slow extension of a chunk": drips(CHUNKED + b"1;", b"x"),
    "a slow body in gzip": drips(length(10**6, b"200 OK", GZIP) + BEGIN, REST),
    "a slow body in gzip and chunks": drips(
        OK + GZIP + b"\r\nTransfer-Encoding: chunked\r\n\r\n1f4\r\n" + BEGIN + b"\r\n",
        b"".join(b"1\r\n%c\r\n" % byte for byte in REST),
    ),
    "slow 100 Continue": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "slow trailers": drips(CHUNKED + b"0\r\n", b"X: y\r\n"),
}
# Newer Pythons count these, and refuse more than 100.
FLOODS: dict[str, Script] = {
    "fast 100 Continue": floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    "fast trailers": floods(CHUNKED + b"0\r\n", b"X: y\r\n" * 100),
}


def settings(**more: Any) -> ConnectionConfig:
    timeouts = {"default_timeout": ENDLESS, "long_timeout": ENDLESS, "total_timeout": ENDLESS}
    return ConnectionConfig(**{**timeouts, **more})


def on_clock(url: str, clock: Clock, **more: Any) -> Connection:
    """A Connection whose time-outs and pauses count by *clock*, which its sockets do not know."""
    config = settings(**more)
    credentials = Credentials("app", "secret", url)
    transport = HttpTransport(credentials, config, clock=clock, pause=clock.advance)
    return Connection(transport=transport, config=config)


Work = Callable[[Connection], object]


def check(connection: Connection) -> object:
    return connection.check()


def post(connection: Connection) -> object:
    return connection.chats.at("t1").post("hello")


def failure(
    server: RawServer,
    config: ConnectionConfig,
    work: Work = check,
    *,
    url: str | None = None,
    session: requests.Session | None = None,
    first: bool = False,
) -> TWError:
    """The error of *work*, which leaves no connection behind; *first*, a request succeeds."""
    with Connection("app", "secret", url or server.url, config=config, session=session) as one:
        if first:
            one.check()
        with pytest.raises(TWError) as caught:
            work(one)
        # Before the Connection is closed: what is broken is not kept for another request.
        server.wait_until_left()
    return caught.value


def kinds(
    scripts: Mapping[str, Script],
    fail: Callable[[RawServer], TWError],
    tls: ssl.SSLContext | None = None,
) -> dict[str, object]:
    """The kind of error that *fail* comes to at a server for each of *scripts*, side by side."""

    def one(script: Script) -> type[TWError]:
        with RawServer(script, tls) as server:
            return type(fail(server))

    with Threads(8) as threads:
        found = {name: threads.start(partial(one, script)) for name, script in scripts.items()}
    return {name: result.exception() or result.result() for name, result in found.items()}

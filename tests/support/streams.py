"""Sources, sinks, and servers for files on their way."""

from __future__ import annotations

import errno
import itertools
import json
import socket
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
import urllib3.exceptions

from teamwire_sync import (
    ConnectionConfig,
    TWError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.builders import user_doc
from tests.support.leaks import assert_no_secret
from tests.support.raw_server import ENDLESS, whole

if TYPE_CHECKING:
    from tests.support.raw_server import Peer, RawServer

SECRET = "s3cret-of-the-bot"
ONE: dict[str, Any] = {"pool_size": 1}
# Seconds that run out. Nothing has to succeed within them.
BUDGET = 0.2
# More than the buffers of a connection take.
LARGE = 2**24
DATA = bytes(range(256)) * 300


def answer(document: Any, status: bytes = b"200 OK", *more: bytes) -> bytes:
    return whole(json.dumps(document).encode(), status, *more)


def failed(status: bytes, code: str, *more: bytes) -> bytes:
    return answer({"error": {"code": code, "message": "no"}}, status, *more)


UPLOADED = answer({"attachment_id": "a1"})
ME = answer({"user": user_doc(is_bot=True)})


class Bytes:
    """A source of bytes that are there, which may fail."""

    name = "report.pdf"
    content_type = "application/pdf"

    def __init__(self, data: bytes = DATA, fail: Callable[[str, int], None] | None = None) -> None:
        self.size = len(data)
        self._data = data
        self._fail = fail or (lambda _what, _where: None)
        self._done = 0
        self.rewinds = 0

    def rewind(self) -> None:
        self._fail("rewind", self.rewinds)
        self.rewinds += 1
        self._done = 0

    def read(self, size: int) -> bytes:
        self._fail("read", self._done)
        piece = self._data[self._done : self._done + size]
        self._done += len(piece)
        return piece


class Memory:
    """A sink that keeps what comes, and may fail, or be unable to start again."""

    def __init__(
        self, *, restarts: bool = True, fail: Callable[[str, int], None] | None = None
    ) -> None:
        self.pieces: list[bytes] = []
        self._restarts = restarts
        self._fail = fail or (lambda _what, _where: None)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def restart(self) -> bool:
        self._fail("restart", len(self.pieces))
        if self._restarts:
            self.pieces.clear()
        return self._restarts

    def write(self, piece: bytes) -> None:
        self._fail("write", len(self.pieces))
        self.pieces.append(piece)


class Takes:
    """A script that takes whole requests, and sends the next of *answers* after each.

    Attributes:
        heads: Of the requests.
        bodies: Of the requests.
    """

    def __init__(self, *answers: bytes) -> None:
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    def __call__(self, peer: Peer) -> None:
        while True:
            head = peer.read_request()
            if not head:
                return
            self.heads.append(head)
            self.bodies.append(peer.read(length_of(head)))
            data = next(self._answers)
            if not data:
                return
            peer.send(data)


def length_of(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return int(next((line[15:] for line in lines if line.startswith(b"content-length:")), b"0"))


Make = Callable[..., HttpTransport]


def make(
    server: RawServer,
    *,
    session: requests.Session | None = None,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = lambda _: None,
    **more: Any,
) -> HttpTransport:
    """A transport to *server*, which is closed before that."""
    timeouts = {"assets_timeout": ENDLESS, "total_timeout": ENDLESS, "retries": 0}
    config = ConnectionConfig(**{**timeouts, **more})
    credentials = Credentials("app", SECRET, server.url)
    made = HttpTransport(credentials, config, session=session, clock=clock, pause=pause)
    server.call_first(made.close)
    return made


def close_all(session: requests.Session) -> None:
    """Close *session* with its connections, which it leaves to the garbage collector."""
    for adapter in session.adapters.values():
        pools = adapter.poolmanager.pools  # type: ignore[attr-defined]
        for key in pools.keys():  # noqa: SIM118  it can't be iterated
            pools[key].close()
    session.close()


def given(server: RawServer, **more: Any) -> HttpTransport:
    """A transport to *server* by a session of the caller's, which is closed before that, too."""
    session = requests.Session()
    session.trust_env = False
    server.call_first(lambda: close_all(session))
    return make(server, session=session, **more)


EITHER = {"own session": make, "given session": given}


def upload(transport: HttpTransport, source: Bytes, within: float | None = None) -> str:
    return transport.upload(source, deadline=after(within))


def download(
    transport: HttpTransport, sink: Memory, size: int = len(DATA), within: float | None = None
) -> None:
    transport.download("a1", sink, size=size, deadline=after(within))


def after(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def failure(work: Callable[[], object]) -> TWError:
    with pytest.raises(TWError) as caught:
        work()
    error = caught.value
    assert (error.__cause__, error.__context__) == (None, None)
    assert_no_secret(error, SECRET)
    return error


# What fails here and could pass for something of the network's, or of ours.
LOCAL = {
    "OSError": OSError(errno.EIO, "the disk"),
    "reset": ConnectionResetError(errno.ECONNRESET, "a network file system"),
    "pipe": BrokenPipeError(errno.EPIPE, "a pipe"),
    "timeout": socket.timeout("a network file system"),
    "TWError": TWServerError("of another Connection"),
    "TWTimeoutError": TWTimeoutError("of another Connection"),
    "requests": requests.ConnectionError("of another program"),
    "urllib3": urllib3.exceptions.ProtocolError("of another program"),
    "ValueError": ValueError("in the progress callable"),
    "StopIteration": StopIteration("in the progress callable"),
}


def fails(error: BaseException, what: str, where: int = 0) -> Callable[[str, int], None]:
    def fail(doing: str, at: int) -> None:
        if doing == what and at >= where:
            raise error

    return fail


def is_raised(error: Exception, work: Callable[[], object]) -> bool:
    """Whether *work* raises *error* itself, which leads to nothing of the request."""
    error.__cause__ = error.__context__ = error.__traceback__ = None
    try:
        work()
    except Exception as raised:  # noqa: BLE001  whatever it is, it is compared
        caught = raised
    else:
        return False
    assert_no_secret(caught, SECRET)
    return caught is error and (error.__cause__, error.__context__) == (None, None)

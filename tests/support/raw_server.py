"""A server of bytes: it does to each connection what a script says, however wrong that is."""

from __future__ import annotations

import itertools
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Callable

import trustme

from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# Longer than the tests wait: what ends does so by what is tested.
ENDLESS = 10 * PATIENCE
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def length(count: int, status: bytes = b"200 OK", *more: bytes) -> bytes:
    """The head of an answer that has so many bytes; *more* are further lines of it."""
    return b"\r\n".join([b"HTTP/1.1 " + status, *more, b"Content-Length: %d\r\n\r\n" % count])


def whole(body: bytes, status: bytes = b"200 OK", *more: bytes) -> bytes:
    """A whole answer."""
    return length(len(body), status, *more) + body


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, sock: socket.socket, over: threading.Event) -> None:
        self._sock = sock
        self._over = over
        self._buffer = b""

    def read_request(self) -> bytes:
        """The next request up to the end of its head; empty when there is none any more."""
        while b"\r\n\r\n" not in self._buffer:
            received = self._sock.recv(65536)
            if not received:
                return b""
            self._buffer += received
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def read(self, count: int) -> bytes:
        """So many bytes of the body; fewer when the client sends no more."""
        pieces, missing = [self._buffer[:count]], count - len(self._buffer)
        self._buffer = self._buffer[count:]
        while missing > 0:
            received = self._sock.recv(65536)
            if not received:
                break
            pieces.append(received[:missing])
            self._buffer = received[missing:]
            missing -= len(received)
        return b"".join(pieces)

    def send(self, data: bytes) -> None:
        """Send it all at once."""
        self._sock.sendall(data)

    def pause(self, seconds: float) -> None:
        """Do nothing, until the client is said to have left at most."""
        self._over.wait(seconds)

    def drip(self, data: Iterable[bytes], pause: float = 0.02) -> None:
        """Send one piece after the other, slowly; a client that is there after 500 is late."""
        for number, piece in enumerate(data):
            if self._over.wait(pause):
                return
            assert number < 500, "the client is late"
            self.send(piece)

    def flood(self, data: bytes) -> None:
        """Send it again and again, as fast as it is taken."""
        give_up = time.monotonic() + PATIENCE
        while not self._over.is_set():
            assert time.monotonic() < give_up, "the client never left"
            self.send(data)

    def wait_gone(self) -> None:
        """Return when the client has closed the connection."""
        while self._sock.recv(65536):
            pass


Script = Callable[[Peer], object]


class RawServer:
    """Listens on a port of its own, and serves until the end of its block.

    Attributes:
        port: The port.
        connections: How many were made.
        open: How many of them the client has still open, or the script still serves.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._first: list[Callable[[], object]] = []
        self.connections = 0
        self.open = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def call_first(self, call: Callable[[], object]) -> None:
        """At the end of the block, do *call* before anything else."""
        self._first.append(call)

    def wait_until_left(self) -> None:
        """Return when the client has closed all of its connections; scripts pause no longer."""
        self._over.set()
        wait_until(lambda: self.open == 0)

    def __enter__(self) -> RawServer:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for call in self._first:
            call()
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a connection is still open"
        self._listener.close()
        assert not self._errors, self._errors

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self.open += 1
            self._start(lambda sock=sock: self._serve(sock))  # type: ignore[misc]

    def _serve(self, sock: socket.socket) -> None:
        try:
            # A script that waits in vain ends, rather than the tests don't.
            sock.settimeout(PATIENCE)
            # What is sent right before the end goes out before it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._script(Peer(sock, self._over))
        except Exception as error:  # noqa: BLE001
            if isinstance(error, socket.timeout) or not isinstance(error, OSError):
                self._errors.append(error)
            # Else the client is gone.
        finally:
            sock.close()
            with self._lock:
                self.open -= 1


def after_request(work: Script, first: bytes = b"") -> Script:
    """Do *work* when the request has come, then wait for the client to go.

    *first* answers a request before that one.
    """

    def script(peer: Peer) -> None:
        if first:
            peer.read_request()
            peer.send(first)
        peer.read_request()
        work(peer)
        peer.wait_gone()

    return script


def answers(data: bytes) -> Script:
    """Send *data* for each request."""

    def script(peer: Peer) -> None:
        while peer.read_request():
            peer.send(data)

    return script


def takes_nothing(peer: Peer) -> None:
    """Read nothing as long as the client is there."""
    peer.pause(ENDLESS)
    peer.wait_gone()


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@cache
def tls_for(name: str = "127.0.0.1") -> ssl.SSLContext:
    """Serves TLS under *name*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert(name).configure_cert(context)
    return context


def ca_file(folder: Path) -> Path:
    """A new file in *folder* that lets a client trust `tls_for`."""
    path = folder / "ca.pem"
    _authority().cert_pem.write_to_path(str(path))
    return path


def repeated(data: bytes) -> Iterable[bytes]:
    """Each byte of *data* by itself, again and again."""
    return (bytes([byte]) for byte in itertools.cycle(data))


def bytewise(data: bytes) -> Iterable[bytes]:
    """Each byte of *data* by itself."""
    return (bytes([byte]) for byte in data)


@contextmanager
def deaf_ports() -> Iterator[Callable[..., int]]:
    """Makes ports whose queue is full: the kernel answers no more of those who connect."""
    sockets = []

    def listen(address: str = "127.0.0.1", port: int = 0) -> int:
        listener = socket.socket()
        sockets.append(listener)
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(8):
            sockets.append(socket.socket())
            sockets[-1].setblocking(False)
            sockets[-1].connect_ex(listener.getsockname())
        found: int = listener.getsockname()[1]
        return found

    try:
        yield listen
    finally:
        for each in sockets:
            each.close()

"""Servers that speak TLS, and a proxy, each in threads of the test."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tests.support.builders import message_answer, message_doc, user_doc
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from email.message import Message

_ME = {"user": user_doc(is_bot=True)}
_POSTED = message_answer(message_doc())


@frozen
class Seen:
    """A request that came.

    Attributes:
        method: Its method.
        path: Its path.
        headers: Its headers, whose names have no case.
    """

    method: str
    path: str
    headers: Message


class _Threaded(socketserver.ThreadingTCPServer):
    """Has a thread for each connection, and ends them all when the block is left."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, handler: Any) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.port: int = self.server_address[1]
        self.accepted = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            for sock in self._open:
                end(sock)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        self.accepted += 1
        sock.settimeout(PATIENCE)
        return sock, address

    def opened(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.add(sock)

    def closed(self, sock: socket.socket) -> None:
        with self._lock:
            self._open.discard(sock)
        sock.close()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client that goes away is what many a test is about."""


class HttpServer(_Threaded):
    """Answers in the manner of the contract, and remembers what it was asked.

    Args:
        context: The server's side of TLS, None for plain HTTP.

    Attributes:
        requests: What came.
        accepted: How many connections came.
        status: What each answer has for a status.
        headers: What each answer has for headers of its own.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(_Handler)
        self._context = context
        self.requests: list[Seen] = []
        self.status = 200
        self.headers: Mapping[str, str] = {}

    def url(self, host: str = "127.0.0.1") -> str:
        """Where it is."""
        return f"{'https' if self._context else 'http'}://{host}:{self.port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        sock = request
        if self._context is not None:
            sock = self._context.wrap_socket(
                request, server_side=True, do_handshake_on_connect=False
            )
        self.opened(sock)
        try:
            if self._context is not None:
                sock.do_handshake()
            super().finish_request(sock, client_address)
        except OSError:
            # Closed before all was read, the connection would be reset, and the alert lost.
            drain(sock)
        finally:
            self.closed(sock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpServer

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.requests.append(Seen(self.command, self.path, self.headers))
        body = json.dumps(_ME if self.command == "GET" else _POSTED).encode()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815  http.server looks for these names

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


class Proxy(_Threaded):
    """An HTTP proxy that leads every CONNECT to one server, whatever the host.

    Args:
        port: The port of that server.
        answer: The status line that it refuses with; empty to close without a word; None to obey.

    Attributes:
        heads: What came, up to the empty line.
        accepted: How many connections came.
    """

    def __init__(self, port: int, answer: str | None = None) -> None:
        super().__init__(_Tunnel)
        self.target = port
        self.answer = answer
        self.heads: list[str] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.opened(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.closed(request)


class _Tunnel(socketserver.StreamRequestHandler):
    server: Proxy
    rbufsize = 0

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.server.heads.append(head.decode())
        if self.server.answer is not None:
            if self.server.answer:
                self.wfile.write(f"{self.server.answer}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        with socket.create_connection(("127.0.0.1", self.server.target), PATIENCE) as target:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._relay(target)

    def _relay(self, target: socket.socket) -> None:
        other = {self.connection: target, target: self.connection}
        while True:
            readable, _, _ = select.select(list(other), [], [], PATIENCE)
            for sock in readable:
                piece = sock.recv(65536)
                if not piece:
                    return
                other[sock].sendall(piece)
            if not readable:
                return


def end(sock: socket.socket) -> None:
    """Have whoever reads from *sock*, or writes to it, find its end."""
    with suppress(OSError):
        # That of ssl changes what other threads use.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def drain(sock: socket.socket) -> None:
    """Send no more, and read until the other side closes."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass

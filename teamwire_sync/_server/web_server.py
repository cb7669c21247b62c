"""The HTTP server of the application, for the sandbox and the gateway.

cheroot reads requests and writes responses. This module limits how long and how often a client may
keep the server busy, and ends the server.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Callable

from attrs import frozen
from cheroot import wsgi
from cheroot.connections import ConnectionManager
from cheroot.errors import FatalSSLAlert
from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest, KnownLengthRFile

from teamwire_sync._internal.log import logger
from teamwire_sync._server.errors import error_body
from teamwire_sync._server.middleware import CONNECTION_KEY
from teamwire_sync._server.strict_http import ChunkedBody, StrictHeaderReader

if TYPE_CHECKING:
    import os

    from _typeshed.wsgi import WSGIApplication

_THREADS = 16
"""The number of threads at the start, and the number to add when all threads are busy."""

_LONGEST_HEADERS = 64 * 1024
# Seconds for which a connection stays open after a response to an incomplete request. Without them,
# the unread bytes would reset the connection, and the client would not see the response. At the
# end of the server, they are the seconds for which headers may be incomplete.
_LINGER = 1.0
_MOST_LINGERING = 256
_WARNING_INTERVAL = 60.0


@frozen
class Limits:
    """The limits of a server.

    Attributes:
        connections: The maximum number of connections. One that is idle is closed for a new one; if
            none is idle, the new one gets 503. Each connection that is not idle needs a thread.
        header_timeout: The seconds for which a client may send the headers of one request, and also
            the seconds until it sends the first byte.
        timeout: The seconds for which a client may send or take nothing in the middle of a request
            or response. They are also the seconds for which an idle connection stays open.
        check_interval: The seconds between two checks of these limits.
    """

    connections: int = sys.maxsize
    header_timeout: float = 120.0
    timeout: float = 120.0
    check_interval: float = 0.02


class _Request(HTTPRequest):
    """A request that is not refused while the server stops."""

    header_reader = StrictHeaderReader()

    def parse_request(self) -> None:
        """Read the headers."""
        super().parse_request()
        self.conn.headers_due_at = None

    def respond(self) -> None:
        """Call the application, and send its response."""
        # cheroot ignores this header in HTTP/1.0, but a proxy may not.
        if b"Transfer-Encoding" in self.inheaders:
            self.rfile = ChunkedBody(self.conn.rfile)
            self.close_connection = True
        else:
            length = int(self.inheaders.get(b"Content-Length", 0))
            self.rfile = KnownLengthRFile(self.conn.rfile, length)
        self.server.gateway(self).respond()
        self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")

    def send_headers(self) -> None:
        """Send the headers of the response."""
        if self.rfile.remaining:
            # cheroot would read the rest of the request into memory.
            self.conn.has_unread_input = self.close_connection = True
        self.close_connection = self.close_connection or self.server.is_draining
        super().send_headers()

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse the request, unless only its beginning has arrived before the stop."""
        if self.server.is_stopping:
            return
        if self.conn.is_late:
            status, msg = "408 Request Timeout", "The headers did not arrive in time."
        self.conn.has_unread_input = True
        super().simple_response(status, msg)


class _TrackedConnection(HTTPConnection):
    """A connection that the server can find while the connection is open.

    Attributes:
        is_streaming: Whether the server may end the response before its end.
        is_busy: Whether a thread serves the connection, or will do so.
        is_late: Whether the headers of a request have not arrived in time.
        headers_due_at: The moment at which they must have arrived; None outside of headers.
        has_unread_input: Whether the client may be sending something that the server will not read.
    """

    RequestHandlerClass = _Request

    def __init__(self, server: Server, *args: Any) -> None:
        super().__init__(server, *args)
        self.is_streaming = self.is_busy = self.is_late = self.has_unread_input = False
        self.headers_due_at: float | None = None
        self._has_tls = isinstance(self.socket, ssl.SSLSocket)
        server.opened(self)

    def communicate(self) -> bool:
        """Serve one request; return whether the connection stays open."""
        self.server.make_room()
        if self._has_tls:
            # Here, and not when the connection is accepted: a slow client would stop all others.
            self._has_tls = False
            try:
                self.socket.do_handshake()
            except (OSError, ValueError):
                return False
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def end_input(self) -> None:
        """Shut down reading; a long response ends too, a short response can still be sent."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR if self.is_streaming else socket.SHUT_RD)

    def discard_input(self) -> None:
        """Discard what has arrived: unread bytes would reset the connection."""
        with suppress(OSError, ValueError):
            self.socket.settimeout(0)
            for _ in range(16):
                if not self.socket.recv(64 * 1024):
                    break

    def close(self) -> None:
        """Close the connection; a client that is sending has time to read the response."""
        if self.has_unread_input:
            self.has_unread_input = False
            self.server.linger(self)
            return
        super().close()
        # cheroot leaves the file descriptor open until garbage collection.
        with suppress(OSError, ValueError):
            self.wfile.close()
        self.server.closed(self)


class _WsgiGateway(wsgi.Gateway_10):
    """A gateway and `ClientConnection`: it can drop a response or break it off."""

    def __init__(self, req: Any) -> None:
        super().__init__(req)
        self.env[CONNECTION_KEY] = self
        req.conn.is_streaming = False

    def drop(self) -> None:
        """Close the connection without a response."""
        # If the headers count as sent, cheroot closes the connection without sending a byte.
        self.req.sent_headers = True
        self.req.close_connection = True

    def break_off(self) -> None:
        """Close the connection after the part of the response that has been sent."""
        self.req.close_connection = True

    def stream(self) -> None:
        """Do not wait for the end of the response when the server stops."""
        self.req.conn.is_streaming = True
        self.req.server.end_if_late(self.req.conn)


class _Connections(ConnectionManager):
    """The connections that wait for a request, and checks of all connections."""

    # Missing in the types of cheroot.
    _selector: Any
    _stop_requested: bool
    _from_server_socket: Callable[[socket.socket], _TrackedConnection | None]

    def _run(self, expiration_interval: float) -> None:
        """Accept connections and requests until the stop, as cheroot does."""
        checked_at = time.time()
        while not self._stop_requested:
            active = self._selector.select(timeout=expiration_interval)
            # The new connection last: it may close an idle one, and the active ones are not idle.
            for number, conn in sorted(active, key=lambda each: each[1] is self.server):
                if conn is self.server:
                    new = self._from_server_socket(self.server.socket)
                    if new is not None:
                        self.server.process_conn(new)
                else:
                    self._selector.unregister(number)
                    self.server.process_conn(conn)
            if time.time() - checked_at > expiration_interval:
                checked_at = time.time()
                self._expire(checked_at - self.server.timeout)

    def _expire(self, threshold: float) -> None:
        super()._expire(  # type: ignore[misc]  # missing in the types of cheroot
            sys.maxsize if self.server.is_draining else threshold
        )
        self.server.check_limits()

    def close_oldest(self) -> bool:
        """Close the connection that is idle for the longest time; return whether there is one."""
        idle = [
            (conn.last_used, number, conn)
            for number, conn in self._selector.connections
            if conn is not self.server
        ]
        if idle:
            _, number, conn = min(idle, key=itemgetter(0))
            self._selector.unregister(number)
            conn.close()
        return bool(idle)

    def stop_listening(self) -> None:
        """Accept no more connections."""
        self._selector.unregister(self.server.socket.fileno())


class Tls:
    """The TLS of a server.

    Args:
        certfile: The file with the certificate and those of its issuers, in PEM.
        keyfile: The file with the private key, in PEM.

    Raises:
        OSError: A file can't be read, or its content is wrong.
    """

    def __init__(self, certfile: str | os.PathLike[str], keyfile: str | os.PathLike[str]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(certfile, keyfile, password=_no_password)

    def bind(self, sock: socket.socket) -> socket.socket:
        """Return the socket that listens."""
        return sock

    def wrap(self, sock: socket.socket) -> tuple[socket.socket, dict[str, str]]:
        """Return a connection with TLS, whose handshake is later, and its WSGI environ."""
        try:
            wrapped = self._context.wrap_socket(
                sock, server_side=True, do_handshake_on_connect=False
            )
        except (OSError, ValueError) as error:  # the client has gone
            raise FatalSSLAlert(*error.args) from error
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    makefile = staticmethod(MakeFile)


def _no_password() -> str:
    # Without it, OpenSSL would ask for the password on the terminal.
    message = "the private key has a password: the server can't use it"
    raise OSError(message)


class Server(wsgi.Server):
    """A server that runs a WSGI application in its own threads.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 selects a free port.
        app: The WSGI application.
        limits: The limits.
        tls: The TLS; None for HTTP without TLS.
        name: The name for logs and threads.
    """

    def __init__(
        self,
        host: str,
        port: int,
        app: WSGIApplication,
        *,
        limits: Limits | None = None,
        tls: Tls | None = None,
        name: str = "sandbox",
    ) -> None:
        self.limits = limits or Limits()
        super().__init__(
            (host, port),
            app,
            numthreads=_THREADS,
            request_queue_size=256,
            timeout=self.limits.timeout,  # type: ignore[arg-type]  # may be a float
            shutdown_timeout=5,
        )
        self.server_name = "teamwire_sync"
        self.ssl_adapter = tls
        self.gateway = _WsgiGateway
        self.ConnectionClass = _TrackedConnection
        self.keep_alive_conn_limit = sys.maxsize
        self.max_request_header_size = _LONGEST_HEADERS
        # In seconds; also the longest time that `stop` waits for the connection loop.
        self.expiration_interval = self.limits.check_interval
        self._name = name
        self._logger = logger.getChild(name)
        self._lock = threading.RLock()
        self._growth = threading.Lock()
        self._open: set[_TrackedConnection] = set()
        self._lingering: deque[tuple[float, _TrackedConnection]] = deque()
        self.is_stopping = self.is_draining = False
        self.accepted = 0
        self._warn_at = 0.0
        self._thread = threading.Thread(target=self.serve, name=f"teamwire-{name}", daemon=True)

    def start(self) -> None:
        """Start listening; the server answers requests when this method returns."""
        self.prepare()
        self._connections.close()  # type: ignore[has-type]
        self._connections = _Connections(self)
        self._thread.start()

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:
        """Bind a socket; close the socket if that fails."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def serve(self) -> None:
        """Accept connections until the server stops."""
        # Replaces cheroot's loop, whose extra thread rejects requests beyond a bounded queue.
        while self.ready:
            try:
                self._connections.run(self.expiration_interval)
            except Exception:  # noqa: PERF203 - one failure must not end the service
                self._logger.exception("the %s's connection loop failed", self._name)

    def drain(self, seconds: float) -> bool:
        """Accept no more requests, and wait for the end of those that are under way.

        A response for which the server need not wait (`ClientConnection.stream`) does not count.

        Args:
            seconds: The longest time to wait.

        Returns:
            Whether all have ended in this time.
        """
        with self._lock:
            self.is_draining = True
            for connection in self._open:
                # Of a request of which only the beginning has arrived, the rest may not come.
                if connection.headers_due_at is not None:
                    connection.headers_due_at = min(connection.headers_due_at, _soon())
        ends_at = time.monotonic() + seconds
        while self.socket is not None or self.under_way():
            if time.monotonic() > ends_at:
                return False
            time.sleep(self.expiration_interval)
        return True

    def under_way(self) -> int:
        """Return the number of requests under way for whose end the server waits."""
        with self._lock:
            return sum(conn.is_busy and not conn.is_streaming for conn in self._open)

    def stop(self) -> None:
        """End all connections and threads."""
        with self._growth, self._lock:
            self.is_stopping = True
            connections = self._open.copy()
        for connection in connections:
            connection.end_input()
        super().stop()
        if self._thread.is_alive():
            self._thread.join()
        for connection in [*self._open, *(each for _, each in self._lingering)]:
            connection.has_unread_input = False
            connection.close()

    def make_room(self) -> None:
        """Keep a thread idle for the next request: the current request may wait for minutes."""
        if self.requests.idle == 0:
            # A new thread may take a request before `grow` counts the thread. It waits here.
            with self._growth:
                if self.requests.idle == 0 and not self.is_stopping:
                    self.requests.grow(_THREADS)

    def process_conn(self, conn: _TrackedConnection) -> None:
        """Let a thread serve a request; let a new connection wait for its first byte."""
        if conn.last_used is not None:
            allowed = _LINGER if self.is_draining else self.limits.header_timeout
            conn.headers_due_at = time.monotonic() + allowed
            conn.is_busy = True
            super().process_conn(conn)
        elif len(self._open) <= self.limits.connections or self._connections.close_oldest():
            self.put_conn(conn)
            # A connection without a request is closed earlier than one that has had requests.
            conn.last_used = time.time() - self.limits.timeout + self.limits.header_timeout
        else:
            self._refuse(conn)

    def _refuse(self, conn: _TrackedConnection) -> None:
        if time.monotonic() > self._warn_at:
            self._warn_at = time.monotonic() + _WARNING_INTERVAL
            self._logger.warning("the %s has too many connections: some get 503", self._name)
        if self.ssl_adapter is None:
            with suppress(OSError):
                conn.socket.send(_busy())
        conn.has_unread_input = True
        conn.close()

    def put_conn(self, conn: _TrackedConnection) -> None:
        """Wait for the next request of a connection; after a stop, close the connection."""
        with self._lock:
            conn.is_busy = False
            if self.is_stopping or self.is_draining:
                conn.close()
            else:
                super().put_conn(conn)

    def opened(self, connection: _TrackedConnection) -> None:
        """Count and record a new connection."""
        with self._lock:
            self.accepted += 1
            self._open.add(connection)
        self.end_if_late(connection)

    def end_if_late(self, connection: _TrackedConnection) -> None:
        """End a connection, or a long response, that began after the server stopped."""
        with self._lock:
            if self.is_stopping:
                connection.end_input()

    def closed(self, connection: _TrackedConnection) -> None:
        """Remove a closed connection from the record."""
        with self._lock:
            self._open.discard(connection)

    def linger(self, connection: _TrackedConnection) -> None:
        """Close a connection a moment later, so that the client can read the response."""
        with suppress(OSError):
            connection.socket.shutdown(socket.SHUT_WR)
        self.closed(connection)
        self._lingering.append((_soon(), connection))

    def check_limits(self) -> None:
        """End what has taken too long. The connection loop calls this again and again."""
        now = time.monotonic()
        if self.is_draining and self.socket is not None:
            self._connections.stop_listening()
            self.socket.close()
            self.socket = None
        while self._lingering and (
            self._lingering[0][0] < now or len(self._lingering) > _MOST_LINGERING
        ):
            _, connection = self._lingering.popleft()
            connection.discard_input()
            connection.close()
        with self._lock:
            connections = self._open.copy()
        for connection in connections:
            due_at = connection.headers_due_at
            if due_at is not None and due_at < now and not connection.is_late:
                connection.is_late = True
                connection.end_input()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log a message that cheroot would print."""
        # Below ERROR, they are about the connection of a client.
        level = level if level >= logging.ERROR else logging.DEBUG
        self._logger.log(level, msg, exc_info=traceback)


def _busy() -> bytes:
    body = error_body(503, "the server has too many connections")
    return (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        "Teamwire-Bot-Contract: 1\r\nCache-Control: no-store\r\nConnection: close\r\n"
        f"X-Request-ID: {uuid.uuid4().hex}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _soon() -> float:
    return time.monotonic() + _LINGER

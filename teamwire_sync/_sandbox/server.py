"""The HTTP server of the application: it keeps connections open and stops promptly."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from cheroot import wsgi
from cheroot.server import HTTPConnection, HTTPRequest

from teamwire_sync._internal.log import logger

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_logger = logger.getChild("sandbox")

CONNECTION_KEY = "teamwire_sync.connection"
"""The WSGI environ key of the `ClientConnection`."""

_THREADS = 16
"""The number of threads at the start, and the number to add when all threads are busy."""


class ClientConnection(Protocol):
    """The connection of a request."""

    def drop(self) -> None:
        """Close the connection without a response."""

    def break_off(self) -> None:
        """Close the connection after the part of the response that has been sent."""

    def stream(self) -> None:
        """Do not wait for the end of the response when the server stops."""


class _Request(HTTPRequest):
    """A request that is not refused while the server stops."""

    def simple_response(self, status: str, msg: str = "") -> None:
        """Refuse the request, unless only its beginning has arrived before the stop."""
        if not self.server.is_stopping:
            super().simple_response(status, msg)


class _TrackedConnection(HTTPConnection):
    """A connection that the server can find while the connection is open."""

    RequestHandlerClass = _Request

    def __init__(self, server: Server, *args: Any) -> None:
        super().__init__(server, *args)
        self.is_streaming = False
        server.opened(self)

    def communicate(self) -> bool:
        """Serve one request; return whether the connection stays open."""
        self.server.make_room()
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def end_input(self) -> None:
        """Shut down reading; a long response ends too, a short response can still be sent."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR if self.is_streaming else socket.SHUT_RD)

    def close(self) -> None:
        """Close the connection."""
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


class Server(wsgi.Server):
    """A server that runs a WSGI application in its own threads.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 selects a free port.
        app: The WSGI application.
    """

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        super().__init__(
            (host, port),
            app,
            numthreads=_THREADS,
            request_queue_size=256,
            timeout=120,
            shutdown_timeout=5,
        )
        self.gateway = _WsgiGateway
        self.ConnectionClass = _TrackedConnection
        self.keep_alive_conn_limit = sys.maxsize
        # In seconds; also the longest time that `stop` waits for the connection loop.
        self.expiration_interval = 0.02
        self._lock = threading.RLock()
        self._growth = threading.Lock()
        self._open: set[_TrackedConnection] = set()
        self.is_stopping = False
        self.accepted = 0
        self._thread = threading.Thread(target=self.serve, name="teamwire-sandbox", daemon=True)

    def start(self) -> None:
        """Start listening; the server answers requests when this method returns."""
        self.prepare()
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
                self._connections.run(self.expiration_interval)  # type: ignore[attr-defined]
            except Exception:  # noqa: PERF203 - one failure must not end the service
                _logger.exception("the sandbox's connection loop failed")

    def stop(self) -> None:
        """End all connections and threads."""
        with self._growth, self._lock:
            self.is_stopping = True
            connections = self._open.copy()
        for connection in connections:
            connection.end_input()
        super().stop()
        self._thread.join()
        for connection in self._open.copy():
            connection.close()

    def make_room(self) -> None:
        """Keep a thread idle for the next request: the current request may wait for minutes."""
        if self.requests.idle == 0:
            # A new thread may take a request before `grow` counts the thread. It waits here.
            with self._growth:
                if self.requests.idle == 0 and not self.is_stopping:
                    self.requests.grow(_THREADS)

    def put_conn(self, conn: _TrackedConnection) -> None:
        """Wait for the next request of a connection; after a stop, close the connection."""
        with self._lock:
            if self.is_stopping:
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

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log a message that cheroot would print."""
        _logger.log(level, msg, exc_info=traceback)

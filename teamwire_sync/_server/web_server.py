"""The HTTP server of the application, for the sandbox and the gateway.

cheroot reads requests and writes responses. This module accepts connections and ends the server.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from operator import itemgetter
from socket import SHUT_WR
from typing import TYPE_CHECKING, Any, Callable

from cheroot import wsgi
from cheroot.connections import ConnectionManager
from werkzeug.wrappers import Response

from teamwire_sync._internal.log import logger
from teamwire_sync._server.errors import error_body
from teamwire_sync._server.http_connection import TrackedConnection, WsgiGateway
from teamwire_sync._server.limits import ENDED, Limits, now
from teamwire_sync._server.middleware import label

if TYPE_CHECKING:
    import socket

    from _typeshed.wsgi import WSGIApplication

    from teamwire_sync._server.tls import Tls

_THREADS = 16
"""The number of threads at the start, and the number to add when all threads are busy."""

_LONGEST_HEADERS = 64 * 1024
# Seconds for which a connection stays open after a response to an incomplete request. Without them,
# the unread bytes would reset the connection, and the client would not see the response. At the
# end of the server, they are the seconds for which headers may be incomplete.
_LINGER = 1.0
_MOST_LINGERING = 256
# Seconds in which most clients can send the headers of a request.
_SHORT = 0.1


class _Connections(ConnectionManager):
    """The connections that wait for a request, and checks of all connections."""

    # Missing in the types of cheroot.
    _selector: Any
    _stop_requested: bool
    _from_server_socket: Callable[[socket.socket], TrackedConnection | None]

    def _run(self, expiration_interval: float) -> None:
        """Accept connections and requests until the stop, as cheroot does."""
        checked_at = time.time()
        while not self._stop_requested:
            active = self._selector.select(timeout=expiration_interval)
            # The new connection last: it may close an idle one, and the active ones are not idle.
            for number, conn in sorted(active, key=lambda each: each[1] is self.server):
                if conn is self.server:
                    self._accept()
                else:
                    self._selector.unregister(number)
                    self.server.process_conn(conn)
            if time.time() - checked_at > expiration_interval:
                checked_at = time.time()
                self._expire(checked_at - self.server.timeout)

    def _accept(self) -> None:
        try:
            new = self._from_server_socket(self.server.socket)
        except OSError as error:  # probably, too many files are open
            if not self.close_oldest():
                self.server.error_log(f"can't accept connections: {error}", logging.ERROR)
                time.sleep(_LINGER)
        else:
            if new is not None:
                self.server.process_conn(new)

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


class Server(wsgi.Server):
    """A server that runs a WSGI application in its own threads.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 selects a free port.
        app: The WSGI application.
        limits: The limits.
        tls: The TLS; None for HTTP without TLS.
        name: The name for logs and threads.
        refused: A function that is called with the response to each request that the application
            does not see. Default: none.
    """

    # In seconds; also the longest time that `stop` waits for the connection loop.
    expiration_interval = 0.02

    def __init__(
        self,
        host: str,
        port: int,
        app: WSGIApplication,
        *,
        limits: Limits | None = None,
        tls: Tls | None = None,
        name: str = "sandbox",
        refused: Callable[[Response], object] = lambda _: None,
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
        self.gateway = WsgiGateway
        self.ConnectionClass = TrackedConnection
        self.keep_alive_conn_limit = sys.maxsize
        self.max_request_header_size = _LONGEST_HEADERS
        self._name = name
        self._refused = refused
        self._logger = logger.getChild(name)
        self._lock = threading.RLock()
        self._growth = threading.Lock()
        self._open: set[TrackedConnection] = set()
        self._lingering: deque[tuple[float, TrackedConnection]] = deque()
        self.is_stopping = self.is_draining = False
        self.accepted = 0
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
        ends_at = now() + seconds
        while self.socket is not None or self.under_way():
            if now() > ends_at:
                return False
            self._end_headers(_LINGER)
            time.sleep(self.expiration_interval)
        return True

    def _end_headers(self, seconds: float, most: int | None = None) -> bool:
        """End requests of which only the beginning has arrived.

        Args:
            seconds: The minimum time since the beginning arrived.
            most: The maximum number of requests to end, the oldest first; None for all.

        Returns:
            Whether there was one.
        """
        late = now() - seconds + self.limits.header_timeout
        with self._lock:
            waiting = [(each.client.headers_due_at, each) for each in self._open]
            slow = sorted(
                (pair for pair in waiting if pair[0] and pair[0] < late), key=itemgetter(0)
            )[:most]
            for _, connection in slow:
                connection.client.headers_due_at = ENDED
                connection.end_input()
        return bool(slow)

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

    def process_conn(self, conn: TrackedConnection) -> None:
        """Let a thread serve a request; let a new connection wait for its first byte."""
        if conn.last_used is not None:
            conn.client.headers_due_at = now() + self.limits.header_timeout
            conn.is_busy = True
            super().process_conn(conn)
        elif (
            len(self._open) <= self.limits.connections
            or self._connections.close_oldest()
            or self._end_headers(_SHORT, 1)
        ):
            self.put_conn(conn)
            # A connection without a request is closed earlier than one that has had requests.
            conn.last_used = time.time() - self.limits.timeout + self.limits.header_timeout
        else:
            self._refuse(conn)

    def _refuse(self, conn: TrackedConnection) -> None:
        response = self.refusal(503, "the server has too many connections")
        if self.ssl_adapter is None:
            with suppress(OSError):
                conn.socket.send(response)
        conn.has_unread_input = True
        conn.close()

    def refusal(self, status: int, message: str) -> bytes:
        """Return a response to a request that the application does not see, and report it."""
        if self.is_draining:
            status, message = 503, f"the {self._name} ends"
        wait = {"Retry-After": "1"} if status == 503 else {}
        body, headers = error_body(status, message), {"Connection": "close", **wait}
        response = Response(body, status, headers, mimetype="application/json")
        label(response, {})
        self._refused(response)
        head = f"HTTP/1.1 {response.status}\r\n{response.headers}"
        return head.encode("latin-1") + response.get_data()

    def put_conn(self, conn: TrackedConnection) -> None:
        """Wait for the next request of a connection; after a stop, close the connection."""
        with self._lock:
            conn.is_busy = False
            if self.is_stopping or self.is_draining:
                conn.close()
            else:
                super().put_conn(conn)

    def opened(self, connection: TrackedConnection) -> None:
        """Count and record a new connection."""
        with self._lock:
            self.accepted += 1
            self._open.add(connection)
        self.end_if_late(connection)

    def end_if_late(self, connection: TrackedConnection) -> None:
        """End a connection, or a long response, that began after the server stopped."""
        with self._lock:
            if self.is_stopping:
                connection.end_input()

    def closed(self, connection: TrackedConnection) -> None:
        """Remove a closed connection from the record."""
        with self._lock:
            self._open.discard(connection)

    def linger(self, connection: TrackedConnection) -> None:
        """Close a connection a moment later, so that the client can read the response."""
        connection.shut_down(SHUT_WR)
        self.closed(connection)
        self._lingering.append((_soon(), connection))

    def check_limits(self) -> None:
        """End what has taken too long. The connection loop calls this again and again."""
        moment = now()
        if self.is_draining and self.socket is not None:
            self._connections.stop_listening()
            self.socket.close()
            self.socket = None
        while self._lingering and (
            self._lingering[0][0] < moment or len(self._lingering) > _MOST_LINGERING
        ):
            _, connection = self._lingering.popleft()
            connection.discard_input()
            connection.close()

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        """Log a message that cheroot would print."""
        # Below ERROR, they are about the connection of a client.
        level = level if level >= logging.ERROR else logging.DEBUG
        self._logger.log(level, msg, exc_info=traceback)


def _soon() -> float:
    return now() + _LINGER

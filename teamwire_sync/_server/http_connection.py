"""A connection of the web server, and the requests on the connection."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

from cheroot import wsgi
from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest, KnownLengthRFile

from teamwire_sync._server.limits import ClientSocket
from teamwire_sync._server.middleware import CONNECTION_KEY
from teamwire_sync._server.strict_http import REQUEST_LINE, ChunkedBody, StrictHeaderReader


class _Request(HTTPRequest):
    """A request that is not refused while the server stops."""

    header_reader = StrictHeaderReader()

    def parse_request(self) -> None:
        """Read the headers."""
        super().parse_request()
        self.conn.client.headers_due_at = None

    def read_request_line(self) -> bool:
        """Read the first line; return whether it is valid."""
        if not super().read_request_line():  # type: ignore[no-untyped-call]
            return False
        line = b" ".join((self.method, self.uri, self.request_protocol))
        is_valid = REQUEST_LINE.fullmatch(line) is not None
        if not is_valid:
            self.simple_response("400 Bad Request", "Malformed Request-Line")
        return is_valid

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
        number, _, reason = status.partition(" ")
        self.conn.has_unread_input = True
        self.conn.wfile.write(self.server.refusal(int(number), msg or reason))


class TrackedConnection(HTTPConnection):
    """A connection that the server can find while the connection is open.

    Attributes:
        client: The socket, with the time that the client may use.
        is_streaming: Whether the server may end the response before its end.
        is_busy: Whether a thread serves the connection, or will do so.
        has_unread_input: Whether the client may be sending something that the server will not read.
    """

    RequestHandlerClass = _Request

    def __init__(self, server: Any, sock: socket.socket, *_: Any) -> None:
        self.client = ClientSocket(sock, server.limits)
        super().__init__(server, sock, self._file)
        self.is_streaming = self.is_busy = self.has_unread_input = False
        self._has_tls = isinstance(sock, ssl.SSLSocket)
        server.opened(self)

    def _file(self, _: socket.socket, mode: str, size: int) -> Any:
        # cheroot's file for writing copies all of the rest for each part that it sends.
        return MakeFile(self.client, mode, size) if mode == "rb" else self.client

    def communicate(self) -> bool:
        """Serve one request; return whether the connection stays open."""
        self.server.make_room()
        if self._has_tls:
            # Here, and not when the connection is accepted: a slow client would stop all others.
            self._has_tls = False
            try:
                self.client.wait_for(self.socket.do_handshake)
            except (OSError, ValueError):
                return False
        return bool(super().communicate())  # type: ignore[no-untyped-call]

    def end_input(self) -> None:
        """Shut down reading; a long response ends too, a short response can still be sent."""
        self.shut_down(socket.SHUT_RDWR if self.is_streaming else socket.SHUT_RD)

    def shut_down(self, how: int) -> None:
        """Shut down reading or writing, or both."""
        with suppress(OSError):
            # The method of `ssl.SSLSocket` would end TLS: the rest of a response would be sent
            # without TLS.
            socket.socket.shutdown(self.socket, how)

    def discard_input(self) -> None:
        """Discard what has arrived: unread bytes would reset the connection."""
        with suppress(OSError, ValueError):
            self.socket.settimeout(0)
            for _ in range(16):
                if not socket.socket.recv(self.socket, 64 * 1024):
                    break

    def close(self) -> None:
        """Close the connection; a client that is sending has time to read the response."""
        if self.has_unread_input:
            self.has_unread_input = False
            self.server.linger(self)
            return
        super().close()
        self.server.closed(self)


class WsgiGateway(wsgi.Gateway_10):
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

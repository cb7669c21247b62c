"""Time and size that a request may take, enforced where its bytes are read.

The time-outs of requests are per read: a server that sends one byte a second outlasts them all. So
the connections here know the moment at which the request under way has to end, and each of their
reads and writes waits until then at most. Only the resolution of a host's name has no end of its
own: the system offers none.
"""

from __future__ import annotations

import errno
import http.client
import io
import math
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

from attrs import frozen
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
)
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util.connection import allowed_gai_family

from teamwire_sync._http.body import AnswerRefusedError
from teamwire_sync._internal.secret import SecretText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._http.canceller import Canceller

# More than a group of 100,000 members; an answer without an end is given up there.
MOST_BYTES = 32 * 2**20
_PIECE = 2**20
# Compressed bytes taken at once: older urllib3 inflates them in one go, to 1,000 times as many.
_COMPRESSED_PIECE = 2**14
_TIMED_OUT = "timed out"
_PLAIN = {"", "identity"}
_ENCODINGS = {*_PLAIN, "gzip", "x-gzip", "deflate"}


class _CurrentRequest(threading.local):
    ends_at = math.inf
    canceller: Canceller | None = None


_current = _CurrentRequest()


@contextmanager
def ending_at(moment: float, canceller: Canceller | None = None) -> Iterator[None]:
    """Have what this thread reads and writes meanwhile end at *moment* of `time.monotonic`.

    Args:
        moment: When.
        canceller: Whoever has it can end it before that.
    """
    # A logging handler may ask a server in the middle of a request.
    before = _current.ends_at, _current.canceller
    _current.ends_at, _current.canceller = moment, canceller
    try:
        yield
    finally:
        _current.ends_at, _current.canceller = before
        if canceller is not None:
            canceller.detach()


def _left(timeout: float | None) -> float | None:
    """Seconds that the next operation on a socket may take.

    Raises:
        TimeoutError: None are left.
    """
    left = _current.ends_at - time.monotonic()
    if left <= 0:
        raise socket.timeout(_TIMED_OUT)
    if left == math.inf:
        return timeout
    return left if timeout is None else min(timeout, left)


class _BoundedReader(io.BufferedReader):
    """Is never read to its end at once, as http.client does for a chunk of -1 bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            message = "a size below zero"
            raise http.client.HTTPException(message)
        return super().read(size)


class _SocketReads(io.RawIOBase):
    """The reads of one answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._canceller = _current.canceller

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._timeout))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        if self._canceller is not None:
            # Now, before the connection goes back to the pool: the next one to have it may write.
            self._canceller.detach()
        self._raw.close()
        super().close()


@frozen
class _ReadableSocket:
    """What http.client takes for a socket."""

    sock: socket.socket

    def makefile(self, _mode: str) -> io.BufferedReader:
        return _BoundedReader(_SocketReads(self.sock))


class _BoundedResponse(http.client.HTTPResponse):
    # Ctrl-C may come before there is one, and the garbage collector closes what there is.
    fp = None  # type: ignore[assignment]

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(_ReadableSocket(sock), *args, **kwargs)  # type: ignore[arg-type]

    def _read_status(self) -> tuple[str, int, str]:
        # http.client passes over the interim answer 100 alone. It would take any other one for the
        # answer, and the answer that follows for the next request's.
        version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, 100 if 100 <= status < 200 else status, reason


class _BoundedConnection(HTTPConnection):
    # Also reads a proxy's answer to CONNECT.
    response_class = _BoundedResponse
    _buffer: list[bytes]  # http.client's, of the head

    def _new_conn(self) -> socket.socket:
        # urllib3 gives each address of a host the whole time-out.
        name, timeout = self._dns_host, self.timeout
        addresses = _addresses(name, self.port)
        ends_at = time.monotonic() + (_left(timeout) or 0)
        try:
            while True:
                self._dns_host = addresses.pop(0)
                self.timeout = _rest(ends_at) / (len(addresses) + 1)
                try:
                    sock = self._new_sock()
                except (ConnectTimeoutError, NewConnectionError):
                    if not addresses:
                        raise
                else:
                    sock.settimeout(_rest(ends_at))  # for TLS to shake hands
                    return sock
        finally:
            self._dns_host, self.timeout = name, timeout

    def _new_sock(self) -> socket.socket:
        canceller = _current.canceller
        if canceller is None:
            return super()._new_conn()
        address = self._dns_host, self.port
        try:
            numeric = socket.getaddrinfo(*address, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            return super()._new_conn()  # which says that there is no such host
        # As urllib3 does it, which shows the socket to nobody before it is connected.
        family, kind, protocol, _, there = numeric[0]
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(self.timeout)
            canceller.attach(sock)
            sock.connect(there)
        except socket.timeout as error:
            sock.close()
            raise ConnectTimeoutError(self, _TIMED_OUT) from error
        except OSError as error:
            sock.close()
            raise NewConnectionError(self, str(error)) from error
        except BaseException:
            sock.close()
            raise
        return sock

    def connect(self) -> None:
        try:
            super().connect()
        except Exception as error:
            mark_unsent(error)
            raise

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except (ConnectionError, http.client.HTTPException) as error:
            # urllib3 takes the proxy for reached by now, and these for the server's.
            message = "no answer to CONNECT"
            raise ProxyError(message, error) from error
        self.sock.settimeout(_left(self.timeout))  # for TLS to shake hands
        self._attach()

    def _send_output(self, *_: Any, **__: Any) -> None:
        # In http.client the whole head is a local variable while the connection is made and while
        # the head is sent. Reporters that show local variables would show the Secret on Ctrl-C. The
        # repr of a memoryview shows no content. urllib3 sends the body itself.
        head = memoryview(b"\r\n".join((*self._buffer, b"", b"")))
        self._buffer.clear()
        self.send(head)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(_left(self.timeout))
        self._attach()
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            # Without TLS this is what it is called, and urllib3 reads what the server has said.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error

    def _attach(self) -> None:
        if _current.canceller is not None:
            _current.canceller.attach(self.sock)


class _BoundedTlsConnection(_BoundedConnection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _BoundedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTlsConnection

    def _validate_conn(self, conn: Any) -> None:
        # That of urllib3 warns of each connection when certificates are not checked. Where
        # warnings are errors, no request would be made.
        if conn.is_closed:
            conn.connect()


class DeadlineAdapter(HTTPAdapter):
    """Makes connections that know when the request under way has to end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        # http.client has them as a local variable until the proxy answers.
        headers = super().proxy_headers(proxy)
        return {name: SecretText(value) for name, value in headers.items()}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        # Connections through a SOCKS proxy are of a kind of their own.
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager

    def close(self) -> None:
        """Close all connections that are idle."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            # To drop a pool closes it only once nothing refers to it: urllib3's errors do.
            for key in manager.pools.keys():  # noqa: SIM118  it can't be iterated
                pool = manager.pools.get(key)
                if pool is not None:
                    pool.close()
        super().close()


def mark_unsent(error: Exception) -> None:
    """Remember that *error* came before anything of a request was sent."""
    error.is_before_request = True  # type: ignore[attr-defined]


def is_unsent(error: BaseException) -> bool:
    """Whether *error* came before anything of a request was sent."""
    return getattr(error, "is_before_request", False)


def read_body(
    raw: BaseHTTPResponse,
    ends_at: float = math.inf,
    write: Callable[[bytes], object] | None = None,
) -> bytes:
    """All of the body, unpacked.

    Args:
        raw: The response.
        ends_at: The moment of `time.monotonic` at which it has to be there, for a connection that
            does not know it.
        write: Is given the pieces, of which then there may be any number, in place of the caller.

    Raises:
        AnswerRefusedError: It is larger than `MOST_BYTES`, or packed more than once, or only comes
            before the answer.
        HTTPError: The network, or what came, failed.
    """
    encoding = raw.headers.get("Content-Encoding", "").strip().lower()
    complete = False
    try:
        if raw.status < 200:
            message = f"{raw.status} is no answer, and what follows it was not waited for"
            raise AnswerRefusedError(message)
        if encoding not in (_ENCODINGS if write is None else _PLAIN):
            message = "it is packed in a way that was not asked for"
            raise AnswerRefusedError(message)
        packed = encoding not in _PLAIN
        size = _COMPRESSED_PIECE if packed else _PIECE
        read: Callable[..., bytes] = raw.read
        if ends_at < math.inf and _is_plain(raw):
            # A read waits until all of its size is there, however slowly that comes.
            read = raw.read1
        pieces, count = [], 0
        while True:
            # What need not be unpacked comes without a copy more.
            piece = _piece(raw, read, size, packed=packed)
            if not piece:
                break
            if time.monotonic() >= ends_at:
                raise socket.timeout(_TIMED_OUT)
            if write is not None:
                write(piece)
                continue
            pieces.append(piece)
            count += len(piece)
            if count > MOST_BYTES:
                message = f"it is larger than {MOST_BYTES >> 20} MiB"
                raise AnswerRefusedError(message)
        complete = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        if not complete:
            # The rest is still to come: nobody else may get this connection as it is.
            raw.close()
            raw.release_conn()


def _is_plain(raw: BaseHTTPResponse) -> bool:
    """Whether urllib3 reads it from a connection, and not a cache or a test of the caller's."""
    original = getattr(raw, "_original_response", None)
    return type(raw).read is HTTPResponse.read and isinstance(original, http.client.HTTPResponse)


def _piece(raw: BaseHTTPResponse, read: Callable[..., bytes], size: int, *, packed: bool) -> bytes:
    try:
        # What older urllib3 has inflated is taken at once: piece by piece it would copy all of the
        # rest each time.
        inflated = len(getattr(raw, "_decoded_buffer", ()))
        return read(max(size, inflated), decode_content=packed)
    except ValueError as error:
        # A chunk of -5 bytes is one for http.client.
        message = f"it can't be read: {error}"
        raise ProtocolError(message) from error


def _rest(ends_at: float) -> float:
    # Never zero, which would mean not to wait, but to fail at once.
    return max(ends_at - time.monotonic(), 0.001)


def _addresses(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [host]  # urllib3 comes to the same end, and says it
    # By number, and with the scope of a link.
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    return list(dict.fromkeys(socket.getnameinfo(one[4], numeric)[0] for one in found))

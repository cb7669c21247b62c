"""Sockets with a deadline: each read, write and connect ends at the deadline of its request.

The time-outs of the library `requests` apply to each read: a server that sends one byte a second
never exceeds them. Here each operation on a socket gets the time that is left for the whole
request. Only name resolution has no time-out, because the system does not offer a time-out for it.
"""

from __future__ import annotations

import errno
import http.client
import io
import math
import os
import socket
import ssl
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import urllib3.connection
import urllib3.util.connection
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NewConnectionError,
    ProxyError,
)
from urllib3.response import HTTPResponse
from urllib3.util import ssl_wrap_socket

from teamwire_sync._http.body import LocalFailure
from teamwire_sync._internal.secret import SecretBytes
from teamwire_sync._internal.signals import is_by_signal, not_by_signal, suppress

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection as HTTPConnection  # noqa: PLC0414  exported
    from urllib3.connection import HTTPSConnection

    from teamwire_sync._http.canceller import Canceller
else:
    # While vcrpy uses a cassette, these names are subclasses that record and replay. A class that
    # derives from them would do so for the rest of the process.
    HTTPConnection, HTTPSConnection = (
        next((base for base in kind.__mro__ if base.__module__ == "urllib3.connection"), kind)
        for kind in (urllib3.connection.HTTPConnection, urllib3.connection.HTTPSConnection)
    )

# Other packages need urllib3 1 on Python 3.9.
IS_URLLIB3_1 = not hasattr(HTTPResponse, "read1")
_TIMED_OUT = "timed out"
# In seconds. The value must not be 0, because 0 makes a socket not wait at all.
_SHORTEST = 0.001
# A host that can't exist, because its label has more than 63 characters. `adapter` uses it to check
# that urllib3 gets its sockets from our connections. The check sends nothing.
NO_HOST = "teamwire-sync-checks-here-that-urllib3-opens-its-connections-only.invalid"


# The deadline and the canceller of the present request. A threading.local made before gevent or
# eventlet replaces threads would be common to all greenlets. Each greenlet has its own context.
_current: ContextVar[tuple[float, Canceller | None]] = ContextVar(
    "teamwire_sync request", default=(math.inf, None)
)


class ending_at:  # noqa: N801  used like a function
    """The deadline of this thread's reads and writes in the block.

    Args:
        moment: The deadline, a moment of `time.monotonic`.
        canceller: An object that lets another thread end the reads and writes earlier, or None.
    """

    # Not a generator: the garbage collector may end an interrupted generator later, during another
    # request.
    def __init__(self, moment: float, canceller: Canceller | None = None) -> None:
        self._request = moment, canceller

    def __enter__(self) -> None:
        # `reset` restores the previous values: a logging handler may send another request while
        # this thread sends a request.
        self._before = _current.set(self._request)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._before)
        if self._request[1] is not None:
            self._request[1].detach()


def time_left(timeout: float | None) -> float | None:
    """Return the seconds that the next operation on a socket may take.

    Raises:
        TimeoutError: No time is left.
    """
    left = _current.get()[0] - time.monotonic()
    if left <= 0:
        raise socket.timeout(_TIMED_OUT)
    if left == math.inf:
        return timeout
    return left if timeout is None else min(timeout, left)


def _attach(sock: Any) -> None:
    canceller = _current.get()[1]
    if canceller is not None:
        canceller.attach(sock)


def _keep(error: OSError) -> None:
    """Raise a signal handler's *error* as another class.

    urllib3 would ignore BrokenPipeError and wait for the response; `io` would ignore EINTR.

    Raises:
        LocalFailure: A signal handler raised *error*.
    """
    if is_by_signal(error):
        raise LocalFailure(error) from None


def _rest(ends_at: float) -> float:
    return max(ends_at - time.monotonic(), _SHORTEST)


class _BoundedReader(io.BufferedReader):
    """A reader that refuses a read without a size.

    http.client reads without a size if the server sends -1 as the size of a chunk.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            message = "a size below zero"
            raise http.client.HTTPException(message)
        return super().read(size)


class _ResponseReads(io.RawIOBase):
    """The reads of one response.

    Args:
        sock: The socket.
        timeout: The limit for each read in seconds, or None.
        is_connected: Whether requests can be sent. If not, this is a proxy's response to CONNECT,
            and the TLS handshake follows.
    """

    # For `close`, which the garbage collector calls if a signal has interrupted __init__.
    _raw: Any = io.BytesIO()
    _is_connected = True
    _canceller: Canceller | None = None

    def __init__(self, sock: socket.socket, timeout: float | None, *, is_connected: bool) -> None:
        self._sock = sock
        self._timeout = timeout
        self._is_connected = is_connected
        self._raw = sock.makefile("rb", 0)
        self._canceller = _current.get()[1]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            self._sock.settimeout(time_left(self._timeout))
            # Not the method of `_raw`, which ignores EAGAIN.
            count: int = self._sock.recv_into(buffer)
        except OSError as error:
            _keep(error)
            raise
        return count

    def close(self) -> None:
        if not self._is_connected:
            try:
                timeout = time_left(self._timeout)
            except not_by_signal(socket.timeout):
                timeout = _SHORTEST
            with suppress(OSError):  # the socket is closed if the proxy refused
                self._sock.settimeout(timeout)
        elif self._canceller is not None:
            # The connection returns to the pool now, and another request may take it.
            self._canceller.detach()
        self._raw.close()
        super().close()


class DeadlineSocket:
    """A socket whose writes and responses end at the deadline of the current request.

    Args:
        sock: The connected socket, of any kind.
        timeout: The limit for each read and each write in seconds, or None.

    Attributes:
        is_connected: Whether requests can be sent: CONNECT and the TLS handshake are done.
    """

    is_connected = False
    # `__getattr__` needs the attribute if a signal has interrupted `__init__`.
    _sock: Any = None

    def __init__(self, sock: Any, timeout: float | None) -> None:
        self._sock = sock
        self._timeout = timeout

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, timeout: float | None) -> None:
        """Set the limit for each read and each write, in seconds."""
        self._timeout = timeout
        self._sock.settimeout(timeout)

    def sendall(self, data: Any) -> None:
        """Send all of *data*."""
        self._sock.settimeout(time_left(self._timeout))
        _attach(self._sock)
        try:
            self._sock.sendall(data)
        except not_by_signal(ssl.SSLEOFError) as error:
            # Without TLS, the error is a BrokenPipeError. After this error, urllib3 reads the
            # response that the server may have sent already.
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return a reader for one response."""
        return _BoundedReader(
            _ResponseReads(self._sock, self._timeout, is_connected=self.is_connected)
        )


class _ProxyTlsSocket(DeadlineSocket):
    """A TLS socket to an HTTPS proxy. It carries the TLS connection of urllib3 to the server."""

    def recv(self, size: int) -> bytes:
        """Return at most *size* bytes."""
        self._sock.settimeout(time_left(self._timeout))
        received: bytes = self._sock.recv(size)
        return received

    @property
    def _io_refs(self) -> int:
        # In this attribute, urllib3 counts the readers that keep the socket open.
        count: int = self._sock._io_refs
        return count

    @_io_refs.setter
    def _io_refs(self, count: int) -> None:
        self._sock._io_refs = count


def for_handshake(sock: Any, timeout: float | None, ends_at: float) -> DeadlineSocket:
    """Return a `DeadlineSocket` over *sock* for a TLS handshake that can be cancelled.

    Args:
        sock: The connected socket.
        timeout: The limit for each later read and write in seconds, or None.
        ends_at: The deadline of the handshake, a moment of `time.monotonic`.
    """
    _attach(sock)
    sock.settimeout(_rest(ends_at))
    return DeadlineSocket(sock, timeout)


class _FinalResponse(http.client.HTTPResponse):
    # Ctrl-C may come before __init__ sets `fp`, and the garbage collector needs `fp` for `close`.
    fp = None  # type: ignore[assignment]

    def _read_status(self) -> tuple[str, int, str]:
        # http.client skips only interim responses with status 100. It would return any other
        # interim response as the response, and the real response would go to the next request.
        version, status, reason = super()._read_status()  # type: ignore[misc]
        return version, 100 if 100 <= status < 200 else status, reason


class OwnConnectionError(NewConnectionError):
    """The error for `NO_HOST`. It shows that urllib3 gets its sockets from our connection."""


class DeadlineConnection(HTTPConnection):
    """A connection whose socket is a `DeadlineSocket`."""

    response_class = _FinalResponse
    _head: list[SecretBytes] | None = None

    def __init__(self, *, host: str, **kwargs: Any) -> None:
        super().__init__(host=host, **kwargs)
        # Name resolution needs the trailing dot of a host. `self.host` does not have the dot.
        self._name = host

    def connect(self) -> None:
        """Connect, and do the TLS handshake."""
        try:
            self._connect()
        except not_by_signal(socket.timeout) as error:
            # urllib3 1 would replace the mark by an error without it.
            raise ConnectTimeoutError(self, _TIMED_OUT) from error
        except not_by_signal(Exception) as error:
            mark_unsent(error)
            raise

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send the request."""
        try:
            super().request(*args, **kwargs)
        except OSError as error:
            _keep(error)
            raise

    def endheaders(self, message_body: Any = None, **_: Any) -> None:
        """Connect if necessary, and send the head of the request, and the body if there is one."""
        # http.client keeps the head in local variables while it connects and sends. On Ctrl-C, an
        # error reporter that shows local variables would show the Secret. So connect first, and let
        # `send` only collect the head.
        if self.sock is None:
            self.connect()
        self._head = []
        try:
            super().endheaders()
        finally:
            pieces, self._head = self._head, None
        for piece in pieces:
            self.sock.sendall(piece)
        if message_body is not None:  # urllib3 2 sends the body by `send`
            self.send(message_body)

    def send(self, data: Any) -> None:
        """Send *data*. If *data* is part of the head of the request, only collect it."""
        if self._head is not None:
            self._head.append(SecretBytes(data))
            return
        # `connect` sends CONNECT over TLS to an HTTPS proxy. This write needs a deadline, too.
        if self.sock is not None:
            self._set_deadlines()
        super().send(data)

    def _connect(self) -> None:
        try:
            super().connect()
        except not_by_signal(ConnectionError, http.client.HTTPException) as error:
            if self.proxy is None:
                raise
            # If an error comes after the proxy was reached, urllib3 reports an error of the server.
            message = "no connection through the proxy"
            raise ProxyError(message, error) from error
        self._set_deadlines()
        self.sock.is_connected = True

    def _set_deadlines(self) -> None:
        if not isinstance(self.sock, DeadlineSocket):
            self.sock: Any = DeadlineSocket(self.sock, self.timeout)

    def _new_conn(self) -> Any:
        # urllib3 applies the whole time-out to each address of a host. It also returns the socket
        # only after connecting, which is too late for a canceller.
        if self._name == NO_HOST:
            raise OwnConnectionError(self, NO_HOST)
        ends_at = time.monotonic() + (time_left(self.timeout) or 0)
        addresses = self._addresses()
        if not addresses:  # possible if a program replaces socket.getaddrinfo
            message = "the host has no address"
            raise NewConnectionError(self, message)
        while True:
            left = ends_at - time.monotonic()
            if left <= 0:
                raise ConnectTimeoutError(self, _TIMED_OUT)
            address = addresses.pop(0)
            try:
                sock = self._open(address, left / (len(addresses) + 1))
            except not_by_signal(OSError) as error:
                if addresses:
                    continue
                if isinstance(error, socket.timeout):
                    raise ConnectTimeoutError(self, _TIMED_OUT) from error
                raise NewConnectionError(self, str(error)) from error
            return for_handshake(sock, self.timeout, ends_at)

    def _addresses(self) -> list[tuple[Any, ...]]:
        family = urllib3.util.connection.allowed_gai_family()
        try:
            return list(socket.getaddrinfo(self._name, self.port, family, socket.SOCK_STREAM))
        except not_by_signal(socket.gaierror) as error:
            raise NewConnectionError(self, str(error)) from error
        except not_by_signal(UnicodeError) as error:
            message = f"a label of {self.host!r} is empty or too long"
            raise LocationParseError(message) from error

    def _open(self, address: tuple[Any, ...], timeout: float) -> socket.socket:
        family, kind, protocol, _, there = address
        sock = socket.socket(family, kind, protocol)
        try:
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(timeout)
            _attach(sock)
            sock.connect(there)
        except BaseException:
            sock.close()
            raise
        return sock


class _HostContext(ssl.SSLContext):
    """The TLS settings of urllib3 2 for one host, on urllib3 1.

    urllib3 1 compares the names of the host and of the certificate itself, and accepts more: the
    common name, and any wildcard. It passes no address to OpenSSL.
    """

    host = ""

    def wrap_socket(self, sock: Any, **_: Any) -> ssl.SSLSocket:  # type: ignore[override]
        return super().wrap_socket(sock, server_hostname=self.host)

    def wrap_bio(self, incoming: Any, outgoing: Any, **_: Any) -> ssl.SSLObject:  # type: ignore[override]
        return super().wrap_bio(incoming, outgoing, server_hostname=self.host)


class DeadlineTlsConnection(DeadlineConnection, HTTPSConnection):
    """A connection over TLS whose socket is a `DeadlineSocket`."""

    _server: str | None = None

    def set_tunnel(self, host: str, *args: Any, **kwargs: Any) -> None:
        """Set the server that `connect` connects to through the proxy."""
        super().set_tunnel(host, *args, **kwargs)
        self._server = host.strip("[]")

    def connect(self) -> None:
        """Connect, and do the TLS handshake."""
        if IS_URLLIB3_1:
            self.ssl_context = self._context_for(self._server or self.host)
            if not self.ca_cert_dir:
                # requests 2.32.0 to 2.32.4 would load the bundle only into a context of their own.
                self.ca_certs = self.ca_certs or DEFAULT_CA_BUNDLE_PATH
        super().connect()
        # Without this, urllib3 would warn at each request if the caller has set verify=False. If
        # warnings are errors, every request would fail.
        self.is_verified = self.proxy_is_verified = True

    def _connect_tls_proxy(self, hostname: str, sock: Any) -> Any:
        if IS_URLLIB3_1:
            context = self._context_for(hostname)
            sock = ssl_wrap_socket(
                sock, ca_certs=self.ca_certs, ca_cert_dir=self.ca_cert_dir, ssl_context=context
            )
        else:
            sock = super()._connect_tls_proxy(hostname, sock)
        # Without this class, each read of the TLS handshake with the server could take the whole
        # time-out.
        return _ProxyTlsSocket(sock, self.timeout)

    def _context_for(self, host: str) -> ssl.SSLContext:
        context = _HostContext(ssl.PROTOCOL_TLS_CLIENT)
        context.host = host.rstrip(".")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        if self.cert_reqs in {"CERT_NONE", ssl.CERT_NONE}:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def mark_unsent(error: Exception) -> None:
    """Mark *error* as raised before any byte of a request was sent."""
    error.is_before_request = True  # type: ignore[attr-defined]


def is_unsent(error: BaseException) -> bool:
    """Return whether *error* was raised before any byte of a request was sent."""
    return getattr(error, "is_before_request", False)

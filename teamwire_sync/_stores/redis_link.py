"""Redis through redis-py, with an end to each wait.

redis-py's own timeout counts from each piece of an answer, and its pool waits for a lock that
another thread had at a fork. So it lends its connections, and the rest is here.
"""

from __future__ import annotations

import socket
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.connection import parse_url

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._stores.base import StoreError

if TYPE_CHECKING:
    from teamwire_sync._internal.secret import Secret

# The other options of a URL are left out: some would undo the end to each wait.
_TAKEN = frozenset({"host", "port", "path", "db", "username", "password", "client_name"})
_BAD_URL = (
    "url must be such as redis://user:password@host:6379/0, rediss://... or unix:///path?db=0, "
    "with what is special in a password percent-encoded, and TLS options that redis-py knows"
)

_FAILURES = (
    redis.RedisError, OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError,
    MemoryError,
)  # fmt: skip
# What a server says is not repeated: it may hold what it was sent.
_REASONS: tuple[tuple[Any, str], ...] = (
    ((redis.TimeoutError, socket.timeout), "no answer in time"),
    (redis.AuthenticationError, "it refuses the user or the password"),
    (redis.exceptions.NoPermissionError, "its ACL forbids this to the user"),
    (redis.exceptions.OutOfMemoryError, "it has no memory left"),
    (redis.ReadOnlyError, "it is a replica, which can only be read"),
    (redis.BusyLoadingError, "it is still loading its data"),
    (redis.exceptions.MovedError, "it is a cluster, which is not supported"),
)
_CODES = frozenset({"BUSY", "ERR", "MISCONF", "NOREPLICAS"})


class Link:
    """Redis at one URL. Does no I/O before the first command.

    Args:
        url: Where it is.
        timeout: Seconds that connecting, and each read, may take.

    Attributes:
        where: The URL without user, password and options.

    Raises:
        ValueError: The URL is bad; the text does not repeat it.
    """

    def __init__(self, url: Secret, timeout: float) -> None:
        self._timeout = timeout
        # In a closure: a debugger may show the attributes of an object.
        make = _maker(url.reveal(), timeout)
        if make is None:
            raise ValueError(_BAD_URL)
        self._make = make
        self.where = _where(url.reveal().partition(":")[0], self._make())
        self._free: deque[Any] = deque()
        weakref.finalize(self, _close, self._free)
        on_fork(self)

    def after_fork(self) -> None:
        """Leave the parent its sockets: that they are closed here tells the server nothing."""
        self._free.clear()

    def until(self, times: float = 2.0) -> float:
        """The moment at which a call that may wait *times* the timeout has to end."""
        return time.monotonic() + times * self._timeout

    def run(self, *commands: tuple[Any, ...], until: float, atomic: bool = False) -> list[Any]:
        """What the server answers to each of *commands*, in one round trip.

        Where a key holds another kind of value than a command needs, the answer is the error.

        Args:
            commands: Each with its arguments.
            until: The moment of `time.monotonic` at which this has to end.
            atomic: Whether all of them happen at once, or none.

        Raises:
            StoreError: It could not be asked, or refused.
        """
        try:
            if atomic:
                done = self._answers([("MULTI",), *commands, ("EXEC",)], until)[-1]
                return _without_refusal(done)
            return self._answers(commands, until)
        except _FAILURES as error:
            reason = _reason_of(error)
        message = f"Redis at {self.where}: {reason}"
        raise StoreError(message)

    def _answers(self, commands: Any, until: float) -> list[Any]:
        try:
            connection, fresh = self._free.pop(), False
        except IndexError:
            connection, fresh = self._make(), True
        connection.limit.until = until
        # Whatever ends this, Ctrl-C too, leaves no answer for those who come next.
        try:
            if not fresh and _is_stale(connection):
                connection.disconnect()
            connection.connect()
            connection.send_packed_command(connection.pack_commands(commands))
            answers = [_answer(connection) for _ in commands]
        except BaseException:
            connection.disconnect()
            raise
        self._free.append(connection)
        return _without_refusal(answers)


def _maker(url: str, timeout: float) -> Callable[[], Any] | None:
    options = _options_of(url)
    if options is not None:
        kind = options.pop("connection_class", redis.Connection)
        cls = type(kind.__name__, (_InTime, kind), {})
        options = {name: options[name] for name in options if _is_taken(name)}
        if kind is redis.SSLConnection:
            unchecked = options.get("ssl_cert_reqs") == "none"
            options.setdefault("ssl_check_hostname", not unchecked)

        def make() -> Any:
            return cls(limit=_Limit(timeout), protocol=2, **options)

        # Of the options, redis-py checks some only here.
        with suppress(*_FAILURES):
            make()
            return make
    return None


def _is_taken(name: str) -> bool:
    return name in _TAKEN or name.startswith("ssl_")


def _options_of(url: str) -> dict[str, Any] | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        # Of no query at all, Python 3.9 says that it is a bad one.
        strict = bool(parts.query)
        names = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=strict))
        path = parts.path if parts.scheme == "unix" else f"{parts.path.strip('/') or 0}"
        if (
            url.isprintable()
            # A password that is not encoded would be taken, and shown, for a host or a path.
            and not parts.fragment
            and "@" not in parts.path + parts.query
            and (path.startswith("/") if parts.scheme == "unix" else path.isdecimal())
            and not any("ocsp" in name for name in names)
        ):
            options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
            return options
    return None


def _where(scheme: str, connection: Any) -> str:
    if scheme == "unix":
        return f"unix://{connection.path}?db={connection.db}"
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return f"{scheme}://{host}:{connection.port}/{connection.db}"


def _close(connections: deque[Any]) -> None:
    while connections:
        connections.pop().disconnect()


def _is_stale(connection: Any) -> bool:
    try:
        # A server that has closed it, or is being restarted, has left an end to read.
        return bool(connection.can_read())
    except (redis.RedisError, OSError):
        return True


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _without_refusal(answers: list[Any]) -> list[Any]:
    for answer in answers:
        if isinstance(answer, redis.ResponseError) and "WRONGTYPE" not in str(answer):
            raise answer
    return answers


def _reason_of(error: BaseException) -> str:
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason
    text = str(error)
    if isinstance(error, redis.ResponseError):
        code = text.partition(" ")[0]
        return f"it refuses{f' ({code})' if code in _CODES else ''}"
    # No server's words are in these: redis-py makes them of those of the system.
    if type(error) is redis.ConnectionError and text.isprintable():
        return text[:200]
    return f"no answer that makes sense ({type(error).__name__})"


class _Limit:
    """How long the one who uses a connection may wait.

    Args:
        each: Seconds for each step.

    Attributes:
        until: The moment at which all of them have to be done.
    """

    def __init__(self, each: float) -> None:
        self._each = each
        self.until = 0.0

    def left(self) -> float:
        """Seconds that the next step may take; not above zero when the time is over."""
        return min(self._each, self.until - time.monotonic())


class _InTime:
    """What makes a connection of redis-py keep a `_Limit`."""

    def __init__(self, *, limit: _Limit, **options: Any) -> None:
        self.limit = limit
        super().__init__(**options)

    # For each address of the host, and for the handshake of TLS.
    @property
    def socket_connect_timeout(self) -> float:
        """Seconds that the next step may take."""
        return max(0.001, self.limit.left())

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, _seconds: float | None) -> None:
        pass

    socket_timeout = socket_connect_timeout

    def _connect(self) -> _TimedSocket:
        return _TimedSocket(super()._connect(), self.limit)  # type: ignore[misc]


class _TimedSocket:
    """A socket of which all reads and writes together keep a `_Limit`."""

    def __init__(self, sock: socket.socket, limit: _Limit) -> None:
        self._sock = sock
        self._limit = limit
        self._polls = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, seconds: float | None) -> None:
        """Only whether to wait at all: for how long, the limit says."""
        self._polls = seconds == 0

    def recv(self, size: int, *flags: int) -> bytes:
        self._start()
        return self._sock.recv(size, *flags)

    def recv_into(self, buffer: Any) -> int:
        self._start()
        return self._sock.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._start()
            rest = rest[self._sock.send(rest) :]

    def _start(self) -> None:
        left = 0.0 if self._polls else self._limit.left()
        if left <= 0 and not self._polls:
            raise socket.timeout
        self._sock.settimeout(left)

"""A connection to Redis through redis-py. The texts of its errors may be logged.

One caller at a time uses a pipeline, which has its own pool with one connection. A pipeline is used
again only after all its responses were read. One pool of redis-py for all callers would be unsafe:

- Ctrl-C ends caller A before A reads its response. The pool returns the same connection to caller
  B, which reads A's response as its own.
- A thread of the parent holds the lock of the pool at a fork. The child waits forever for the lock.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qs, urlsplit

import redis

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.secret import SecretText
from teamwire_sync._internal.signals import not_by_signal, suppress, unwrapped
from teamwire_sync._internal.waiting import rlock
from teamwire_sync._stores.base import StoreError

if TYPE_CHECKING:
    from teamwire_sync._internal.secret import Secret

# The other options of a URL are ignored, because some would disable the time-outs.
_TAKEN = frozenset(
    {"host", "port", "path", "db", "username", "password", "client_name", "connection_class"}
)
_BAD_URL = (
    "url must be like redis://user:password@host:6379/0, rediss://... or unix:///path?db=0; "
    "percent-encode special characters in the password, and use only TLS options of redis-py"
)

_FAILURES = (
    redis.RedisError, OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError,
    MemoryError,
)  # fmt: skip
# The server's error text is not repeated, because it may contain data from the request.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (redis.TimeoutError, "no response in time"),
    (redis.AuthenticationError, "it refuses the user or the password"),
    (redis.exceptions.NoPermissionError, "its ACL forbids this to the user"),
    (redis.exceptions.OutOfMemoryError, "it has no memory left"),
    (redis.ReadOnlyError, "it is a replica, which can only be read"),
    (redis.BusyLoadingError, "it is still loading its data"),
    (redis.exceptions.MovedError, "it is a cluster, which is not supported"),
)
_CODES = frozenset({"BUSY", "ERR", "MISCONF", "NOREPLICAS"})


class Link:
    """A connection to Redis at one URL. There is no I/O before the first command.

    Args:
        url: The URL.
        timeout: Seconds that connecting, each write and each read of a response may take.

    Attributes:
        where: The URL without user, password and options.

    Raises:
        ValueError: The URL is invalid. The text does not contain the URL.
    """

    def __init__(self, url: Secret, timeout: float) -> None:
        made = _maker(url.reveal(), timeout)
        if made is None:
            raise ValueError(_BAD_URL)
        self._make, self.where = made
        self._free: deque[Any] = deque()
        on_fork(self)

    def after_fork(self) -> None:
        """Drop the parent's sockets. Closing them in the child sends nothing to the server."""
        self._free.clear()

    def run(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Run *commands* in one round trip, and return the server's response to each.

        If a key has a value of another type than its command needs, the response is the error.

        Args:
            commands: The commands, each with its arguments.

        Raises:
            StoreError: Redis could not be reached, or refused a command.
        """
        try:
            try:
                pipeline = self._free.pop()
            except not_by_signal(IndexError):
                pipeline = self._make()
            for command in commands:
                pipeline.execute_command(*command)
            with unwrapped():
                answers: list[Any] = pipeline.execute(raise_on_error=False)
            # Free the pipeline only now: after Ctrl-C or an error, the next caller must not read a
            # response of this one.
            self._free.append(pipeline)
            for answer in answers:
                if isinstance(answer, redis.ResponseError) and "WRONGTYPE" not in str(answer):
                    raise answer
        except not_by_signal(*_FAILURES) as error:
            reason = _reason_of(error)
        else:
            return answers
        message = f"Redis at {self.where}: {reason}"
        raise StoreError(message)


class _SilentPool(redis.ConnectionPool):
    # The repr of some versions of redis-py shows the password.
    __repr__ = object.__repr__


def _maker(url: str, timeout: float) -> tuple[Callable[[], Any], str] | None:
    with suppress(*_FAILURES):
        parts, given = urlsplit(url), redis.connection.parse_url(url)  # type: ignore[no-untyped-call]
        # Python 3.9 rejects an empty query.
        parse_qs(parts.query or "db=0", strict_parsing=True)
        path = parts.path if parts.scheme == "unix" else f"{parts.path.strip('/') or 0}"
        if (
            url.isprintable()
            # An unencoded password would be parsed, and shown, as part of the host or path.
            and not parts.fragment
            and "@" not in parts.path + parts.query
            and (path.startswith("/") if parts.scheme == "unix" else path.isdecimal())
            and not any("ocsp" in name for name in given)
        ):
            options = {
                name: value
                for name, value in given.items()
                if name in _TAKEN or name.startswith("ssl_")
            }
            if "password" in options:
                # redis-py keeps the password in a local variable until Redis responds.
                options["password"] = SecretText(options["password"])
            if parts.scheme == "rediss":
                options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")

            def make() -> Any:
                pool: Any = _SilentPool(
                    protocol=2, retry=None, socket_timeout=timeout,
                    socket_connect_timeout=timeout, **options,
                )  # fmt: skip
                # Old releases of redis-py have a Lock, which a signal may leave acquired. Then the
                # same thread would wait for itself as it releases its connection.
                pool._lock = rlock()
                return redis.Redis(connection_pool=pool).pipeline(transaction=False)

            # redis-py checks some options only when it makes a connection.
            return make, _where(parts.scheme, make().connection_pool.make_connection())
    return None


def _where(scheme: str, connection: Any) -> str:
    if scheme == "unix":
        return f"unix://{connection.path}?db={connection.db}"
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return f"{scheme}://{host}:{connection.port}/{connection.db}"


def _reason_of(error: BaseException) -> str:
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason
    text = str(error)
    if isinstance(error, redis.ResponseError):
        code = text.partition(" ")[0]
        return f"it refuses ({code})" if code in _CODES else "it refuses"
    # These texts come from redis-py and the operating system, not from the server.
    if type(error) is redis.ConnectionError and text.isprintable():
        return text[:200]
    return f"an invalid response ({type(error).__name__})"

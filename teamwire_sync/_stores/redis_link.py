"""Redis through redis-py's client, with errors that may be logged.

A pipeline, with a pool for its one connection, is used by one caller at a time. It is used again
only when all its answers were read. redis-py's pool gives back a connection that Ctrl-C has left
without its answer, which is then read by the next caller. In a forked child, the lock of such a
pool may be held by a thread of the parent.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import parse_qs, urlsplit

import redis

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.secret import SecretText
from teamwire_sync._stores.base import StoreError

if TYPE_CHECKING:
    from teamwire_sync._internal.secret import Secret

# The other options of a URL are left out: some would switch the time-outs off.
_TAKEN = frozenset(
    {"host", "port", "path", "db", "username", "password", "client_name", "connection_class"}
)
_BAD_URL = (
    "url must be such as redis://user:password@host:6379/0, rediss://... or unix:///path?db=0, "
    "with what is special in a password percent-encoded, and TLS options that redis-py knows"
)

_FAILURES = (
    redis.RedisError, OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError,
    MemoryError,
)  # fmt: skip
# What a server says is not repeated: it may hold what it was sent.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (redis.TimeoutError, "no answer in time"),
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
        timeout: Seconds that connecting, and the wait for each piece of an answer, may take.

    Attributes:
        where: The URL without user, password and options.

    Raises:
        ValueError: The URL is bad; the text does not repeat it.
    """

    def __init__(self, url: Secret, timeout: float) -> None:
        made = _maker(url.reveal(), timeout)
        if made is None:
            raise ValueError(_BAD_URL)
        self._make, self.where = made
        self._free: deque[Any] = deque()
        on_fork(self)

    def after_fork(self) -> None:
        """Leave the parent its sockets: that they are closed here tells the server nothing."""
        self._free.clear()

    def run(self, *commands: tuple[Any, ...], atomic: bool = False) -> list[Any]:
        """What the server answers to each of *commands*, in one round trip.

        Where a key holds another kind of value than a command needs, the answer is the error.

        Args:
            commands: Each with its arguments.
            atomic: Whether all of them happen at once, or none.

        Raises:
            StoreError: It could not be asked, or refused.
        """
        try:
            try:
                pipeline = self._free.pop()
            except IndexError:
                pipeline = self._make()
            pipeline.transaction = atomic
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute(raise_on_error=False)
            # Not before: whatever ends this, Ctrl-C too, leaves no answer for those who come next.
            self._free.append(pipeline)
            for answer in answers:
                if isinstance(answer, redis.ResponseError) and "WRONGTYPE" not in str(answer):
                    raise answer
        except _FAILURES as error:
            reason = _reason_of(error)
        else:
            return answers
        message = f"Redis at {self.where}: {reason}"
        raise StoreError(message)


class _SilentPool(redis.ConnectionPool):
    # That of some versions of redis-py shows the password.
    __repr__ = object.__repr__


def _maker(url: str, timeout: float) -> tuple[Callable[[], Any], str] | None:
    with suppress(*_FAILURES):
        parts, given = urlsplit(url), redis.connection.parse_url(url)  # type: ignore[no-untyped-call]
        # Of no query at all, Python 3.9 says that it is a bad one.
        parse_qs(parts.query or "db=0", strict_parsing=True)
        path = parts.path if parts.scheme == "unix" else f"{parts.path.strip('/') or 0}"
        if (
            url.isprintable()
            # A password that is not encoded would be taken, and shown, for a host or a path.
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
                # redis-py has it as a local variable until Redis answers.
                options["password"] = SecretText(options["password"])
            if parts.scheme == "rediss":
                options.setdefault("ssl_check_hostname", options.get("ssl_cert_reqs") != "none")

            def make() -> Any:
                pool: Any = _SilentPool(
                    protocol=2, retry=None, socket_timeout=timeout,
                    socket_connect_timeout=timeout, **options,
                )  # fmt: skip
                return redis.Redis(connection_pool=pool).pipeline()

            # Of the options, redis-py checks some only here.
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
    # No server's words are in these: redis-py makes them of those of the system.
    if type(error) is redis.ConnectionError and text.isprintable():
        return text[:200]
    return f"no answer that makes sense ({type(error).__name__})"

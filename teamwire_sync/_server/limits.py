"""Limits on the time and the number of connections that clients use."""

from __future__ import annotations

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from attrs import frozen

if TYPE_CHECKING:
    import socket

# Bytes of a response to send at once: TLS waits until the client has taken all of them.
_PIECE = 16 * 1024
_TIMED_OUT = "timed out"  # cheroot knows time-outs by this text
ENDED = 0.0
"""A moment in the past, for headers whose end the server no longer awaits."""

# Seconds for the error response to a client that has used all of its time.
_LAST_CHANCE = 0.1

# freezegun replaces `time.monotonic`, but only for some callers: one connection would see two
# clocks. Windows has no other clock.
now: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    if hasattr(time, "clock_gettime")
    else time.monotonic
)


@frozen
class Limits:
    """The limits of a server.

    Attributes:
        connections: The maximum number of connections. One that is idle is closed for a new one; if
            none is idle, the one whose headers arrive for the longest time. If no headers arrive
            slowly, the new one gets 503. Each connection that is not idle needs a thread.
        header_timeout: The seconds for which a client may send the headers of one request, and also
            the seconds until it sends the first byte.
        timeout: The seconds for which a client may send or take nothing in the middle of a request
            or response, and by which it may be later than the minimum rate. They are also the
            seconds for which an idle connection stays open.
        rate: The minimum rate of a body in bytes per second, in both directions.
    """

    connections: int = sys.maxsize
    header_timeout: float = 120.0
    timeout: float = 120.0
    rate: float = 1024.0


class ClientSocket:
    """The socket of a connection, and the time that the client may use.

    A client has `Limits.timeout` seconds. Each second in which the server waits for the client
    takes one, and each other second returns one. Bytes that move in both directions return the time
    that they need at the minimum rate.

    Attributes:
        headers_due_at: The moment at which the headers must have arrived; None outside of headers.
    """

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._socket = sock
        self._limits = limits
        self._left = limits.timeout
        self._counted_at = now()
        self.headers_due_at: float | None = None

    def recv_into(self, buffer: memoryview) -> int:
        """Receive bytes, and return their number."""
        return self.wait_for(self._socket.recv_into, buffer)

    def write(self, data: bytes) -> None:
        """Send all of *data*."""
        self.headers_due_at = None
        self._left = max(self._left, _LAST_CHANCE)
        rest = memoryview(data)
        while rest:
            rest = rest[self.wait_for(self._socket.send, rest[:_PIECE]) :]

    def wait_for(self, operation: Callable[..., int | None], *args: Any) -> int:
        """Call a method of the socket that waits for the client.

        Raises:
            TimeoutError: The client is too slow.
        """
        started = now()
        left = min(self._left + started - self._counted_at, self._limits.timeout)
        allowed = left if self.headers_due_at is None else min(left, self.headers_due_at - started)
        if allowed <= 0:
            raise TimeoutError(_TIMED_OUT)
        self._socket.settimeout(allowed)
        count = 0
        try:
            count = operation(*args) or 0
        finally:
            self._counted_at = now()
            self._left = left - (self._counted_at - started) + count / self._limits.rate
        if self.headers_due_at == ENDED:
            raise TimeoutError(_TIMED_OUT)
        return count

    def _decref_socketios(self) -> None:
        """Do nothing: the connection closes the socket. `socket.SocketIO` calls this."""

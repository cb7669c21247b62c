"""The sandbox as a test uses it: a running server and its controls."""

from __future__ import annotations

import ipaddress
import os
import threading
import time
import warnings
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._internal.validation import plain, require_number
from teamwire_sync._sandbox.controls.door import sandbox_app
from teamwire_sync._sandbox.controls.holds import Hold
from teamwire_sync._sandbox.controls.interceptor import Interceptor
from teamwire_sync._sandbox.controls.live import LiveActivity
from teamwire_sync._sandbox.controls.other_users import OtherUsers
from teamwire_sync._sandbox.controls.request_log import Route, ServedRequest
from teamwire_sync._sandbox.world.database import Database
from teamwire_sync._sandbox.world.files import Files
from teamwire_sync._sandbox.world.world import World
from teamwire_sync._server.web_server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamwire_sync._connection import Connection
    from teamwire_sync._sandbox.controls.faults import Fault

# The limit of one `advance` in seconds, some 300 years: a later date may not exist.
_LONGEST_STEP = 1e10


class Sandbox(OtherUsers):
    """A running local server, created by `teamwire_sync.testing.sandbox`.

    The paths of `count`, `fault` and `hold` have no query. A ``*`` matches one segment:
    ``/v1/bot/chats/*/messages/``.

    Methods that act as another user accept chats, users and groups as objects or by ID. They raise
    LookupError for an ID that does not exist. A change that they make causes an event for the bot.
    The default acting user is the chat's first administrator other than the bot, or else the chat's
    first member.

    Attributes:
        url: The server's URL, for the ``url`` argument of Connection.
        app_id: The bot's App ID.
        secret: The bot's Secret.
        bot_uid: The bot's user ID.
    """

    def __init__(
        self,
        *,
        chats: int = 100,
        seed: int = 0,
        path: str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        live: bool | float = False,
    ) -> None:
        chats = _integer("chats", chats, 0)
        seed = _integer("seed", seed)
        port = _integer("port", port, 0, 65535)
        interval = _interval(live)
        _warn_unless_loopback(host)
        self._advanced = 0.0
        with ExitStack() as exits:
            database = exits.enter_context(closing(Database(path)))
            folder = None if path is None else Path(f"{os.fspath(path)}.files")
            files = exits.enter_context(closing(Files(folder)))
            self._world = World(database, files, self.clock, chats=chats, seed=seed)
            self._interceptor = Interceptor(sandbox_app(), self._world, seed, self)
            self._server = Server(host, port, self._interceptor)
            self._server.start()
            exits.callback(self._server.stop)
            if interval is not None:
                exits.callback(LiveActivity(self._world, self, interval, seed).stop)
            self.url = _url(*self._server.bind_addr)
            self._exits = exits.pop_all()
        self.app_id = self._world.app_id
        self.secret = self._world.secret
        self.bot_uid = self._world.bot_uid

    def close(self) -> None:
        """Release waiting responses, close the Connections from `connect`, and stop the server."""
        self._interceptor.close()
        self._world.events.close()
        self._exits.close()

    def __repr__(self) -> str:
        return f"<Sandbox at {getattr(self, 'url', 'no address')}>"

    @property
    def env(self) -> dict[str, str]:
        """The environment variables for a Connection to this sandbox."""
        return {
            "TEAMWIRE_URL": self.url,
            "TEAMWIRE_APP_ID": self.app_id,
            "TEAMWIRE_SECRET": self.secret,
            "TEAMWIRE_TRANSPORT": "http",
        }

    def connect(self, **kwargs: Any) -> Connection:
        """Return a Connection to this sandbox; closing the sandbox closes the Connection too.

        Args:
            kwargs: The keyword arguments of Connection.
        """
        from teamwire_sync._connection import Connection  # noqa: PLC0415 - the server does not need the client

        connection = Connection(self.app_id, self.secret, self.url, **kwargs)
        self._exits.callback(connection.close)
        return connection

    @property
    def requests(self) -> list[ServedRequest]:
        """The requests so far. A request is recorded before its client receives the response."""
        return self._interceptor.request_log.copy()

    def count(self, method: str, path: str) -> int:
        """Return the number of requests so far with this method and path."""
        route = Route(method, path)
        return sum(route.matches(request.method, request.path) for request in self.requests)

    @property
    def connections(self) -> int:
        """The number of TCP connections accepted so far."""
        return self._server.accepted

    @property
    def waiting(self) -> int:
        """The number of requests that are waiting for an event now."""
        return self._world.events.waiting

    def clock(self) -> float:
        """Return the sandbox's time in seconds since 1970."""
        # No other clock: tools such as freezegun move some clocks and not others.
        return time.time() + self._advanced

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward by this number of seconds."""
        self._advanced += require_number(seconds, "seconds", 0, _LONGEST_STEP)

    def fault(
        self,
        method: str,
        path: str,
        *,
        status: int | None = None,
        times: int | None = None,
        retry_after: float | str | None = None,
        delay: float = 0.0,
        drop: str | None = None,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
        lag: float | None = None,
        since: str | None = None,
        cut: int | None = None,
        chance: float = 1.0,
    ) -> Fault:
        """Make requests with this method and path fail, or change their responses.

        Faults with different effects apply to a request together. The effects are the delay, the
        lag, *since* and the outcome (*status*, *retry_after*, *drop*, *body*, *headers*, *cut*). If
        faults share an effect, the oldest fault applies. The next fault applies to the requests
        that the oldest fault does not affect.

        Args:
            method: The HTTP method.
            path: The path.
            status: The status of the response. The server does not process the request. Without
                *body*, the response is the contract's error for this status.
            times: The number of requests to affect. By default the fault lasts until it is cleared.
            retry_after: The value of the response's Retry-After header.
            delay: The number of real seconds between the processing and the response.
            drop: Close the connection without a response. With "before", the server does not
                process the request. With "after", the server processes the request first.
            body: The response's body: text (sent as HTML), bytes, or a value that JSON can
                represent. Without *status*, the server processes the request and then replaces the
                body of its response.
            headers: The response headers to add or replace. The value None removes a header.
            lag: The number of seconds, by the sandbox's clock, until the list of chats shows a
                change. A request for the changes after a later revision gets no changes, and the
                revision of the list.
            since: The failure of requests for the changes of the list of chats, which have the
                parameter ``since``. The fault does not affect other requests. With "unknown", the
                server refuses the request, because it no longer knows the changes. With "ignored",
                the server sends the whole list, like a server that does not support ``since``. With
                "wrong_total", the number of chats in the response is too large by one.
            cut: The number of bytes of the response's body to send before the connection breaks. A
                body that is not longer is sent completely.
            chance: The probability that the fault affects a request, above 0 and at most 1. The
                sandbox's seed decides: the same requests in the same order are affected again.

        Returns:
            The fault, with ``hits`` and ``clear()``.
        """
        return self._interceptor.faults.add(
            Route(method, path),
            status=status,
            times=times,
            retry_after=retry_after,
            delay=delay,
            drop=drop,
            body=body,
            headers=headers or {},
            lag=lag,
            since=since,
            cut=cut,
            chance=chance,
        )

    def clear_faults(self) -> None:
        """End all faults."""
        self._interceptor.faults.clear()

    def hold(self, method: str, path: str) -> Hold:
        """Hold responses back inside a ``with`` block; the server still processes the requests."""
        return Hold(Route(method, path), self._interceptor.holds)


def _integer(name: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    value = plain(value)
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"{name} must be an integer, not {value!r}"
        raise TypeError(message)
    if (least is not None and value < least) or (most is not None and value > most):
        message = f"{name} is out of range: {value}"
        raise ValueError(message)
    return value


def _interval(live: bool | float) -> float | None:
    live = plain(live)
    if live is False:
        return None
    if not isinstance(live, (int, float)):
        message = f"live must be true, false or a number of seconds, not {live!r}"
        raise TypeError(message)
    if not 0 < live < threading.TIMEOUT_MAX:
        message = f"live is out of range: {live}"
        raise ValueError(message)
    return float(live)


def _warn_unless_loopback(host: str) -> None:
    if not is_loopback(host):
        message = (
            f"the sandbox listens on {host!r}: everyone on that network can reach it. The sandbox"
            " is a tool for developers, without TLS"
        )
        # The fifth frame is the caller of sandbox(): contextlib is in between.
        warnings.warn(message, stacklevel=5)


def _url(host: str, port: int) -> str:
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

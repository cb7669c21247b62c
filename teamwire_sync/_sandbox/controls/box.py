"""The sandbox as a test sees it: a running server and the handles on it."""

from __future__ import annotations

import ipaddress
import threading
import time
import warnings
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._sandbox.app import create_app
from teamwire_sync._sandbox.controls.holds import Hold
from teamwire_sync._sandbox.controls.interceptor import Interceptor
from teamwire_sync._sandbox.controls.live import LiveActivity
from teamwire_sync._sandbox.controls.other_users import OtherUsers
from teamwire_sync._sandbox.controls.request_log import Route, ServedRequest
from teamwire_sync._sandbox.server import Server
from teamwire_sync._sandbox.world.database import Database
from teamwire_sync._sandbox.world.files import Files
from teamwire_sync._sandbox.world.world import World

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from teamwire_sync._connection import Connection
    from teamwire_sync._sandbox.controls.faults import Fault


class Sandbox(OtherUsers):
    """A running local server; made by `teamwire_sync.testing.sandbox`.

    Paths are given without query, and ``*`` stands for one segment: ``/v1/bot/chats/*/messages/``.

    Attributes:
        url: What a Connection takes as ``url``.
        app_id: The bot's App ID.
        secret: The bot's Secret.
        bot_uid: The bot's own user id.
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
        _check_integer("chats", chats, 0)
        _check_integer("seed", seed)
        _check_integer("port", port, 0, 65535)
        interval = _interval(live)
        _warn_unless_loopback(host)
        self._clock_offset = time.time() - time.monotonic()
        with ExitStack() as exits:
            database = exits.enter_context(closing(Database(path)))
            files = exits.enter_context(closing(Files(path)))
            self._world = World(database, files, self.clock, chats=chats, seed=seed)
            self._interceptor = Interceptor(create_app(), self._world, files, seed)
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
        """Let held answers go, close the connections made by `connect`, and stop the server."""
        self._interceptor.close()
        self._world.events.close()
        self._exits.close()

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that lead a Connection here."""
        return {
            "TEAMWIRE_URL": self.url,
            "TEAMWIRE_APP_ID": self.app_id,
            "TEAMWIRE_SECRET": self.secret,
        }

    def connect(self, **kwargs: Any) -> Connection:
        """A Connection to this sandbox, closed with it; keyword arguments are Connection's."""
        from teamwire_sync._connection import Connection  # noqa: PLC0415 - the server does without the client

        connection = Connection(self.app_id, self.secret, self.url, **kwargs)
        self._exits.callback(connection.close)
        return connection

    @property
    def requests(self) -> list[ServedRequest]:
        """The requests so far; a request is here before its client has the answer."""
        return self._interceptor.request_log.copy()

    def count(self, method: str, path: str) -> int:
        """How many requests there were of a method and path."""
        route = Route(method, path)
        return sum(route.matches(request.method, request.path) for request in self.requests)

    @property
    def connections(self) -> int:
        """How many TCP connections were accepted so far."""
        return self._server.accepted

    @property
    def waiting(self) -> int:
        """How many requests wait for an event now."""
        return self._world.events.waiting

    def clock(self) -> float:
        """The sandbox's time in seconds since 1970."""
        return self._clock_offset + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Put the sandbox's clock forward."""
        if seconds < 0:
            message = f"seconds must not be negative: {seconds!r}"
            raise ValueError(message)
        self._clock_offset += seconds

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
        cut: int | None = None,
        chance: float = 1.0,
    ) -> Fault:
        """Let requests of a method and path go wrong.

        Several faults of one path add up if they differ in effect; otherwise the oldest goes first,
        and the next one has its turn with the requests that it spares.

        Args:
            method: The HTTP method.
            path: The path.
            status: Answer with this status, without doing the work. Without *body* it is the
                contract's error.
            times: For so many requests; by default until cleared.
            retry_after: The answer's Retry-After.
            delay: The answer waits for so many real seconds, after the work.
            drop: Close the connection without an answer, "before" or "after" the work.
            body: The answer's body: text (sent as HTML), bytes, or what JSON can hold. Without
                *status* the work is done and its answer gets this body.
            headers: Further headers of the answer; None removes one.
            lag: The list of chats shows a change only after so many seconds of the sandbox's clock.
            cut: The answer breaks off, and the connection with it, after so many bytes of its body,
                if it has more.
            chance: How likely it befalls a request, above 0 and up to 1. The sandbox's seed decides
                by it: the same requests in the same order have the same fate again.

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
            cut=cut,
            chance=chance,
        )

    def clear_faults(self) -> None:
        """End all faults."""
        self._interceptor.faults.clear()

    def hold(self, method: str, path: str) -> Hold:
        """Let answers wait inside a ``with`` block: the work is done, and the answer held back."""
        return Hold(Route(method, path), self._interceptor.holds)


def _check_integer(
    name: str, value: Any, least: int | None = None, most: int | None = None
) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        message = f"{name} must be an integer, not {value!r}"
        raise TypeError(message)
    if (least is not None and value < least) or (most is not None and value > most):
        message = f"{name} is out of range: {value}"
        raise ValueError(message)


def _interval(live: bool | float) -> float | None:
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
            f"the sandbox listens on {host!r}: everybody in that network can reach it. It is a tool"
            " for developers, without TLS"
        )
        # Through sandbox() and its context manager to the caller.
        warnings.warn(message, stacklevel=5)


def _url(host: str, port: int) -> str:
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

"""The gateway as a WSGI application."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, closing, suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Literal

import attrs
from werkzeug.wrappers import Response

from teamwire_sync._composition import (
    check_settings,
    check_transport,
    transport_for,
    vendor_transport,
)
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._gateway import CACHE_TTL, CONNECTIONS
from teamwire_sync._gateway.backend import GatewayBackend
from teamwire_sync._gateway.chat_log import ChatLog
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._gateway.gateway import Gateway
from teamwire_sync._gateway.outcomes import Outcomes
from teamwire_sync._gateway.revisions import Revisions
from teamwire_sync._gateway.state import StateFolder
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._internal.log import logger
from teamwire_sync._server.app import create_app as create_server_app
from teamwire_sync._server.backend import BACKEND_KEY, INCOMING_KEY
from teamwire_sync._server.errors import error_body
from teamwire_sync._server.middleware import CONNECTION_KEY, label, receive_body
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from ipaddress import IPv4Network, IPv6Network

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from teamwire_sync._transport import Transport

_access = logger.getChild("gateway.access")
_PATHS = {name: each.path for name, each in OPERATIONS.items()} | {
    "health": "/health",
    "ready": "/ready",
}
# The log shows no other method: its text comes from a stranger.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_FORKED = (
    "the gateway was created before a fork: create it in the worker (gunicorn without --preload, "
    "uWSGI with --lazy-apps)"
)
_FOREIGN = "connect to the proxy of this gateway, not to the gateway itself"


@attrs.define
class UnreadRequest:
    """A request whose body is not read yet."""

    _exits: ExitStack
    operation: str | None = attrs.field(default=None, init=False)

    def receive(self, environ: WSGIEnvironment) -> bool:
        """Read the body."""
        if self.operation == "list_events" and CONNECTION_KEY in environ:
            # A client that waits for events waits for minutes, and continues at the next gateway.
            environ[CONNECTION_KEY].stream()
        return receive_body(environ, self._exits)


class GatewayApp:
    """The WSGI application.

    Args:
        gateway: The gateway.
        proxies: The addresses and networks of the proxies in front; empty for no proxy.
        observe: As for `create_app`.

    Raises:
        ValueError: An item of *proxies* is not an address.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        proxies: Collection[str] = (),
        observe: Callable[[str, int, float], object] | None = None,
    ) -> None:
        self._gateway = gateway
        self._proxies = networks(proxies)
        self._observe = observe
        self._app = create_server_app("gateway")
        self._process = os.getpid()
        self._exits = ExitStack()

    def __repr__(self) -> str:
        return f"<GatewayApp over {self._gateway.transport!r}>"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Process one request and return the body of its response."""
        return self.answer(environ)(environ, start_response)

    def answer(self, environ: WSGIEnvironment) -> Response:
        """Process one request, and return its response."""
        started = time.monotonic()
        with ExitStack() as exits:
            environ[BACKEND_KEY] = backend = GatewayBackend(self._gateway)
            environ[INCOMING_KEY] = incoming = UnreadRequest(exits)
            if os.getpid() != self._process:
                response = _refusal(500, _FORKED)
            elif not self._take_address(environ):
                response = _refusal(403, _FOREIGN)
            else:
                response = Response.from_app(self._app, environ)
        label(response, environ)
        # Before the first byte is sent: who has a response finds its line.
        self.record(
            response,
            client=backend.client.name if backend.client is not None else "-",
            method=environ["REQUEST_METHOD"],
            operation=incoming.operation,
            seconds=time.monotonic() - started,
        )
        return response

    def record(
        self,
        response: Response,
        *,
        client: str = "-",
        method: str = "-",
        operation: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Log and count a request. The defaults are for one that the web server has refused."""
        _access.info(
            "%s %s %s %d %d ms %s",
            client,
            method if method in _METHODS else "-",
            _PATHS.get(operation or "", "-"),
            response.status_code,
            seconds * 1000,
            response.headers["X-Request-ID"],
        )
        if self._observe is not None:
            self._observe(operation or "none", response.status_code, seconds)

    def end_upstream(self) -> None:
        """End all requests to the upstream, so that the requests to the gateway end. Idempotent."""
        self._gateway.close()

    def close(self) -> None:
        """End all requests to the upstream, and free the state folder. Idempotent."""
        self._exits.close()

    def _take_address(self, environ: WSGIEnvironment) -> bool:
        """Replace the proxy's address by the one that the proxy has seen.

        Returns:
            False if a proxy is set, and the request comes from elsewhere.
        """
        if not self._proxies:
            return True
        address = environ.get("REMOTE_ADDR", "")
        # A Unix socket has no address: only this machine can connect.
        if address and not self._is_proxy(address):
            return False
        seen = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        environ["REMOTE_ADDR"] = seen or address
        return True

    def _is_proxy(self, address: str) -> bool:
        with suppress(ValueError):
            found = ip_address(address)
            found = getattr(found, "ipv4_mapped", None) or found
            return any(found in each for each in self._proxies)
        return False


def networks(addresses: Collection[str]) -> list[IPv4Network | IPv6Network]:
    """Return the networks of addresses and networks.

    Raises:
        ValueError: One of them is no address.
    """
    return [ip_network(each) for each in addresses]


def refuse_itself(transport: Transport, clients: Clients) -> None:
    """Raise if the upstream of a gateway is this gateway.

    A proxy in front may hide that from its URL, but the App ID can't be of another server.

    Raises:
        TWConfigError: The transport has the App ID of one of the clients.
    """
    credentials = getattr(transport, "_credentials", None)
    app_id = getattr(credentials, "app_id", None)
    name = next((each.name for each in clients.all() if each.app_id == app_id), None)
    if name is not None:
        message = (
            f"the upstream is this gateway itself: the App ID is that of its client {name}. Use "
            "the App ID, the Secret and the URL of the upstream, or unset them"
        )
        raise TWConfigError(message)


def _refusal(status: int, message: str) -> Response:
    return Response(error_body(status, message), status, mimetype="application/json")


def create_app(
    transport: Transport | Literal["vendor", "http"] = "vendor",
    *,
    state: str | os.PathLike[str],
    config: ConnectionConfig | None = None,
    proxies: Collection[str] = (),
    observe: Callable[[str, int, float], object] | None = None,
    clock: Callable[[], float] | None = None,
) -> GatewayApp:
    """Return a gateway as a WSGI application, for a server with one process and many threads.

    Create it in the process that serves the requests: no other process can use the same state.
    Its method ``close`` frees the state. The logger ``teamwire_sync.gateway.access`` has a line of
    level INFO for each request.

    Args:
        transport: The upstream: ``"vendor"`` for the vendor's SDK, ``"http"`` for another server of
            the contract, whose URL and credentials come from the environment or the config file, or
            a transport such as `VendorTransport`.
        state: The folder of the clients, the numbers and the outcomes, which only this user can
            open. It is created if it is missing.
        config: The settings of the upstream and of the cache. With ``"http"``, its ``pool_size``
            limits the requests under way, and each program that waits for events needs one. None
            (default): ``ConnectionConfig(cache_ttl=5, pool_size=256)``.
        proxies: The addresses and networks of the proxies in front, for example ``["127.0.0.1"]``.
            The gateway then believes their header ``X-Forwarded-For``, and refuses requests from
            other addresses. Default: no proxy.
        observe: A function that is called after each request, with the name of its operation, the
            status and the seconds until the response began. Default: none.
        clock: The clock of the cache, for tests.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An item of *proxies* is not an address.
        TWConfigError: Another process uses the state, a file of it is unusable, or a setting of the
            upstream is missing or invalid.
    """
    # The gateway's cache is the only one: a store would bring listings of another time.
    if os.environ.get("TEAMWIRE_STORE", "").strip() not in {"", "none"}:
        message = "a gateway keeps the chats itself: unset TEAMWIRE_STORE"
        raise TWConfigError(message)
    check_settings(config, clock)
    check_transport(transport)
    if config is None:
        config = ConnectionConfig(cache_ttl=CACHE_TTL, pool_size=CONNECTIONS)
    with ExitStack() as exits:
        folder = exits.enter_context(closing(StateFolder(state)))
        outcomes = exits.enter_context(closing(Outcomes(folder)))
        revisions = Revisions(Path(folder.path_of("revision")))
        clients = Clients(state)
        if transport == "vendor":
            transport = vendor_transport(None, config.total_timeout)
        elif transport is None or isinstance(transport, str):
            transport = transport_for([], config, named=transport)
        gateway = Gateway(
            transport, ChatLog(revisions), outcomes, clients, config=config, clock=clock
        )
        exits.callback(gateway.close)
        refuse_itself(gateway.transport, clients)
        app = GatewayApp(gateway, proxies=proxies, observe=observe)
        app._exits = exits.pop_all()
    return app

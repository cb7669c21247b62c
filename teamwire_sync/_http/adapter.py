"""The adapter of our own session: it opens connections that end at the deadline of their request.

urllib3 documents no way to choose the class of its connections. A release of urllib3, or a package
that replaces urllib3, may ignore our choice, and then time-outs would not work. So the adapter
checks before its first request that urllib3 uses our classes. If urllib3 does not use them, the
request fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3.util.connection
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from teamwire_sync._http.idle_connections import IdleConnections, is_replaced, own_class
from teamwire_sync._http.sockets import (
    NO_HOST,
    DeadlineConnection,
    DeadlineTlsConnection,
    HTTPConnection,
    OwnConnectionError,
)
from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.secret import SecretText
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.waiting import new_lock
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

    from teamwire_sync._http import socks
else:
    # The module imports PySocks, which only SOCKS proxies need.
    socks = LazyModule("teamwire_sync._http.socks")

# The undocumented names of urllib3, requests and http.client that this package uses, each with the
# effect of its loss. A test checks that the list is complete.
UNDOCUMENTED = {
    "urllib3.connection.HTTPConnection(http.client.HTTPConnection)": "every request fails",
    "urllib3.PoolManager.pool_classes_by_scheme": "every request fails",
    "urllib3.HTTPConnectionPool.ConnectionCls": "every request fails",
    "urllib3.HTTPConnectionPool._new_conn": "every request fails",
    "urllib3.connection.HTTPConnection._new_conn": "every request fails",
    "urllib3.util.connection.allowed_gai_family": "every request fails",
    "urllib3.connection.HTTPSConnection._connect_tls_proxy": (
        "a slow TLS handshake through an HTTPS proxy takes longer than its time-out"
    ),
    "urllib3.HTTPResponse._original_response": (
        "a session that the caller passed keeps the server's cookies"
    ),
    "requests.Response._content": (
        "a response seems empty if an adapter of the caller's session has read it"
    ),
    "requests.Response._content_consumed": (
        "a response seems empty if an adapter of the caller's session has streamed it"
    ),
    "http.client.HTTPConnection.response_class": "a request fails after an interim response (1xx)",
    "http.client.HTTPResponse._read_status": "a request fails after an interim response (1xx)",
}


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = own_class(DeadlineConnection, HTTPConnectionPool)
    QueueCls = IdleConnections


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls: Any = own_class(DeadlineTlsConnection, HTTPSConnectionPool)
    QueueCls = IdleConnections


_POOLS = {"http": _Pool, "https": _TlsPool}


class DeadlineAdapter(HTTPAdapter):
    """Sends requests over connections that end at the deadline of the current request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._pools: list[HTTPConnectionPool] = []
        self._is_checked = False
        super().__init__(*args, **kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Create the manager of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self._use_own_pools(self.poolmanager, _POOLS)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the manager of the connections through *proxy*."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        by_socks = proxy.lower().startswith("socks")
        self._use_own_pools(manager, socks.POOLS if by_socks else _POOLS)
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the headers for *proxy*, with values that no error reporter shows."""
        # http.client keeps the values in local variables until the proxy responds to CONNECT.
        headers = super().proxy_headers(proxy)
        return {name: SecretText(value) for name, value in headers.items()}

    def add_headers(self, request: requests.PreparedRequest, **kwargs: Any) -> None:
        """Check, before the first request, that urllib3 uses our connections.

        The library `requests` calls this method before each request that it sends over a socket.
        Most test libraries that simulate a server do not call this method. The others, such as
        vcrpy, replace the class of the connections, and need no check.

        Raises:
            TWConfigError: urllib3 would use its own connections.
        """
        if not self._is_checked and not is_replaced(HTTPConnectionPool):
            _require_own_connections()
            self._is_checked = True
        super().add_headers(request, **kwargs)

    def close(self) -> None:
        """Close all idle connections."""
        # urllib3 closes a dropped pool only when nothing refers to it, and errors may refer to it.
        for pool in list(self._pools):
            pool.close()
        super().close()

    def _use_own_pools(self, manager: Any, kinds: Mapping[str, Any]) -> None:
        def maker(kind: Any) -> Any:
            def make(*args: Any, **kwargs: Any) -> HTTPConnectionPool:
                pool: HTTPConnectionPool = kind(*args, **kwargs)
                self._pools.append(pool)
                return pool

            return make

        # urllib3 has an RLock of its own here, of which `is_inside` does not know.
        manager.pools.lock = new_lock()
        manager.pool_classes_by_scheme = {scheme: maker(kind) for scheme, kind in kinds.items()}


def _require_own_connections() -> None:
    """Check that urllib3 uses our connections.

    Raises:
        TWConfigError: urllib3 would use its own connections, which have no deadline.
    """
    name = _ignored_name()
    if name is not None:
        release = urllib3.__version__  # type: ignore[attr-defined]
        message = (
            f"urllib3 {release} does not use the connections of teamwire_sync ({name} is missing "
            "or not used), so time-outs would not work: install another release of urllib3 2, and "
            "remove niquests and urllib3-future, which replace urllib3"
        )
        raise TWConfigError(message)


def _ignored_name() -> str | None:
    """Return the first name in `UNDOCUMENTED` that urllib3 does not use, or None."""
    # Compare the names of the modules, because vcrpy replaces the class in http.client.
    if not any(base.__module__ == "http.client" for base in HTTPConnection.__mro__):
        return "http.client"
    if DeadlineTlsConnection.getresponse is not HTTPConnection.getresponse:
        # For HTTP/2, urllib3 reads a response directly from the socket, without http.client.
        return "http.client"
    if not hasattr(urllib3.util.connection, "allowed_gai_family"):
        return "allowed_gai_family"
    manager = DeadlineAdapter().poolmanager
    for scheme, kind in _POOLS.items():
        pool = manager.connection_from_host(NO_HOST, scheme=scheme)
        if type(pool) is not kind:
            return "PoolManager.pool_classes_by_scheme"
        try:
            connection: Any = pool._new_conn()
        except not_by_signal(AttributeError):
            return "HTTPConnectionPool._new_conn"
        if not isinstance(connection, DeadlineConnection):
            return "HTTPConnectionPool.ConnectionCls"
        try:
            connection.connect()
        except OwnConnectionError:
            continue
        except not_by_signal(Exception):
            pass  # this error is not from our connection
        return "HTTPConnection._new_conn"
    return None

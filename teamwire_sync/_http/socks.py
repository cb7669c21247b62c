"""Connections with a deadline through a SOCKS proxy. Importing this module needs PySocks."""

from __future__ import annotations

import time
from typing import Any

from urllib3.contrib.socks import (
    SOCKSConnection,
    SOCKSHTTPConnectionPool,
    SOCKSHTTPSConnection,
    SOCKSHTTPSConnectionPool,
)

from teamwire_sync._http.idle_connections import IdleConnections, own_class
from teamwire_sync._http.sockets import (
    DeadlineConnection,
    DeadlineTlsConnection,
    for_handshake,
    time_left,
)


class _SocksConnection(DeadlineConnection, SOCKSConnection):
    def _new_conn(self) -> Any:
        # PySocks applies `self.timeout` to each read during the negotiation with the proxy.
        self.timeout = time_left(self.timeout)
        ends_at = time.monotonic() + (self.timeout or 0)
        return for_handshake(SOCKSConnection._new_conn(self), self.timeout, ends_at)


class _SocksTlsConnection(DeadlineTlsConnection, SOCKSHTTPSConnection):
    _new_conn = _SocksConnection._new_conn


class _SocksPool(SOCKSHTTPConnectionPool):
    ConnectionCls: Any = own_class(_SocksConnection, SOCKSHTTPConnectionPool)
    QueueCls = IdleConnections


class _SocksTlsPool(SOCKSHTTPSConnectionPool):
    ConnectionCls: Any = own_class(_SocksTlsConnection, SOCKSHTTPSConnectionPool)
    QueueCls = IdleConnections


POOLS = {"http": _SocksPool, "https": _SocksTlsPool}

"""Connections with a deadline through a SOCKS proxy. Importing this module needs PySocks."""

from __future__ import annotations

from typing import Any

from urllib3.contrib.socks import (
    SOCKSConnection,
    SOCKSHTTPConnectionPool,
    SOCKSHTTPSConnection,
    SOCKSHTTPSConnectionPool,
)

from teamwire_sync._http.sockets import DeadlineConnection, DeadlineTlsConnection, time_left


class _SocksConnection(DeadlineConnection, SOCKSConnection):
    def _new_conn(self) -> Any:
        # This is the time-out of each read during the negotiation with the proxy.
        self.timeout = time_left(self.timeout)
        return SOCKSConnection._new_conn(self)


class _SocksTlsConnection(DeadlineTlsConnection, SOCKSHTTPSConnection):
    _new_conn = _SocksConnection._new_conn


class _SocksPool(SOCKSHTTPConnectionPool):
    ConnectionCls: Any = _SocksConnection


class _SocksTlsPool(SOCKSHTTPSConnectionPool):
    ConnectionCls: Any = _SocksTlsConnection


POOLS = {"http": _SocksPool, "https": _SocksTlsPool}

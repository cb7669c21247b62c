"""The classes of urllib3's pools: of their connections, and of their idle connections."""

from __future__ import annotations

import queue
from collections import deque
from typing import Any

from teamwire_sync._internal.signals import not_by_signal


class OwnClass:
    """A class of connections, unless a test library has replaced urllib3's class in its pools.

    Only attributes of the class `HTTPConnectionPool` are replaced, which our pools would hide.

    Args:
        kind: The class of our connections.
    """

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __set_name__(self, owner: Any, _name: str) -> None:
        self._base = owner.__base__

    def __get__(self, _pool: object, _owner: object) -> Any:
        found = self._base.ConnectionCls
        return self._kind if found.__module__.startswith("urllib3") else found


class IdleConnections(queue.LifoQueue[Any]):
    """The idle connections of a pool, the last one first.

    urllib3 uses `queue.LifoQueue`, which is written in Python: Ctrl-C at the wrong moment leaves
    its lock locked forever. This class needs no lock. No thread waits in it, because `HttpClient`
    allows no more requests than the pool has connections. It is a `queue.Queue` only by name: vcrpy
    closes the connections that it takes out of a `queue.Queue`.

    Args:
        maxsize: The maximum number of connections.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._most = maxsize
        self._items: deque[Any] = deque()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Add a connection.

        Raises:
            queue.Full: The pool has *maxsize* connections already. urllib3 closes the new one.
        """
        if len(self._items) >= self._most:
            raise queue.Full
        self._items.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ARG002
        """Return a connection.

        Raises:
            queue.Empty: No connection is idle. urllib3 opens a new one.
        """
        try:
            return self._items.pop()
        except not_by_signal(IndexError):
            raise queue.Empty from None

    def qsize(self) -> int:
        """Return the number of idle connections."""
        return len(self._items)

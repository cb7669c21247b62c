"""The classes of urllib3's pools: of their connections, and of their idle connections."""

from __future__ import annotations

import queue
from collections import deque
from typing import Any

from teamwire_sync._internal.signals import not_by_signal


def is_replaced(pool: Any) -> bool:
    """Return whether a test library has replaced the connections of *pool*, a class of urllib3."""
    return not pool.ConnectionCls.__module__.startswith("urllib3")


def own_class(kind: Any, pool: Any) -> Any:
    """Return an attribute for subclasses of *pool*: *kind*, unless `is_replaced`."""
    return property(lambda _: pool.ConnectionCls if is_replaced(pool) else kind)


# Not LifoQueue[Any]: the class of older releases of eventlet, which replaces this one, refuses it.
class IdleConnections(queue.LifoQueue):  # type: ignore[type-arg]
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

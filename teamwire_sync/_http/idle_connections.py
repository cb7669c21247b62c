"""The idle connections of urllib3's pools."""

from __future__ import annotations

import queue
from collections import deque
from typing import Any

from teamwire_sync._internal.signals import not_by_signal


class IdleConnections:
    """The idle connections of a pool, the last one first.

    urllib3 uses `queue.LifoQueue`, which is written in Python: Ctrl-C at the wrong moment leaves
    its lock locked forever. This class needs no lock. No thread waits in it, because `HttpClient`
    allows no more requests than the pool has connections.

    Args:
        maxsize: The maximum number of connections.
    """

    def __init__(self, maxsize: int) -> None:
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

"""Cancellation of a request by another thread."""

from __future__ import annotations

import socket
from typing import Any

from teamwire_sync._internal.signals import suppress
from teamwire_sync._internal.waiting import rlock


class Canceller:
    """Lets another thread end a request that is waiting for its response."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._is_cancelled = False
        # The lock is an RLock, because a signal handler may call `cancel` while this thread holds
        # the lock.
        self._lock = rlock()

    def attach(self, sock: Any) -> None:
        """Make *sock* the socket that `cancel` shuts down."""
        with self._lock:
            self.detach()
            # Duplicate the descriptor: TLS replaces the connected socket with a new object, and
            # another request may reuse the number of a closed descriptor.
            # Another kind of adapter may read from an object that has no descriptor.
            with suppress(OSError, AttributeError):
                self._sock = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
            if self._is_cancelled:
                self.cancel()

    def detach(self) -> None:
        """Release the socket, which the request no longer uses."""
        with self._lock:
            sock, self._sock = self._sock, None
            if sock is not None:
                sock.close()

    def cancel(self) -> None:
        """Shut the socket down, so that a reader finds the end of the connection.

        A socket that is attached later is shut down at once.
        """
        with self._lock:
            self._is_cancelled = True
            if self._sock is not None:
                with suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)

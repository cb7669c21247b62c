"""Ending a request from another thread."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any


class Canceller:
    """By which another thread ends a request that waits for its answer."""

    def __init__(self) -> None:
        self._sock: socket.socket | None = None
        self._is_cancelled = False
        # A handler of signals may cancel it in the middle of anything here.
        self._lock = threading.RLock()

    def attach(self, sock: Any) -> None:
        """The request goes on by *sock* now."""
        with self._lock:
            self.detach()
            # A descriptor of its own: TLS makes another socket of the one that was connected, and
            # the number of one that was closed may be that of another request by now.
            # What an adapter of another kind reads from may have none.
            with suppress(OSError, AttributeError):
                self._sock = socket.fromfd(sock.fileno(), socket.AF_INET, socket.SOCK_STREAM)
            if self._is_cancelled:
                self.cancel()

    def detach(self) -> None:
        """Let go of the socket, which is not the request's own any more."""
        with self._lock:
            if self._sock is not None:
                self._sock.close()
                self._sock = None

    def cancel(self) -> None:
        """Let the one who reads find the end of the connection."""
        with self._lock:
            self._is_cancelled = True
            if self._sock is not None:
                with suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)

"""Responses that wait until a test releases them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from teamwire_sync._sandbox.controls.request_log import Route


class Hold:
    """A hold on the responses of a route; created by `Sandbox.hold`.

    The server processes and records a held request. Only the response waits. Leaving the ``with``
    block releases the responses.
    """

    def __init__(self, route: Route, holds: set[Hold]) -> None:
        self._route = route
        self._holds = holds
        self._arrived = 0
        self._arrival = threading.Condition()
        self._released = threading.Event()

    def __enter__(self) -> Hold:
        self._holds.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<Hold on {self._route.method} {self._route.path}: {self._arrived} arrived>"

    def wait_arrived(self, count: int = 1, timeout: float = 10) -> None:
        """Wait until this many requests have arrived.

        Args:
            count: The number of requests, including requests that are no longer held.
            timeout: The time-out in seconds.

        Raises:
            TimeoutError: Fewer requests arrived in time.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._arrived >= count, timeout):
                message = (
                    f"{self._arrived} of {count} requests arrived within {timeout} s:"
                    f" {self._route.method} {self._route.path}"
                )
                raise TimeoutError(message)

    def release(self) -> None:
        """Release the held responses, and hold no further responses."""
        self._holds.discard(self)
        self._released.set()

    def wait(self, method: str, path: str) -> None:
        """Block the calling thread until the release, if its request matches the route."""
        if self._route.matches(method, path):
            with self._arrival:
                self._arrived += 1
                self._arrival.notify_all()
            self._released.wait()

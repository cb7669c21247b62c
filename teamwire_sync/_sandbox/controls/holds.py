"""Answers that wait until a test lets them go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from teamwire_sync._sandbox.controls.request_log import Route


class Hold:
    """Holds back the answers to a route's requests; made by `Sandbox.hold`.

    A held request is done and recorded; only its answer waits. Leaving the ``with`` block releases.
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

    def wait_arrived(self, count: int = 1, timeout: float = 10) -> None:
        """Wait until so many requests are held, or have been.

        Raises:
            TimeoutError: They did not come in time.
        """
        with self._arrival:
            if not self._arrival.wait_for(lambda: self._arrived >= count, timeout):
                message = (
                    f"{self._arrived} of {count} requests arrived within {timeout} s:"
                    f" {self._route.method} {self._route.path}"
                )
                raise TimeoutError(message)

    def release(self) -> None:
        """Let the held answers go, and hold no others."""
        self._holds.discard(self)
        self._released.set()

    def wait(self, method: str, path: str) -> None:
        """Keep the calling thread if its request is one of the route's."""
        if self._route.matches(method, path):
            with self._arrival:
                self._arrived += 1
                self._arrival.notify_all()
            self._released.wait()

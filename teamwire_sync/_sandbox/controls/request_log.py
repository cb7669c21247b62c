"""What the sandbox has seen of its clients."""

from __future__ import annotations

import threading
from typing import Any

import attrs


@attrs.frozen
class ServedRequest:
    """A request that the sandbox has seen.

    Args:
        method: The HTTP method.
        path: The path, percent-decoded, without the query.
        query: The parameters; of a repeated one, the last.
        status: The answer's status, None if the connection was dropped.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int | None


@attrs.frozen
class Route:
    """The requests of one method and path, where '*' stands for one segment of the path."""

    method: str
    path: str = attrs.field()

    @path.validator
    def _check_path(self, _: Any, path: str) -> None:
        if not path.startswith("/") or "?" in path:
            message = f"path must begin with '/' and have no query: {path!r}"
            raise ValueError(message)

    def covers(self, method: str, path: str) -> bool:
        """Whether a request is one of these."""
        wanted, segments = self.path.split("/"), path.split("/")
        return (
            method == self.method
            and len(wanted) == len(segments)
            and all(
                want == segment or (want == "*" and segment != "")
                for want, segment in zip(wanted, segments)
            )
        )


class RequestLog:
    """The requests so far, in the order in which their answers were ready."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[ServedRequest] = []

    def add(self, request: ServedRequest) -> None:
        """Record a request."""
        with self._lock:
            self._requests.append(request)

    def all(self) -> list[ServedRequest]:
        """The requests so far."""
        with self._lock:
            return self._requests.copy()

    def count(self, route: Route) -> int:
        """How many requests there were of a route."""
        return sum(route.covers(request.method, request.path) for request in self.all())

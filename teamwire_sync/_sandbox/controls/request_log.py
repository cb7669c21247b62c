"""Records of the requests that the sandbox received."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class ServedRequest:
    """A request that the sandbox received.

    Args:
        method: The HTTP method.
        path: The path, percent-decoded, without the query.
        query: The query's parameters. For a repeated parameter, this is the last value.
        status: The response's status, or None if the connection was dropped.
    """

    method: str
    path: str
    query: dict[str, str]
    status: int | None


@attrs.frozen
class Route:
    """The requests with one method and path; '*' matches one segment of the path."""

    method: str
    path: str = attrs.field()

    @path.validator
    def _check_path(self, _: Any, path: str) -> None:
        if not path.startswith("/") or "?" in path:
            message = f"path must begin with '/' and have no query: {path!r}"
            raise ValueError(message)

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request belongs to the route."""
        wanted, segments = self.path.split("/"), path.split("/")
        return (
            method == self.method
            and len(wanted) == len(segments)
            and all(
                want == segment or (want == "*" and segment != "")
                for want, segment in zip(wanted, segments)
            )
        )

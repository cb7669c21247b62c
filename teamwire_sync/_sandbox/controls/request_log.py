"""What the sandbox has seen of its clients."""

from __future__ import annotations

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

    def matches(self, method: str, path: str) -> bool:
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

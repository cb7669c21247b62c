"""Lists that come page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Generic, TypeVar

from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._transport import Page

T = TypeVar("T")


class Pages(Generic[T]):
    """Reads its items page by page, as they are needed, anew in each loop.

    Args:
        what: What they are, in a word.
        read: Brings the page that begins at a cursor; at None, the first.
        start: Where to begin.
    """

    def __init__(
        self, what: str, read: Callable[[str | None], Page[T]], start: str | None = None
    ) -> None:
        self._what = what
        self._read = read
        self._start = start

    def __iter__(self) -> Iterator[T]:
        cursor = self._start
        seen = {cursor}
        while True:
            page = self._read(cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen:
                message = f"the pages of {self._what} go in a circle: the server repeats a cursor"
                raise TWProtocolError(message)
            seen.add(cursor)

    def __repr__(self) -> str:
        return f"<{self._what}, read page by page in each loop>"

"""Collections that are read page by page."""

from __future__ import annotations

import time
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Callable, Generic, Optional, TypeVar

from teamwire_sync._cache.listing import Listing, ListingRequest
from teamwire_sync._internal.deadlines import within
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._transport import Page, Transport

    # The revision of a page, its chats, and their own revisions.
    _Numbered = tuple[int, Sequence[Chat], Sequence[Optional[int]]]

T = TypeVar("T")

# The limit on pages in a row without a new item. A server sends some such pages if it filters the
# items after it has divided them into pages.
_MOST_EMPTY = 100
# The number of such pages that cost no pause, and the seconds by which each later pause is longer.
_FEW_EMPTY = 10
_PAUSE_STEP = 0.002
# Stands for a revision that the server did not send.
_NONE = -1


class Pages(Generic[T]):
    """An iterable over the items of all pages. Each loop reads the pages again, when it needs them.

    Args:
        what: The name of the items, in the plural.
        read: A function that returns the page at a cursor. None is the cursor of the first page.
        start: The cursor of the first page to read.
        pause: A function that waits for a number of seconds.
    """

    def __init__(
        self,
        what: str,
        read: Callable[[str | None], Page[T]],
        start: str | None = None,
        *,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._pause = pause
        self._what = what
        self._read = read
        self._start = start

    def __iter__(self) -> Iterator[T]:
        cursor = self._start
        seen = {cursor}
        empty = 0
        before: set[T] = set()
        while True:
            page = self._read(cursor)
            yield from page.items
            cursor = page.next_cursor
            if cursor is None:
                return
            items = set(page.items)
            empty = 0 if items - before else empty + 1
            before = items
            if empty > _FEW_EMPTY:
                _rest(self._what, empty, self._pause)
            if cursor in seen:
                message = f"the pages of {self._what} never end: the server repeats a cursor"
                raise TWProtocolError(message)
            seen.add(cursor)

    def __repr__(self) -> str:
        return f"<{self._what}, read page by page in each loop>"


def _rest(what: str, empty: int, pause: Callable[[float], object]) -> None:
    """Pause after *empty* pages in a row without a new item, or raise."""
    if empty >= _MOST_EMPTY:
        message = f"the pages of {what} never end: {empty} pages in a row have nothing new"
        raise TWProtocolError(message)
    pause(_PAUSE_STEP * empty)


def read_listing(
    transport: Transport,
    request: ListingRequest,
    *,
    timeout: float,
    attach: Callable[[Sequence[Chat], Sequence[User], Sequence[Group]], object],
) -> Listing | None:
    """List the chats, or their changes; return None if they match ``request.validator``.

    If the chats change during the listing, all the chats are read again, twice at most. The last
    try counts, without a validator: it may lack chats that moved from a later page to an earlier
    one.

    Args:
        transport: The transport that reads the pages.
        request: The request of this listing. Each page is reported to it.
        timeout: The limit for the whole listing in seconds.
        attach: A callback that binds the chats, users and groups of a page to their services.

    Raises:
        TWTimeoutError: The listing took longer than the limit.
        TWProtocolError: The server sends page after page without a new chat.
    """
    # All the chats may be read after their changes, within the same limit.
    request.ends_at = deadline = request.ends_at or within(request.deadline, timeout)
    validator = request.validator
    # A transport needs no parameter for what the request does not ask.
    asked: dict[str, Any] = {"refresh": True} if request.is_forced else {}
    if request.since is not None:
        asked["since"] = request.since
    for tries_left in (2, 1, 0):
        chats: dict[str, Chat] = {}
        numbered: list[_Numbered] = []
        gone: list[str] = []
        states, empty = set(), 0
        total: int | None = None
        for page in transport.iter_chat_pages(validator=validator, deadline=deadline, **asked):
            if page.not_modified:
                return None
            is_whole = page.gone is None or "since" not in asked
            gone += page.gone or ()
            attach(page.chats, page.users, page.groups)
            before = len(chats)
            found = {chat.tid: chat for chat in page.chats}
            for tid in chats.keys() & found.keys():
                del chats[tid]  # it is on a later page because the bot has been added again
            chats.update(found)
            empty = 0 if len(chats) > before else empty + 1
            count = len(chats) if is_whole else max(page.total or 0, 0)
            # A server may send the number on the first page only.
            total = total if page.total is None else page.total
            # A server may omit an empty `gone`: then its changes look like all the chats.
            is_short = is_whole and page.is_last and total not in {None, count}
            # At the end, the server's number is wrong if chats came or went during the listing.
            total = count if page.is_last and total is not None else total
            request.page(count, total if is_whole or page.is_last else None)
            states.add((page.validator, is_whole))
            floor = _NONE if page.revision is None else page.revision
            highest = max((each for each in page.revisions if each is not None), default=floor)
            # The page shows all changes up to its revision: only a higher number of a chat counts.
            numbered.append((floor, page.chats, page.revisions if highest > floor else ()))
            if tries_left and (len(states) > 1 or (is_short and "since" in asked)):
                break
            if not page.is_last:
                request.check_needed()
                if empty > _FEW_EMPTY:
                    _rest("the chats", empty, transport.pause)
        else:
            validator = page.validator if len(states) == 1 else None
            floor = min(floor for floor, _, _ in numbered)
            newer = _newer(numbered, floor)
            revision = None if floor == _NONE else floor
            if is_whole:
                return Listing(chats, validator, newer, revision)
            return Listing(chats, validator, newer, revision, gone, page.total)
        validator = None
        asked.pop("since", None)
    raise AssertionError  # pragma: no cover  the last try returns


def _newer(numbered: list[_Numbered], lowest: int) -> dict[str, int]:
    """Return the revisions above *lowest* up to which single chats are known, by thread ID."""
    if not any(floor > lowest or numbers for floor, _, numbers in numbered):
        return {}  # as in almost all listings
    revisions = {}
    for floor, chats, numbers in numbered:
        for chat, own in zip_longest(chats, numbers):
            revisions[chat.tid] = floor if own is None or own < floor else own
    return {tid: each for tid, each in revisions.items() if each > lowest}

"""Collections that are read page by page."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Callable, Generic, TypeVar

from teamwire_sync._cache.listing import Listing, ListingRequest
from teamwire_sync._internal.deadlines import within
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._transport import Page, Transport

T = TypeVar("T")

# Stands for a revision that the server did not send.
_NONE = -1


class Pages(Generic[T]):
    """An iterable over the items of all pages. Each loop reads the pages again, when it needs them.

    Args:
        what: The name of the items, in the plural.
        read: A function that returns the page at a cursor. None is the cursor of the first page.
        start: The cursor of the first page to read.
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
                message = f"the pages of {self._what} never end: the server repeats a cursor"
                raise TWProtocolError(message)
            seen.add(cursor)

    def __repr__(self) -> str:
        return f"<{self._what}, read page by page in each loop>"


def read_listing(
    transport: Transport,
    request: ListingRequest,
    *,
    timeout: float,
    attach: Callable[[Sequence[Chat], Sequence[User], Sequence[Group]], object],
) -> Listing | None:
    """List the chats; return None if they match ``request.validator``.

    If the chats change during the listing, all pages are read again, twice at most. The last try
    counts, without a validator: it may lack chats that moved from a later page to an earlier one.

    Args:
        transport: The transport that reads the pages.
        request: The request of this listing. Each page is reported to it.
        timeout: The limit for the whole listing in seconds.
        attach: A callback that binds the chats, users and groups of a page to their services.

    Raises:
        TWTimeoutError: The listing took longer than the limit.
    """
    deadline = within(request.deadline, timeout)
    validator = request.validator
    # Without a forced refresh, a transport needs no such parameter.
    forced = {"refresh": True} if request.is_forced else {}
    for tries_left in (2, 1, 0):
        chats: dict[str, Chat] = {}
        revisions: dict[str, int] = {}
        validators, floors = set(), []
        for page in transport.iter_chat_pages(validator=validator, deadline=deadline, **forced):
            if page.not_modified:
                return None
            attach(page.chats, page.users, page.groups)
            chats.update((chat.tid, chat) for chat in page.chats)
            request.page(len(chats))
            validators.add(page.validator)
            floor = _NONE if page.revision is None else page.revision
            floors.append(floor)
            for chat, own in zip_longest(page.chats, page.revisions):
                # The page shows all changes up to its revision, also of a chat without a number.
                revisions[chat.tid] = floor if own is None or own < floor else own
            if tries_left and len(validators) > 1:
                break
            if not page.is_last:
                request.check_needed()
        else:
            validator = validators.pop() if len(validators) == 1 else None
            floor = min(floors)
            newer = {tid: each for tid, each in revisions.items() if each > floor}
            return Listing(chats, validator, newer, None if floor == _NONE else floor)
        validator = None
    raise AssertionError  # pragma: no cover  the last try returns

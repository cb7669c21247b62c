"""From pages to a listing of all the chats."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from teamwire_sync._cache.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamwire_sync._cache.listing import ListingRequest
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._transport import ChatPage, Transport

    Attach = Callable[[Sequence[Chat], Sequence[User], Sequence[Group]], None]


class _Changed(Exception):  # noqa: N818  it is no error: the pages are to be read again
    """The collection changed between two pages."""


def read_listing(
    transport: Transport, load: ListingRequest, *, timeout: float, attach: Attach
) -> Listing | None:
    """Read all the pages; None when the chats are as ``load.validator`` says.

    A collection that changes while it is read is read again, twice at most. Then the last reading
    counts, without a validator: it may lack what moved from a later page to an earlier one.

    Args:
        transport: Brings the pages.
        load: Is told of each page.
        timeout: Seconds that all of it may take.
        attach: Lets the chats, users and groups of a page act.

    Raises:
        TWTimeoutError: It took longer.
    """
    deadline = time.monotonic() + timeout
    if load.deadline is not None:
        deadline = min(deadline, load.deadline)
    validator = load.validator
    for _ in range(2):
        pages = transport.iter_chat_pages(validator=validator, deadline=deadline)
        try:
            return _read_pages(pages, load, attach, steady=True)
        except _Changed:
            validator = None
    pages = transport.iter_chat_pages(validator=None, deadline=deadline)
    return _read_pages(pages, load, attach, steady=False)


def _read_pages(
    pages: Iterator[ChatPage],
    load: ListingRequest,
    attach: Attach,
    *,
    steady: bool,
) -> Listing | None:
    chats: dict[str, Chat] = {}
    validators = set()
    for page in pages:
        if page.not_modified:
            return None
        attach(page.chats, page.users, page.groups)
        for chat in page.chats:
            chats[chat.tid] = chat
        load.page(len(chats))
        validators.add(page.validator)
        if steady and len(validators) > 1:
            raise _Changed
        if not page.is_last:
            load.go_on()
    return Listing(chats, validators.pop() if len(validators) == 1 else None)

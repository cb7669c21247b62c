"""From pages to a listing of all the chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from teamwire_sync._cache.listing import Listing, ListingRequest
from teamwire_sync._internal.deadlines import within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._transport import Transport


def read_listing(
    transport: Transport,
    request: ListingRequest,
    *,
    timeout: float,
    attach: Callable[[Sequence[Chat], Sequence[User], Sequence[Group]], object],
) -> Listing | None:
    """Read all the pages; None when the chats are as ``request.validator`` says.

    A collection that changes while it is read is read again, twice at most. Then the last reading
    counts, without a validator: it may lack what moved from a later page to an earlier one.

    Args:
        transport: Brings the pages.
        request: Is told of each page.
        timeout: Seconds that all of it may take.
        attach: Lets the chats, users and groups of a page act.

    Raises:
        TWTimeoutError: It took longer.
    """
    deadline = within(request.deadline, timeout)
    validator = request.validator
    for tries_left in (2, 1, 0):
        chats: dict[str, Chat] = {}
        validators = set()
        for page in transport.iter_chat_pages(validator=validator, deadline=deadline):
            if page.not_modified:
                return None
            attach(page.chats, page.users, page.groups)
            chats.update((chat.tid, chat) for chat in page.chats)
            request.page(len(chats))
            validators.add(page.validator)
            if tries_left and len(validators) > 1:
                break
            if not page.is_last:
                request.check_needed()
        else:
            return Listing(chats, validators.pop() if len(validators) == 1 else None)
        validator = None
    raise AssertionError  # pragma: no cover  the last reading counts

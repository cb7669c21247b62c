"""The request and the result of one listing of the chats.

The glossary in `teamwire_sync._cache` defines flight, slot and generation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Callable, Optional

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._models.chats import Chat

Progress = Callable[[int, int, Optional[int]], object]
"""A callback that takes the numbers of pages and of chats received so far, and of all the chats.

The last is None if it is not known.
"""


@define(eq=False, repr=False)
class ListingRequest:
    """The request for one listing, and its progress.

    Attributes:
        validator: The ETag of the known listing; None for an unconditional request.
        since: The revision of the known listing, if only the changes after it are needed; None if
            all the chats are needed.
        is_forced: Whether caches in front of the server must not answer.
        deadline: The moment of `time.monotonic` at which the call has to end, or None.
        ends_at: The moment at which the reading has to end; None before the first page.
        check_needed: A callback that the reader calls before it reads another page. The callback
            raises if nobody needs the listing any more.
        pages: The number of pages received.
    """

    deadline: float | None
    check_needed: Callable[[], None]
    _progress: Progress | None = None
    validator: str | None = None
    since: int | None = None
    is_forced: bool = False
    ends_at: float | None = None
    pages: int = 0

    def page(self, chats: int, total: int | None = None) -> None:
        """Report one more page.

        Args:
            chats: The number of chats received so far.
            total: The number of all the chats; None if it is not known.
        """
        self.pages += 1
        if self._progress is not None:
            self._progress(self.pages, chats, total)


@frozen(eq=False, repr=False)
class Listing:
    """All the chats as the server sent them, or only the changes since a revision.

    Attributes:
        chats: The chats by thread ID, in the server's order. In changes: the chats that are new or
            have changed.
        validator: The ETag for a conditional request; None if the pages have no common ETag.
        revisions: The revisions above `revision` up to which single chats are known, by thread ID.
        revision: The lowest revision of a page: a chat that is missing was missing then. None if
            the server has no revisions.
        gone: In changes: the thread IDs that the bot can't see any more, or could not see for a
            time. None if these are all the chats.
        total: In changes: the number of all the chats after the changes.
    """

    chats: dict[str, Chat]
    validator: str | None = None
    revisions: Mapping[str, int] = field(factory=dict)
    revision: int | None = None
    gone: Sequence[str] | None = None
    total: int | None = None


ReadListing = Callable[[ListingRequest], Optional[Listing]]
"""A function that reads the chats from the server; None means that nothing has changed."""


@frozen
class SlotRevision:
    """The identifier of a listing that processes share through a slot. It contains no chats.

    Attributes:
        body: A random token of the stored chats; each saved listing gets a new token.
        generation: The generation of the slot when the listing was requested.
        asked_at: The time of the request for the listing, or of the last request that found it
            unchanged; seconds on the store's clock.
    """

    body: str
    generation: str
    asked_at: float


@frozen
class Written:
    """The own writes of the processes that share a slot, on a server with revisions.

    Attributes:
        revision: The highest revision of these writes.
        until: The time until which a listing may lack them, on the store's clock or, in
            `CacheState`, on the cache's clock.
    """

    revision: int
    until: float

    def after(self, known: Written | None, now: float) -> Written:
        """Return *known* if it counts at the time *now* and is not lower; otherwise this.

        A lower write does not make *known* count longer: a server that lost its data has lower
        revisions for good.
        """
        counts = known is not None and now < known.until and self.revision <= known.revision
        return known if known is not None and counts else self


@frozen(eq=False, repr=False)
class ConfirmedListing:
    """The last listing that the server confirmed, without the facts.

    Attributes:
        listed: The chats.
        validator: The ETag for a conditional request.
        asked_at: The time just before the request, on the cache's clock.
        revision: The identifier of the listing in the store, with an empty ``body`` until the
            listing is stored; None if no store is used for the listing.
    """

    listed: ChatSnapshot
    validator: str | None
    asked_at: float
    revision: SlotRevision | None = None


@frozen(eq=False, repr=False)
class Freshness:
    """The conditions under which a listing is new enough for a look-up.

    For example, thread A lists the chats. Then somebody else creates a chat, and thread B calls
    with ``refresh=True``. A's listing was requested before B's call, so B must not accept it.

    Attributes:
        newer_than: A flight with this number or a lower number is too old.
        since: A time on the cache's clock. A listing that another process requested at this time or
            earlier is too old.
        urgent: Whether to send a request although another process failed before `since`.
    """

    newer_than: int = -1
    since: float = -math.inf
    urgent: bool = False


ANY = Freshness()

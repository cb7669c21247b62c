"""What the cache and who reads the listing for it tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from attrs import frozen

if TYPE_CHECKING:
    from teamwire_sync._models.chats import Chat

Progress = Callable[[int, int], object]
"""Is told the pages and the chats that have come so far."""


@frozen(eq=False, repr=False)
class Listing:
    """All the chats as the server sent them.

    Attributes:
        chats: The chats by thread ID, in the server's order.
        validator: What a conditional request sends back to ask whether they changed.
    """

    chats: dict[str, Chat]
    validator: str | None = None


class ListingRequest:
    """What a load is told, and whom it tells how far it is.

    Attributes:
        validator: Of the listing that is known; None asks for a listing in any case.
        deadline: The moment of `time.monotonic` at which the load has to end, or None.
        go_on: To be called before each further page; raises when nobody needs the load any more.
    """

    def __init__(
        self,
        *,
        validator: str | None,
        deadline: float | None,
        go_on: Callable[[], None],
        progress: Progress | None,
    ) -> None:
        self.validator = validator
        self.deadline = deadline
        self.go_on = go_on
        self.pages = 0
        self._progress = progress

    def page(self, chats: int) -> None:
        """Report one more page, and *chats* known by now."""
        self.pages += 1
        if self._progress is not None:
            self._progress(self.pages, chats)


Loader = Callable[[ListingRequest], Optional[Listing]]
"""Brings the chats; None when they are as the validator says."""

"""A server that is a dict, and what the tests of the cache do with one."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Callable

import pytest
from attrs import evolve

from teamwire_sync._cache.listing import Listing
from teamwire_sync._internal.deadlines import deadline_of

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest


# All servers and all made-up changes share these numbers, so the last change is always the newest.
_revisions = itertools.count(1)


class ChatServer:
    """Chats in a dict, their version, and what the cache asked for them.

    Attributes:
        asked: The validator of each load.
        asked_since: The revision of each load that asked only for what changed after it, or None.
        error: Is raised instead of an answer.
        on_load: Is called with each load after its answer is made up.
        pages: In how many pages the answer comes.
        has_revisions: Whether its list has them.
        revisions: The last change of each chat that was changed.
        gone: The last time that each chat went, as a revision.
        knows_changes: Whether it answers with the changes alone where it is asked for them.
        spoil: Is given the changes that it is about to send, and returns what it sends instead.
    """

    def __init__(self, *chats: Chat) -> None:
        self._chats = {chat.tid: chat for chat in chats}
        self._version = 0
        self._revision = next(_revisions)
        self.has_revisions = True
        self.revisions = dict.fromkeys(self._chats, self._revision)
        self.gone: dict[str, int] = {}
        self.knows_changes = False
        self.spoil: Callable[[Listing], Listing] = lambda changes: changes
        self.asked: list[str | None] = []
        self.asked_since: list[int | None] = []
        self.error: BaseException | None = None
        self.on_load: Callable[[ListingRequest], object] = lambda load: None
        self.pages = 1

    def put(self, chat: Chat) -> Chat:
        self._chats[chat.tid] = chat
        self._version += 1
        self._revision = self.revisions[chat.tid] = next(_revisions)
        return chat

    def remove(self, tid: str) -> None:
        del self._chats[tid]
        self._version += 1
        self._revision = self.revisions[tid] = self.gone[tid] = next(_revisions)

    @property
    def state(self) -> tuple[dict[str, Chat], int]:
        """The present state of the list, for `go_back`."""
        return dict(self._chats), self._revision

    def go_back(self, state: tuple[dict[str, Chat], int]) -> None:
        """Show an earlier state, like another server that is behind."""
        self._chats, self._revision = state
        self._version += 1

    def read(self, request: ListingRequest) -> Listing | None:
        self.asked.append(request.validator)
        self.asked_since.append(request.since)
        chats, version, error = dict(self._chats), f"v{self._version}", self.error
        revisions = {tid: self.revisions[tid] for tid in chats} if self.has_revisions else {}
        revision = self._revision if self.has_revisions else None
        listing = Listing(chats, version, revisions, revision)
        if self.knows_changes and request.since is not None:
            listing = self.spoil(self._changes(listing, request.since))
        self.on_load(request)
        if error is not None:
            raise error
        if request.validator == version:
            return None
        for page in range(1, self.pages + 1):
            request.page(len(chats))
            if page < self.pages:
                request.check_needed()
        return listing

    def _changes(self, listing: Listing, since: int) -> Listing:
        new = {tid for tid, each in self.revisions.items() if since < each <= self._revision}
        return evolve(
            listing,
            chats={tid: chat for tid, chat in listing.chats.items() if tid in new},
            gone=[tid for tid, each in self.gone.items() if since < each <= self._revision],
            total=len(listing.chats),
        )


def by_tid(cache: ChatCache, tid: str, timeout: float | None = None) -> Chat | None:
    return cache.find(lambda view: view.by_tid.get(tid), deadline_of(timeout))


def by_title(cache: ChatCache, title: str) -> tuple[Chat, ...]:
    return cache.find(lambda view: view.titled(title), None) or ()


def create(cache: ChatCache, chat: Chat, *, revisions: bool = True) -> int | None:
    """Create *chat*, and return the revision. The server's list does not show the chat."""
    with cache.writing() as write:
        write.created(chat, next(_revisions) if revisions else None)
    return write.revision


def change(cache: ChatCache, chat: Chat, *, revisions: bool = True) -> int | None:
    """Change a chat, and return the revision. The server's list does not show the change."""
    with cache.writing() as write:
        write.changed(chat, next(_revisions) if revisions else None)
    return write.revision


def leave(cache: ChatCache, tid: str, *, revisions: bool = True) -> int | None:
    """Leave a chat, and return the revision. The server's list still shows the chat."""
    with cache.writing() as write:
        write.left(tid, next(_revisions) if revisions else None)
    return write.revision


def hear(cache: ChatCache, tid: str, chat: Chat | None, revision: int | None = None) -> None:
    """Apply an event about the state of a chat, by default with the newest revision."""
    cache.on_state(tid, chat, next(_revisions) if revision is None else revision)


def fail_to_create(cache: ChatCache, error: BaseException) -> None:
    with pytest.raises(type(error)), cache.writing():
        raise error

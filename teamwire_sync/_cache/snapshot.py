"""An index of the chats, by thread ID and by title.

The glossary in `teamwire_sync._cache` defines flight, slot and generation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from teamwire_sync._models.chats import UNREADABLE, Chat
from teamwire_sync._models.people import GroupTuple, UserTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@frozen(eq=False, repr=False)
class ChatSnapshot:
    """The chats that look-ups read. A snapshot never changes; a new snapshot replaces it.

    Attributes:
        chats: All the chats.
        by_tid: The chats by thread ID. `UNREADABLE` stands for chats that can't be decoded.
        by_title: The chats by title; a tuple if several chats have the title. Untitled chats have
            no entry.
        fresh_until: The time until which look-ups use the snapshot, on the cache's clock. With a
            store, a later look-up first checks whether another process has written.
        expires_at: The end of the snapshot if no other process has written, on the cache's clock.
        number: The number of the flight that requested the chats from the server; 0 if another
            process requested them.
        store_stamp: The slot's generation, and the latest end of a mark in it, when the chats were
            requested; None without a store.
        revisions: The revisions up to which single chats are known, by thread ID. A chat that
            has no entry is known up to `revision`.
        revision: The revision up to which the chats are complete; None if the server has none.
    """

    chats: tuple[Chat, ...] = ()
    by_tid: dict[str, Chat] = field(factory=dict)
    by_title: dict[str, Chat | tuple[Chat, ...]] = field(factory=dict)
    fresh_until: float = -math.inf
    expires_at: float = -math.inf
    number: int = 0
    store_stamp: tuple[str, float] | None = None
    revisions: Mapping[str, int] = field(factory=dict)
    revision: int | None = None

    @classmethod
    def of(
        cls,
        by_tid: dict[str, Chat],
        revisions: Mapping[str, int] | None = None,
        revision: int | None = None,
    ) -> ChatSnapshot:
        """Return a new snapshot of the chats in *by_tid*. The snapshot is not fresh yet."""
        by_title = _by_title(by_tid.values())
        return cls._made(by_tid, by_title, revisions, revision)

    def shared(self, chats: dict[str, Chat]) -> dict[str, Chat]:
        """Return *chats*, with the objects of their older versions where these are equal.

        Each response has its own objects. If each changed chat kept those, 10,000 changes would
        need many times the memory of a listing, in which a user in 500 chats is one object.

        Args:
            chats: Changed chats by thread ID. Nobody else may have them yet, as they are modified.
        """
        older = [self.by_tid[tid] for tid in chats if tid in self.by_tid]
        # A response has each user once, so comparing objects is faster than comparing references.
        same = {each: each for each in _named_by(older).values()}
        shared = {key: same.get(each, each) for key, each in _named_by(chats.values()).items()}
        fill, make = object.__setattr__, tuple.__new__
        for old in older:
            fill(chats[old.tid], "tid", old.tid)
        for chat in chats.values():
            users = make(UserTuple, [shared[id(each)] for each in chat.users])
            admins = make(UserTuple, [shared[id(each)] for each in chat.admins])
            fill(chat, "users", users or chat.users)
            fill(chat, "admins", admins or chat.admins)
            if chat.groups:
                fill(chat, "groups", make(GroupTuple, [shared[id(each)] for each in chat.groups]))
        return chats

    def changed(
        self,
        chats: Mapping[str, Chat],
        gone: Iterable[str] = (),
        revisions: Mapping[str, int] | None = None,
        revision: int | None = None,
    ) -> ChatSnapshot:
        """Return a new snapshot with changes. It copies both indexes.

        A changed chat keeps its place, and a new chat is at the end.

        Args:
            chats: The chats that are new or have changed, by thread ID.
            gone: The thread IDs that are removed before *chats* are added.
            revisions: See the attribute of this name.
            revision: See the attribute of this name.
        """
        # After a removal, `dict(...)` would take ten times as long as `copy`.
        by_tid, by_title = self.by_tid.copy(), self.by_title.copy()
        old = [by_tid.pop(tid) for tid in gone if tid in by_tid]
        old += [by_tid[tid] for tid in chats if tid in by_tid]
        by_tid.update(chats)
        shared = set()
        for chat in old:
            if chat.title and by_title.get(chat.title) is chat:
                del by_title[chat.title]
            elif chat.title:
                shared.add(chat.title)
        for chat in chats.values():
            if chat.title and by_title.setdefault(chat.title, chat) is not chat:
                shared.add(chat.title)
        if shared:
            tids = {chat.tid for title in shared for chat in self.titled(title) or ()}
            tids.update(chats)
            # In the order of the listing.
            some = [chat for tid, chat in by_tid.items() if tid in tids and chat.title in shared]
            for title in shared:
                by_title.pop(title, None)
            by_title.update(_by_title(some))
        return self._made(by_tid, by_title, revisions, revision)

    @classmethod
    def _made(
        cls,
        by_tid: dict[str, Chat],
        by_title: dict[str, Any],
        revisions: Mapping[str, int] | None,
        revision: int | None,
    ) -> ChatSnapshot:
        chats = tuple(by_tid.values())
        if UNREADABLE in by_tid:
            chats = tuple(chat for chat in chats if chat.tid != UNREADABLE)
        return cls(chats, by_tid, by_title, revisions=revisions or {}, revision=revision)

    def revision_of(self, tid: str) -> int | None:
        """Return the revision up to which a chat is known, even if the snapshot lacks the chat."""
        return self.revisions.get(tid, self.revision)

    def titled(self, title: str) -> tuple[Chat, ...] | None:
        """Return the chats with this title, or None."""
        found = self.by_title.get(title)
        return found if found is None or isinstance(found, tuple) else (found,)

    def until(self, expires_at: float, check_at: float = math.inf) -> ChatSnapshot:
        """Return the same chats, fresh until the earlier of *expires_at* and *check_at*."""
        return evolve(self, fresh_until=min(expires_at, check_at), expires_at=expires_at)


def _by_title(chats: Iterable[Chat]) -> dict[str, Any]:
    by_title: dict[str, Any] = {}
    repeated: dict[str, list[Chat]] = {}
    for chat in chats:
        title = chat.title
        # A unique title has no tuple, because the garbage collector would visit each tuple.
        if title and by_title.setdefault(title, chat) is not chat:
            repeated.setdefault(title, [by_title[title]]).append(chat)
    by_title.update((title, tuple(chats)) for title, chats in repeated.items())
    return by_title


def _named_by(chats: Iterable[Chat]) -> dict[int, Any]:
    """Return the users and groups of *chats* by ``id()``."""
    return {id(each): each for chat in chats for each in (*chat.users, *chat.groups, *chat.admins)}

"""An index of the chats, by thread ID and by title."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from teamwire_sync._models.chats import Chat

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(eq=False, repr=False)
class ChatSnapshot:
    """The chats that look-ups read. Never changed; the next one replaces it.

    Attributes:
        chats: All the chats.
        by_tid: The same by thread ID.
        by_title: The same by title, a tuple where several have it; untitled chats are in no entry.
        fresh_until: Until when look-ups take it, on the cache's clock. With a store, until the next
            look whether another process has written.
        expires_at: Until when it answers if no other process has written.
        number: That of the flight that asked the server for it; 0 where another process asked.
        store_generation: The store's generation when the server was asked; None without a store.
    """

    chats: tuple[Chat, ...] = ()
    by_tid: Mapping[str, Chat] = field(factory=dict)
    by_title: Mapping[str, Chat | tuple[Chat, ...]] = field(factory=dict)
    fresh_until: float = -math.inf
    expires_at: float = -math.inf
    number: int = 0
    store_generation: str | None = None

    @classmethod
    def of(cls, by_tid: dict[str, Chat]) -> ChatSnapshot:
        """Index the chats in *by_tid* by title too; the snapshot is not fresh yet."""
        by_title: dict[str, Any] = {}
        repeated: dict[str, list[Chat]] = {}
        for chat in by_tid.values():
            title = chat.title
            # No tuple around each: the garbage collector would go through all of them.
            if title and by_title.setdefault(title, chat) is not chat:
                repeated.setdefault(title, [by_title[title]]).append(chat)
        by_title.update((title, tuple(chats)) for title, chats in repeated.items())
        return cls(tuple(by_tid.values()), by_tid, by_title)

    def titled(self, title: str) -> tuple[Chat, ...] | None:
        """The chats that have *title*, or None."""
        found = self.by_title.get(title)
        return (found,) if isinstance(found, Chat) else found

    def until(self, expires_at: float, check_at: float = math.inf) -> ChatSnapshot:
        """The same chats, fresh until *expires_at*, or until *check_at* if that comes before."""
        return evolve(self, fresh_until=min(expires_at, check_at), expires_at=expires_at)

"""What a listing becomes: both indexes, and the own writes that it does not show yet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from teamwire_sync._models import Chat


@frozen(eq=False)
class View:
    """What look-ups read. Never changed: the next one takes its place.

    Attributes:
        chats: All the chats.
        by_tid: The same by thread ID.
        by_title: The same by title; those without one are in no entry.
        deadline: Until when it is fresh, on the cache's clock.
    """

    chats: tuple[Chat, ...] = ()
    by_tid: Mapping[str, Chat] = field(factory=dict)
    by_title: Mapping[str, tuple[Chat, ...]] = field(factory=dict)
    deadline: float = -math.inf

    @classmethod
    def of(cls, chats: Iterable[Chat]) -> View:
        """Index *chats*; the view is not fresh yet."""
        chats = tuple(chats)
        by_title: dict[str, tuple[Chat, ...]] = {}
        repeated: dict[str, list[Chat]] = {}
        for chat in chats:
            title = chat.title
            if not title:
                continue
            if title in by_title:
                repeated.setdefault(title, list(by_title[title])).append(chat)
            else:
                by_title[title] = (chat,)
        by_title.update((title, tuple(same)) for title, same in repeated.items())
        return cls(chats, {chat.tid: chat for chat in chats}, by_title)

    def until(self, deadline: float) -> View:
        """The same chats, fresh until *deadline*."""
        return evolve(self, deadline=deadline)


@frozen(eq=False)
class OwnChat:
    """A chat that we made and that the listing may not show yet.

    Attributes:
        chat: As the server answered the write.
        expires_at: When the listing is right without it, on the cache's clock.
    """

    chat: Chat
    expires_at: float


def merge(listed: View, overlay: Mapping[str, OwnChat]) -> View:
    """*listed* with the own chats that it lacks at its end.

    The listing's version of a chat wins: it is the newer one.
    """
    missing = [own.chat for tid, own in overlay.items() if tid not in listed.by_tid]
    return View.of((*listed.chats, *missing)) if missing else listed

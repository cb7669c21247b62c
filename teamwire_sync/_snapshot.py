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
class OwnWrite:
    """What a write of ours made of one chat, which the listing may not show yet.

    Attributes:
        chat: As the server answered the write; None when we left it.
        supersedes: What the chat was before: a listing that shows one of these is behind.
        is_new: Whether we made the chat, so that a listing without it is behind.
        expires_at: When the listing is right whatever it shows, on the cache's clock.
    """

    chat: Chat | None
    supersedes: tuple[Chat, ...]
    is_new: bool
    expires_at: float

    def shown_for(self, listed: Chat | None) -> Chat | None:
        """What look-ups are to find where the listing has *listed*."""
        if self.chat is None:
            return None
        if listed is None:
            return self.chat if self.is_new else None
        return self.chat if listed in self.supersedes else listed


def merge(listed: View, overlay: Mapping[str, OwnWrite]) -> View:
    """*listed* with the own writes that it is behind; new chats are at its end."""
    changed = {}
    for tid, own in overlay.items():
        before = listed.by_tid.get(tid)
        shown = own.shown_for(before)
        if shown is not before:
            changed[tid] = shown
    if not changed:
        return listed
    chats = [changed.pop(chat.tid, chat) for chat in listed.chats]
    return View.of(chat for chat in (*chats, *changed.values()) if chat is not None)

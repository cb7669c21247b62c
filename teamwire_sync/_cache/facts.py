"""Own writes that a listing may not show yet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from teamwire_sync._cache.snapshot import ChatSnapshot

if TYPE_CHECKING:
    from teamwire_sync._models.chats import Chat


class Write:
    """A write in progress; see `ChatCache.writing`."""

    tid: str | None = None
    chat: Chat | None = None
    before: Chat | None = None
    is_new = False

    def created(self, chat: Chat) -> None:
        """The server has made *chat*."""
        self.tid, self.chat, self.is_new = chat.tid, chat, True

    def changed(self, before: Chat | None, after: Chat) -> None:
        """The server has changed *before*, where that is known, into *after*."""
        self.tid, self.chat, self.before = after.tid, after, before

    def left(self, tid: str) -> None:
        """The bot is no longer in the chat *tid*."""
        self.tid = tid


@frozen(eq=False, repr=False)
class Fact:
    """The state of one chat after an own write.

    Attributes:
        chat: The server's answer to the write; None when the bot left.
        supersedes: What the chat was before, and until when a listing may show that: one that does
            is behind.
        is_new: Whether the write made the chat, so that a listing without it is behind.
        expires_at: When the listing is right whatever it shows, on the cache's clock.
        is_echoed: Whether an event has told of this write.
    """

    chat: Chat | None
    supersedes: tuple[tuple[Chat, float], ...]
    is_new: bool
    expires_at: float
    is_echoed: bool = False

    def is_past(self, chat: Chat | None) -> bool:
        """Whether *chat* is what the chat was before."""
        return any(chat == past for past, _ in self.supersedes)

    def shown_for(self, listed: Chat | None) -> Chat | None:
        """Return the chat that look-ups show where the listing has *listed*."""
        if self.chat is None:
            return None
        if listed is None:
            return self.chat if self.is_new else None
        return self.chat if self.is_past(listed) else listed


class Facts:
    """The facts of all chats. `CacheState` calls all of it under its lock.

    Attributes:
        by_tid: The facts by thread ID.
    """

    def __init__(self, by_tid: dict[str, Fact] | None = None) -> None:
        self.by_tid = by_tid or {}

    def live(self, now: float) -> Facts:
        """Return the facts that a listing asked for *now* may not show yet."""
        return Facts({tid: each for tid, each in self.by_tid.items() if now < each.expires_at})

    @property
    def expires_at(self) -> float:
        """When the first of them expires."""
        return min((each.expires_at for each in self.by_tid.values()), default=math.inf)

    def record(
        self, write: Write, listed: ChatSnapshot | None, *, now: float, expires_at: float
    ) -> None:
        """Add what *write* made of a chat.

        Args:
            write: Has ended.
            listed: The last listing.
            now: When it ended, on the cache's clock.
            expires_at: When the listing is right whatever it shows.
        """
        if write.tid is None:
            return
        past: list[tuple[Chat | None, float]] = []
        is_new, earlier = write.is_new, self.by_tid.get(write.tid)
        if not write.is_new:
            before = None if listed is None else listed.by_tid.get(write.tid)
            past += [(write.before, expires_at), (before, expires_at)]
        if earlier is not None:
            # Those that no listing shows any more would pile up in a program that writes often.
            past += [(chat, until) for chat, until in earlier.supersedes if now < until]
            past.append((earlier.chat, expires_at))
            is_new = is_new or (earlier.is_new and write.chat is not None)
        # The present state is no past state, even if the chat has been in it before.
        supersedes: dict[int, tuple[Chat, float]] = {}
        for chat, until in past:
            if chat is not None and chat != write.chat:
                supersedes.setdefault(id(chat), (chat, until))
        self.by_tid[write.tid] = Fact(write.chat, tuple(supersedes.values()), is_new, expires_at)

    def on_not_found(self, tid: str) -> None:
        """The server says that there is no chat *tid*."""
        fact = self.by_tid.get(tid)
        # For a chat that we left, 404 is expected, and the listing may still show the chat.
        if fact is not None and fact.chat is not None:
            del self.by_tid[tid]

    def on_event(
        self, tid: str, chat: Chat | None, shown: ChatSnapshot | None, *, is_own: bool
    ) -> bool:
        """An event says that the chat *tid* is *chat* now, or gone.

        Args:
            tid: The chat.
            chat: The chat, or None when it is gone.
            shown: What look-ups read; None where that is not fresh.
            is_own: Whether the bot did it.

        Returns:
            False for an event that the facts know already.
        """
        fact = self.by_tid.get(tid)
        if fact is not None:
            if is_own and fact.chat == chat:
                self.by_tid[tid] = fact = evolve(fact, is_echoed=True)
            # Events are ordered: a change by others after our write's echo is newer than our write.
            is_undone = fact.is_echoed and not is_own
            # An event from before our last write is no news, unless look-ups show what somebody
            # made of the chat since then: this may undo that.
            shows_another = shown is not None and shown.by_tid.get(tid) != fact.chat
            is_known = fact.chat == chat or fact.is_past(chat)
            if is_known and not is_undone and not shows_another:
                return False
            if chat is None or is_undone:
                del self.by_tid[tid]
        return True

    def merge(self, listed: ChatSnapshot) -> ChatSnapshot:
        """*listed* with the facts that it does not show; new chats are at its end."""
        changed = {}
        for tid, fact in self.by_tid.items():
            before = listed.by_tid.get(tid)
            shown = fact.shown_for(before)
            if shown is not before:
                changed[tid] = shown
        if not changed:
            return listed
        chats = {tid: changed.pop(tid, chat) for tid, chat in listed.by_tid.items()}
        shown_chats = {**chats, **changed}
        return ChatSnapshot.of({t: chat for t, chat in shown_chats.items() if chat is not None})

"""Facts: this Connection's own writes that a listing may not show yet.

The server's list of the chats may not contain the latest writes yet. For example, thread A creates
a chat. Then thread B lists the chats, and the list does not contain the new chat yet. Without a
fact, B would not find A's chat.

The glossary in `teamwire_sync._cache` defines fact and view.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from teamwire_sync._cache.snapshot import ChatSnapshot

if TYPE_CHECKING:
    from teamwire_sync._models.chats import Chat


class Write:
    """A write in progress, and its result; see `ChatCache.writing`."""

    tid: str | None = None
    chat: Chat | None = None
    before: Chat | None = None
    is_new = False

    def created(self, chat: Chat) -> None:
        """Record that the server has created a chat."""
        self.tid, self.chat, self.is_new = chat.tid, chat, True

    def changed(self, before: Chat | None, after: Chat) -> None:
        """Record that the server has changed a chat.

        Args:
            before: The chat before the change; None if unknown.
            after: The chat after the change.
        """
        self.tid, self.chat, self.before = after.tid, after, before

    def left(self, tid: str) -> None:
        """Record that the bot has left this chat."""
        self.tid = tid


@frozen(eq=False, repr=False)
class Fact:
    """The state of one chat after an own write.

    A fact lasts for `own_write_grace` after the write. It does not end when a listing shows the
    write, because the next listing may come from another server that does not show the write yet.

    Attributes:
        chat: The chat in the server's response to the write; None when the bot left the chat.
        supersedes: The earlier states of the chat, each with the time until which a listing may
            show it. A listing that shows an earlier state does not show the write yet.
        is_new: Whether the write created the chat. If so, a listing without the chat does not show
            the write yet.
        expires_at: The end of the fact, on the cache's clock. The cache does not merge the fact
            into a listing requested at this time or later.
        is_echoed: Whether an event has reported this write.
    """

    chat: Chat | None
    supersedes: tuple[tuple[Chat, float], ...]
    is_new: bool
    expires_at: float
    is_echoed: bool = False

    def is_past(self, chat: Chat | None) -> bool:
        """Return whether *chat* equals an earlier state of this fact's chat."""
        return any(chat == past for past, _ in self.supersedes)

    def shown_for(self, listed: Chat | None) -> Chat | None:
        """Return the chat that look-ups show; None if they don't find the chat.

        If the listing shows an earlier state, it does not show the write yet. Any other state in
        the listing is at least as new as the write, so look-ups show that state.

        Args:
            listed: The chat in the listing; None if the listing does not have the chat.
        """
        if self.chat is None:
            return None
        if listed is None:
            return self.chat if self.is_new else None
        return self.chat if self.is_past(listed) else listed


class Facts:
    """The facts of all chats. `CacheState` uses them under its lock, or uses a copy.

    Attributes:
        by_tid: The facts by thread ID.
    """

    def __init__(self, by_tid: dict[str, Fact] | None = None) -> None:
        self.by_tid = by_tid or {}

    def live(self, now: float) -> Facts:
        """Return the facts that have not expired: a listing requested at *now* may lack them."""
        return Facts({tid: each for tid, each in self.by_tid.items() if now < each.expires_at})

    @property
    def expires_at(self) -> float:
        """The time at which the first fact expires; infinity without facts."""
        return min((each.expires_at for each in self.by_tid.values()), default=math.inf)

    def record(
        self, write: Write, listed: ChatSnapshot | None, *, now: float, expires_at: float
    ) -> None:
        """Add the fact of a write, if the write has a result.

        Args:
            write: A write that has ended.
            listed: The last listing, or None.
            now: The end of the write, on the cache's clock.
            expires_at: The end of the fact, on the cache's clock.
        """
        if write.tid is None:
            return
        past: list[tuple[Chat | None, float]] = []
        is_new, earlier = write.is_new, self.by_tid.get(write.tid)
        if not write.is_new:
            before = None if listed is None else listed.by_tid.get(write.tid)
            past += [(write.before, expires_at), (before, expires_at)]
        if earlier is not None:
            # Without the time limit, the number of states would grow without end in a program that
            # writes often.
            past += [(chat, until) for chat, until in earlier.supersedes if now < until]
            past.append((earlier.chat, expires_at))
            is_new = is_new or (earlier.is_new and write.chat is not None)
        # If a write restores an earlier state, that state is the present one.
        supersedes: dict[int, tuple[Chat, float]] = {}
        for chat, until in past:
            if chat is not None and chat != write.chat:
                supersedes.setdefault(id(chat), (chat, until))
        self.by_tid[write.tid] = Fact(write.chat, tuple(supersedes.values()), is_new, expires_at)

    def on_not_found(self, tid: str) -> None:
        """Drop the fact of this chat after a 404, unless the bot has left the chat."""
        fact = self.by_tid.get(tid)
        # After the bot has left the chat, a 404 is expected. Keep the fact, because a listing may
        # still show the chat.
        if fact is not None and fact.chat is not None:
            del self.by_tid[tid]

    def on_event(
        self, tid: str, chat: Chat | None, shown: ChatSnapshot | None, *, is_own: bool
    ) -> bool:
        """Apply an event, and return whether it is news, so that the view may have to expire.

        An event is not news if it repeats the fact, or if it reports an earlier state. For example,
        thread A renames a chat twice. After the second rename has ended, thread B receives the
        event of the first rename. This event must not make the view expire.

        Two kinds of news end the fact. Either the chat no longer exists, or others have
        changed the chat after the event that reported our write.

        Args:
            tid: The thread ID.
            chat: The chat that the event reports, or None if the chat is gone.
            shown: The snapshot that look-ups read; None if it is not fresh.
            is_own: Whether the bot caused the event.
        """
        fact = self.by_tid.get(tid)
        if fact is not None:
            if is_own and fact.chat == chat:
                self.by_tid[tid] = fact = evolve(fact, is_echoed=True)
            # Events arrive in order. If a change by others arrives after the event that reports our
            # write, the change is newer than our write.
            is_undone = fact.is_echoed and not is_own
            # An event that repeats the fact or an earlier state is not news. There is one
            # exception: look-ups show a later change by others, and this event may undo that
            # change.
            shows_another = shown is not None and shown.by_tid.get(tid) != fact.chat
            is_known = fact.chat == chat or fact.is_past(chat)
            if is_known and not is_undone and not shows_another:
                return False
            if chat is None or is_undone:
                del self.by_tid[tid]
        return True

    def merge(self, listed: ChatSnapshot) -> ChatSnapshot:
        """Return *listed* with the writes that it does not show yet. New chats are at the end."""
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

"""Facts: what the server has said about single chats, apart from listings.

A server's list may not show the latest changes yet. Thread A creates a chat; thread B lists the
chats, and the list does not have the new chat yet. Without a fact, B would not find A's chat.

Responses may arrive in another order than the changes happened. Thread A adds a member; thread B
adds another one; A's response arrives last, without B's member. So every statement of the server
has a revision, and the highest revision counts.

The glossary in `teamwire_sync._cache` defines fact and view.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from teamwire_sync._cache.snapshot import ChatSnapshot
    from teamwire_sync._models.chats import Chat

# The maximum number of facts. Beyond it, the oldest facts are dropped, own creations last.
_MOST = 4096


class Write:
    """A write in progress, and its result; see `ChatCache.writing`.

    Attributes:
        tid: The thread ID of the chat that the server has changed; None without a result.
        chat: The chat after the change; None if the bot has left it.
        revision: The revision of the change; None if the server has no revisions.
        is_created: Whether the write created the chat.
        view: The view before the write, which comes back if the write has changed nothing.
        empty: The empty view that replaced it. If another view has replaced `empty`, `view` does
            not come back.
        mark: The token of the write's mark in a store; None without one.
    """

    tid: str | None = None
    chat: Chat | None = None
    revision: int | None = None
    is_created = False
    view: ChatSnapshot
    empty: ChatSnapshot | None = None
    mark: str | None = None

    def created(self, chat: Chat, revision: int | None) -> None:
        """Record that the server has created a chat, or returned an existing one."""
        self.tid, self.chat, self.revision, self.is_created = chat.tid, chat, revision, True

    def changed(self, chat: Chat, revision: int | None) -> None:
        """Record that the server has changed a chat."""
        self.tid, self.chat, self.revision = chat.tid, chat, revision

    def left(self, tid: str, revision: int | None) -> None:
        """Record that the bot has left this chat."""
        self.tid, self.revision = tid, revision


@frozen(eq=False, repr=False)
class Fact:
    """The state of one chat in a response or an event.

    A fact does not end when a listing shows it: the next listing may come from another server,
    whose list is even older.

    Attributes:
        chat: The chat; None if the bot is not in the chat any more.
        revision: The revision of the chat's last change; None if the server has no revisions.
        expires_at: The end of the fact, on the cache's clock. The cache does not merge the fact
            into a listing requested at this time or later.
        is_created: Whether a write of this Connection created the chat.
    """

    chat: Chat | None
    revision: int | None
    expires_at: float
    is_created: bool = False

    def is_newer_than(self, tid: str, listed: ChatSnapshot) -> bool:
        """Return whether look-ups show this fact, and not the state in *listed*.

        Without revisions, only one case is certain: if this Connection has created the chat, a
        listing without the chat is too old.
        """
        known = listed.revision_of(tid)
        if self.revision is None or known is None:
            return self.is_created and tid not in listed.by_tid
        return self.revision > known


class Facts:
    """The facts of all chats. An object never changes; a new object replaces it.

    Attributes:
        by_tid: The facts by thread ID, the oldest first.
    """

    def __init__(self, by_tid: dict[str, Fact] | None = None) -> None:
        self.by_tid = by_tid or {}

    def live(self, asked_at: float) -> Facts:
        """Return the facts that may be missing from a listing requested at the time *asked_at*."""
        return Facts({tid: each for tid, each in self.by_tid.items() if asked_at < each.expires_at})

    def against(self, listed: ChatSnapshot) -> Facts:
        """Return the facts that are newer than the states in *listed*."""
        return Facts(
            {tid: each for tid, each in self.by_tid.items() if each.is_newer_than(tid, listed)}
        )

    @property
    def expires_at(self) -> float:
        """The time at which the first fact expires; infinity without facts."""
        return min((each.expires_at for each in self.by_tid.values()), default=math.inf)

    def noted(self, tid: str, fact: Fact) -> Facts:
        """Return these facts and *fact*. Of two facts about a chat, the higher revision counts.

        Without revisions, the last response counts. Then only a chat that this Connection has
        created needs a fact.
        """
        by_tid = dict(self.by_tid)
        known = by_tid.pop(tid, None)
        if known is not None:
            is_created = fact.is_created or known.is_created
            if fact.revision is not None and (known.revision or 0) > fact.revision:
                fact = known
            # A listing without revisions may lack the chat, also after later changes.
            fact = evolve(fact, is_created=is_created and fact.chat is not None)
        if fact.is_created or fact.revision is not None:
            by_tid[tid] = fact
        if len(by_tid) > _MOST:
            # Thousands of events must not hide a chat that this Connection has just created.
            others = (each for each in by_tid if not by_tid[each].is_created)
            del by_tid[next(others, next(iter(by_tid)))]
        return Facts(by_tid)

    def merge(self, listed: ChatSnapshot) -> ChatSnapshot:
        """Return *listed* with the facts that are newer. New chats are at the end."""
        newer = self.against(listed).by_tid
        if not newer:
            return listed
        # A chat without a revision is older than each event with one.
        revisions = {tid: fact.revision or 0 for tid, fact in newer.items()}
        return listed.changed(
            {tid: fact.chat for tid, fact in newer.items() if fact.chat is not None},
            [tid for tid, fact in newer.items() if fact.chat is None],
            {**listed.revisions, **revisions},
            listed.revision,
        )

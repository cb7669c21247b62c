"""The own writes of the list of chats, which a listing may not show yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from teamwire_sync._cache.snapshot import ChatSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from teamwire_sync._models.chats import Chat


class Write:
    """A write under way; see `ExpiringView.writing`."""

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
    """What a write of ours made of one chat, which the listing may not show yet.

    Attributes:
        chat: As the server answered the write; None when we left it.
        supersedes: What the chat was before, and until when a listing may show that: one that does
            is behind.
        is_new: Whether we made the chat, so that a listing without it is behind.
        expires_at: When the listing is right whatever it shows, on the cache's clock.
        is_echoed: Whether the server has told of this write by itself.
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
        """What look-ups are to find where the listing has *listed*."""
        if self.chat is None:
            return None
        if listed is None:
            return self.chat if self.is_new else None
        return self.chat if self.is_past(listed) else listed


def own_write(
    write: Write,
    tid: str,
    earlier: Fact | None,
    listed: ChatSnapshot | None,
    *,
    now: float,
    expires_at: float,
) -> Fact:
    """What *write* made of the chat *tid*.

    Args:
        write: Has ended.
        tid: The chat.
        earlier: The write of ours before, if it is still remembered.
        listed: The last listing.
        now: When it ended, on the cache's clock.
        expires_at: When the listing is right whatever it shows.
    """
    past: list[tuple[Chat | None, float]] = []
    is_new = write.is_new
    if not write.is_new:
        before = None if listed is None else listed.by_tid.get(tid)
        past += [(write.before, expires_at), (before, expires_at)]
    if earlier is not None:
        # Those that no listing shows any more would pile up in a program that writes often.
        past += [(chat, until) for chat, until in earlier.supersedes if now < until]
        past.append((earlier.chat, expires_at))
        is_new = is_new or (earlier.is_new and write.chat is not None)
    # What it is now is not its past, even if it once was.
    supersedes: dict[int, tuple[Chat, float]] = {}
    for chat, until in past:
        if chat is not None and chat != write.chat:
            supersedes.setdefault(id(chat), (chat, until))
    return Fact(write.chat, tuple(supersedes.values()), is_new, expires_at)


def live(overlay: Mapping[str, Fact], now: float) -> dict[str, Fact]:
    """Those that a listing asked for *now* may not show yet."""
    return {tid: own for tid, own in overlay.items() if now < own.expires_at}


def merge(listed: ChatSnapshot, overlay: Mapping[str, Fact]) -> ChatSnapshot:
    """*listed* with the own writes that it is behind; new chats are at its end."""
    changed = {}
    for tid, own in overlay.items():
        before = listed.by_tid.get(tid)
        shown = own.shown_for(before)
        if shown is not before:
            changed[tid] = shown
    if not changed:
        return listed
    chats = {tid: changed.pop(tid, chat) for tid, chat in listed.by_tid.items()}
    return ChatSnapshot.of(
        {tid: chat for tid, chat in {**chats, **changed}.items() if chat is not None}
    )

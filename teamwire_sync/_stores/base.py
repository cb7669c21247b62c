"""What every store has in common: slots. A slot keeps the chats of one bot beyond a process.

It has the last listing that the server sent, a generation, and the lease of the process that is
asking the server. Each of them is only ever replaced, never changed: nobody has to lock the slot to
read or write it.

The generation is a random token, which each write of a bot replaces. A listing names the generation
in which it was asked for, and counts only while the slot still has that one. So a listing that
comes too late does no harm.

Times are the store's own, in seconds since 1970: the processes that share a slot compare them, and
their clocks may differ.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teamwire_sync._cache.listing import SlotRevision
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User

MAX_AGE = 86_400.0
"""Seconds after which what was stored is gone: chat titles are confidential."""

MAX_BYTES = 64 * 1024 * 1024
"""What a stored listing may have at most: some 500,000 chats."""


class StoreError(Exception):
    """The store can't do it now; the text says why, in a line that may be logged."""


class DamagedError(StoreError):
    """What was stored is damaged or not ours, and now it is gone."""


@frozen(eq=False, repr=False)
class StoredListing:
    """A listing as it is stored: what the server sent, and nothing else.

    Attributes:
        chats: The chats by thread ID, in the server's order.
        validator: What a conditional request sends back to ask whether they changed.
        users: The users that the chats and groups name, each once.
        groups: The groups that the chats name, each once.
    """

    chats: Mapping[str, Chat]
    validator: str | None = None
    users: Sequence[User] = ()
    groups: Sequence[Group] = ()


@frozen
class Failure:
    """The server's refusal to list the chats, which those who wait for the listing are to share.

    Attributes:
        generation: That of the slot when the server was asked.
        failed_at: When it refused.
        until: When it may be asked again.
        error: What it takes to raise the error again; JSON.
    """

    generation: str
    failed_at: float
    until: float
    error: Mapping[str, Any]


@frozen
class SlotStatus:
    """What a look at a slot tells.

    Attributes:
        now: The store's time.
        generation: The slot's.
        revision: Of the listing, whether it counts or not; None when there is none.
        failure: The last refusal, whether it counts or not.
    """

    now: float
    generation: str
    revision: SlotRevision | None = None
    failure: Failure | None = None


class Lease(Protocol):
    """The right to ask the server for all who share the slot, for some seconds."""

    def extend(self) -> bool:
        """Have it last for as many seconds as at first, from now; False when it was lost.

        Raises:
            StoreError: The store can't do it now.
        """

    def release(self) -> None:
        """Let others have it. One that was lost stays with who has it now.

        Raises:
            StoreError: The store can't do it now: the lease ends by itself.
        """


class StoreSlot(Protocol):
    """Where the chats of one bot are stored. Threads and processes share it.

    Each method raises `StoreError` when the store can't do it now, within a second or two. What is
    damaged or not ours is removed, and is as if it were not there after one `DamagedError` that
    says so; where it can't be removed, it is a `StoreError` each time. The names of files and keys
    have the version of the format: what another version has written is left alone.
    """

    def status(self) -> SlotStatus:
        """What there is. A slot that has no generation yet is given one."""

    def load(self, revision: SlotRevision) -> StoredListing | None:
        """The listing *revision*; None when another has replaced it."""

    def save(self, listing: StoredListing, *, generation: str, asked_at: float) -> SlotRevision:
        """Replace the listing by *listing*.

        Args:
            listing: The listing.
            generation: The slot's, by the look before the server was asked.
            asked_at: The time, by the same look.
        """

    def mark_unchanged(self, revision: SlotRevision, *, asked_at: float) -> SlotRevision | None:
        """Note that the server was asked at *asked_at*, and the listing *revision* has not changed.

        Returns:
            The revision that it has now; None when another listing has replaced it.
        """

    def fail(self, failure: Failure) -> None:
        """Replace the last failure by *failure*; a listing that is saved removes it."""

    def bump_generation(self) -> str:
        """Give the slot a new generation: a listing that was asked for before counts no more.

        The lease is free then: nobody has to wait for an answer that will not count.
        """

    def lease(self, seconds: float) -> Lease | None:
        """The right to ask the server, for *seconds*; None while another has it. Never waits."""

    def clear(self) -> None:
        """Remove the listing and the failure, and bump the generation."""


class Store(Protocol):
    """Where listings of the chats outlive a process: `MemoryStore`, `FileStore`, `RedisStore`."""

    def _slot(self, identity: str) -> StoreSlot:
        """The slot of the bot *identity*. Does no I/O."""

    def clear(self) -> int:
        """Remove what is stored, of all the bots.

        Returns:
            How many snapshots there were.

        Raises:
            OSError: Something could not be removed, or the store can't be reached.
        """


def new_token() -> str:
    """A name that nothing else has."""
    return os.urandom(16).hex()


def key_of(identity: str) -> str:
    """What stands for *identity* in the name of a file or a key; gives nothing of it away."""
    return hashlib.sha256(identity.encode()).hexdigest()[:32]

"""The interface of all stores: slots, generations and leases.

The glossary in `teamwire_sync._cache` defines these words. A slot has the last listing that the
server sent, a generation, marks of writes, and the lease of the process that is requesting a
listing. Each of them is replaced or extended in one step, so nobody has to lock the slot to read or
write them. A slot outlives the process, except in a `MemoryStore`.

A stored listing has parts: all the chats, and after them a log of changes. Each part has its own
token, and the token of the last part is the listing's token (`SlotRevision.body`). A part of the
log names the token of the part before it, so the parts of two listings never mix. When the log
would have more than a quarter of the bytes of the first part, all the chats are stored again.

Each change (`CacheState.changes`) replaces the slot's generation. A stored listing names the
generation in which it was requested, and is valid only while the slot has that generation. Process
A requests a listing; process B renames a chat; A stores its listing, which may show the old title.
The listing is not valid, because B has replaced the generation.

A write of unknown outcome outdates listings that were requested before the server did it. So each
write leaves a mark in the slot before it is sent. A mark has an end: the write's time-out and
`own_write_grace` later. When the outcome of the write is known, its mark is removed. If a process
is killed during a write, the mark stays, and all processes of the slot are in doubt until its end.
The latest end stays in the slot after it has passed, because a listing that was requested before
this end remains a listing from the time in doubt.

A lease does for processes what a flight does for threads: one process lists the chats, and the
other processes wait for the listing.

Times are seconds since 1970 on the store's clock, because processes compare the times, and the
clocks of the processes may differ.
"""

from __future__ import annotations

import hashlib
import math
import os
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from teamwire_sync._cache.listing import SlotRevision, Written
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._models.people import Group, User

MAX_AGE = 86_400.0
"""Seconds until stored data expires and is removed, because chat titles are confidential."""

MAX_BYTES = 64 * 1024 * 1024
"""The maximum size of a stored listing in bytes: about 500,000 chats."""


MAX_DOUBT = 86_400.0
"""The maximum number of seconds until the end of a mark. A later end is from a wrong clock."""


class StoreError(Exception):
    """The store can't do an operation now. The text, one line with the reason, may be logged."""


class DamagedError(StoreError):
    """Stored data was damaged or was not written by this package, and has been removed."""


@frozen(eq=False, repr=False)
class StoredListing:
    """A listing, or changes to one, in the form that stores keep: data from the server only.

    Attributes:
        chats: The chats by thread ID, in the server's order. In changes: the chats that are new or
            have changed.
        validator: The ETag for a conditional request; None without one.
        users: The users that the chats and groups refer to, each once.
        groups: The groups that the chats refer to, each once.
        revisions: The revisions above *revision* up to which single chats are known, by thread ID.
        revision: The revision up to which the chats are complete; None if the server has none.
        gone: In changes: the thread IDs that are removed before *chats* are added. None for a whole
            listing.
        base: In changes: the token of the listing that they change. None for a whole listing.
    """

    chats: Mapping[str, Chat]
    validator: str | None = None
    users: Sequence[User] = ()
    groups: Sequence[Group] = ()
    revisions: Mapping[str, int] = field(factory=dict)
    revision: int | None = None
    gone: Sequence[str] | None = None
    base: str | None = None


@frozen
class Failure:
    """A failed listing. The processes that wait for the listing share the failure.

    Attributes:
        generation: The slot's generation when the listing was requested.
        failed_at: The time of the failure, on the store's clock.
        until: The time from which the server may be asked again, on the store's clock.
        error: The data that is needed to raise the error again; JSON.
    """

    generation: str
    failed_at: float
    until: float
    error: Mapping[str, Any]


@frozen
class SlotStatus:
    """The contents of a slot at one moment, without the chats.

    Attributes:
        now: The present time on the store's clock.
        generation: The slot's generation.
        revision: The revision of the listing, even if it is not valid; None without a listing.
        failure: The last failure, even if it has ended or is of an older generation; None without
            a failure.
        doubt_until: The latest end of a mark, even if it has passed, on the store's clock;
            -infinity without a mark.
        written: The own writes that a listing may lack, even if the time has passed; None without
            revisions.
    """

    now: float
    generation: str
    revision: SlotRevision | None = None
    failure: Failure | None = None
    doubt_until: float = -math.inf
    written: Written | None = None

    @property
    def stamp(self) -> tuple[str, float]:
        """The values that change if a process has written, or may have written."""
        return self.generation, self.doubt_until


class StoreSlot(Protocol):
    """The slot of one bot. Threads and processes share it.

    Each method raises `StoreError` within a second or two if the store can't do the operation now.
    Data may be damaged, or not written by this package. A method that finds such data removes it
    and raises `DamagedError` once. After that, the slot lacks the data. If the data can't be
    removed, each call raises `StoreError`. The names of files and keys contain the version of the
    format, so a slot never uses or removes the data of another version.
    """

    def status(self) -> SlotStatus:
        """Return the status. A slot without a generation gets a new generation."""

    def load(self, revision: SlotRevision, known: str | None = None) -> StoredListing | None:
        """Return the listing with this revision; None if the slot no longer has the listing.

        If a part is damaged, this part and the later ones are removed. The parts before it are an
        older listing, and stay. This listing is not valid, but the server can send the changes
        since then.

        Args:
            revision: The listing's revision.
            known: The token of a listing that the caller has. If the listing with this revision
                began with it, only the later changes are returned.
        """

    def save(
        self, listing: StoredListing, *, generation: str, asked_at: float, grace: float = 0.0
    ) -> SlotRevision | None:
        """Replace the stored listing, unless it has a higher revision than *listing*.

        Process A requests a listing, and is paused; process B stores a newer listing. A must not
        replace it later. But a server that lost its data has lower revisions. Without revisions,
        the listing that was requested later stays.

        Args:
            listing: The new listing.
            generation: The slot's generation in the status before the request.
            asked_at: The time in the same status (`SlotStatus.now`).
            grace: Seconds between the requests of the stored and of the new listing, after which
                the revisions do not count.

        Returns:
            The new revision; None if the stored listing stays.
        """

    def extend(
        self,
        base: SlotRevision,
        changes: StoredListing | None,
        *,
        generation: str,
        asked_at: float,
    ) -> SlotRevision | None:
        """Add the result of a newer request to the stored listing, if the listing is *base*.

        If the token of *base* is still the listing's token, nobody has stored another listing since
        *base* was read. So a process that was paused brings no older state back.

        Args:
            base: The listing's revision before the request.
            changes: The changes since *base*; None if the server reported no change.
            generation: The slot's generation in the status before the request.
            asked_at: The time in the same status (`SlotStatus.now`).

        Returns:
            The new revision of the listing; None if the stored listing is not *base*, or if its log
            has no room for the changes.
        """

    def fail(self, failure: Failure) -> None:
        """Replace the last failure. `save`, `extend` and `clear` remove the failure."""

    def bump_generation(
        self, *, ended: Collection[str] = (), revision: int | None = None, grace: float = 0.0
    ) -> str:
        """Replace the generation, and return the new one. Older listings are not valid any more.

        This frees the lease, because nobody has to wait for a listing that will not be valid. A
        full store replaces the generation, too, if it can.

        Args:
            ended: The writes whose marks are removed in the same step.
            revision: The highest revision of own writes; None without one.
            grace: The seconds in which a listing may lack these writes.
        """

    def mark(self, write: str, seconds: float) -> None:
        """Add a mark: the outcome of a write is unknown. Remove the marks with an impossible end.

        Args:
            write: A token of the write.
            seconds: The time until the end of the mark, `MAX_DOUBT` at most.
        """

    def unmark(self, writes: Collection[str]) -> None:
        """Remove the marks of these writes, and no others."""

    def take_lease(self, owner: str, seconds: float) -> bool:
        """Take the lease, and return True; return False, without waiting, if it is not free.

        Args:
            owner: A new token. It exists before the call: if Ctrl-C interrupts the call,
                `release_lease` frees the lease although the call returned nothing.
            seconds: The time from now on.
        """

    def extend_lease(self, owner: str, seconds: float) -> bool:
        """Extend the lease to *seconds* from now on; return False if *owner* has lost it."""

    def release_lease(self, owner: str) -> None:
        """Free the lease for other processes. No effect if *owner* does not have it."""

    def clear(self) -> None:
        """Remove the listing and the failure, and replace the generation. The marks stay."""


class Store(Protocol):
    """A place to keep listings of the chats: `MemoryStore`, `FileStore` or `RedisStore`."""

    def _slot(self, identity: str) -> StoreSlot:
        """Return the slot of the bot with this identity, without I/O."""

    def clear(self) -> int:
        """Remove the stored data of all bots.

        Returns:
            The number of snapshots that the store had.

        Raises:
            OSError: Some data could not be removed, or the store can't be reached.
        """


def new_token() -> str:
    """Return a new random token."""
    return os.urandom(16).hex()


def key_of(identity: str) -> str:
    """Return a hash of *identity* for names of files and keys. It does not reveal the identity."""
    return hashlib.sha256(identity.encode()).hexdigest()[:32]

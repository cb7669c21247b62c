"""Leases: one process lists the chats, and the other processes wait for its listing.

The glossary in `teamwire_sync._cache` defines lease.
"""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Callable

from teamwire_sync._internal.waiting import is_inside, run_in_thread
from teamwire_sync._stores.base import StoreError, new_token

if TYPE_CHECKING:
    from teamwire_sync._stores.sharing import SharedListing

# Seconds of a lease. A leader that is killed keeps other processes waiting for this time at most.
LEASE = 10.0


class LeaseKeeper:
    """The lease of one listing. Once it is taken, a thread extends it until the listing ends.

    A listing may take longer than a lease. Without extensions, a second process would take the
    lease and list the chats too.

    Args:
        shared: The listing in the store.
        is_listing: A function that returns False when the listing has ended.

    Attributes:
        shared: The listing in the store.
        thread: The identity of the thread that lists the chats.
    """

    def __init__(self, shared: SharedListing, is_listing: Callable[[], bool]) -> None:
        self.shared = shared
        self.thread = threading.get_ident()
        self._is_listing = is_listing
        self._process = os.getpid()
        self._owner = new_token()
        self._may_be_taken = False
        # Not a threading.Event: a signal may leave the lock of an Event acquired.
        self._ended = threading.Lock()
        self._ended.acquire()

    @property
    def is_leading(self) -> bool:
        """Whether this thread or this Connection has a lease. If so, it must not wait for a lease.

        Thread A lists the chats with the lease; thread B receives 404, which outdates A's listing,
        and looks up a chat. B must not wait for the lease of A's listing.
        """
        # A signal handler in the middle of a use of the store: the other thread may wait for it.
        return is_inside() or any(
            each.shared is self.shared or each.thread == self.thread for each in list(held)
        )

    def take(self) -> bool:
        """Take the lease; return False while another process has it, or while the store fails."""
        # Set before the lease is taken: Ctrl-C may come before the result is stored.
        self._may_be_taken = True
        # A signal handler that interrupts the request must not wait for this lease.
        held.add(self)
        taken = self.shared.attempt(lambda: self.shared.slot.take_lease(self._owner, LEASE))
        # If the store failed, only its response may have been lost.
        self._may_be_taken = taken is not False
        if not taken:
            held.discard(self)
        else:
            with suppress(RuntimeError):  # the interpreter is ending
                run_in_thread(self._extend)
        return bool(taken)

    def end(self) -> None:
        """Free the lease if it was taken."""
        # In a child that was forked during the listing, the lease belongs to the parent.
        if self._may_be_taken and os.getpid() == self._process:
            with suppress(StoreError):  # the lease ends by itself
                self.shared.slot.release_lease(self._owner)
            self._may_be_taken = False
        # Last: a signal handler that interrupts the request must not wait for this lease.
        if self._ended.locked():
            self._ended.release()
        held.discard(self)

    def _extend(self) -> None:
        gives_up_at, is_ours = self.shared.clock() + self.shared.patience, True
        while is_ours and not self._ended.acquire(timeout=LEASE / 3):
            # The listing may have ended without `end`, if signals interrupted each call of `end`.
            if not self._is_listing() or self.shared.clock() >= gives_up_at:
                break
            with suppress(StoreError):  # the next extension may succeed
                is_ours = self.shared.slot.extend_lease(self._owner, LEASE)
        held.discard(self)


held: set[LeaseKeeper] = set()
"""The leases of this process."""
if hasattr(os, "register_at_fork"):
    # The leases belong to the parent.
    os.register_at_fork(after_in_child=held.clear)


@atexit.register
def _end_all() -> None:
    """Free the leases of daemon threads: the interpreter ends before their listings do."""
    for keeper in list(held):
        keeper.end()

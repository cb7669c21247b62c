"""Single flight: one thread fetches a value, and all threads that need the value share it.

Without single flight: thread A needs a value and sends a request; thread B needs the same value
before A has it, and sends the same request.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from typing import Callable, Generic, TypeVar

from attrs import define, field

from teamwire_sync._internal.waiting import works_for
from teamwire_sync.exceptions import TWError, TWTimeoutError

T = TypeVar("T")


class Abandoned(Exception):  # noqa: N818  control flow, no error: the caller starts again
    """A flight ended without a value and without an error; its waiters start again."""


@define(eq=False, repr=False)
class Flight(Generic[T]):
    """One fetch that threads share. One thread leads (fetches); the other threads wait for it.

    A flight ends with a value, with an error, or abandoned (with neither).

    Attributes:
        leader: The identity of the thread that leads.
        number: The position of the flight among the flights of its cache, from 1; 0 before the
            start.
        epoch: `CacheState.epoch` at the start. The cache publishes only flights of its present
            epoch.
        losses: `CacheState.losses` at the start, or when the server had sent all the chats. The
            cache publishes no content from before a loss.
        asked_at: When another process requested the content from the server, on the cache's clock.
            Infinity if the leader requests the content itself.
    """

    leader: int = field(factory=threading.get_ident)
    number: int = 0
    epoch: int = 0
    losses: int = 0
    asked_at: float = math.inf
    _done: threading.Event = field(factory=threading.Event)
    _value: tuple[T] | None = None
    _error: TWError | None = None

    def set_result(self, value: T) -> None:
        """End the flight with *value*, which all waiters return."""
        self._value = (value,)
        self._done.set()

    def set_exception(self, error: TWError) -> None:
        """End the flight with *error*; each waiter raises its own copy.

        A shared exception would collect the tracebacks of all waiters.
        """
        self._error = copy.copy(error)
        self._done.set()

    def abandon(self) -> None:
        """End the flight: the waiters start again. No effect after a value or an error."""
        self._done.set()

    def wait(self, deadline: float | None) -> T:
        """Wait for the end of the flight, and return its value.

        Args:
            deadline: The moment of `time.monotonic` at which waiting has to end, or None.

        Raises:
            RuntimeError: The leader is this thread or waits for this thread. Waiting would never
                end.
            TWTimeoutError: The deadline has passed.
            TWError: The flight ended with an error.
            Abandoned: The flight was abandoned.
        """
        if self.leader == threading.get_ident() or works_for(self.leader):
            message = (
                "this look-up would wait for itself, as it runs inside another look-up; don't look "
                "up chats, users or groups in a progress callback or a logging handler"
            )
            raise RuntimeError(message)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._done.wait(left):
            message = (
                "no response within the timeout of this call; "
                "another thread is still waiting for it"
            )
            raise TWTimeoutError(message)
        if self._error is not None:
            raise copy.copy(self._error)
        if self._value is None:
            raise Abandoned
        return self._value[0]


def lead_or_wait(
    join: Callable[[Flight[T]], Flight[T] | tuple[T]],
    lead: Callable[[Flight[T]], T],
    leave: Callable[[Flight[T]], None],
    deadline: float | None,
    *,
    accepts: Callable[[Flight[T]], bool] = lambda _flight: True,
) -> T:
    """Return a value that is known already, or fetch it, or wait for another thread's fetch.

    Args:
        join: Takes a new flight. Returns the value in a tuple if it is known already. Otherwise
            returns the flight in progress. Without one, starts the new flight and returns it. Does
            this in one step under a lock: two threads that find no flight could both start one.
        lead: Fetches the value for the flight that this thread started. May raise `Abandoned` to
            start again.
        leave: Removes a flight, so that `join` no longer returns it, and abandons the flight.
            Called twice, also for a flight that was not started.
        deadline: The moment of `time.monotonic` at which waiting has to end, or None.
        accepts: Returns whether another thread's flight is new enough. If not, start again.

    Raises:
        TWError: The fetch failed.
    """
    while True:
        led: Flight[T] = Flight()
        # `join` is inside the block, because Ctrl-C may interrupt any instruction: a started flight
        # that never ends would keep its waiters waiting forever.
        try:
            flight = join(led)
            if isinstance(flight, tuple):
                return flight[0]
            if flight is led:
                return lead(led)
            value = flight.wait(deadline)
            if accepts(flight):
                return value
        except Abandoned:
            continue
        finally:
            # Called twice because Ctrl-C may interrupt the first call; idempotent.
            try:
                leave(led)
            finally:
                leave(led)

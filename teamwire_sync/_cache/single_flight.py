"""Single flight: of all the threads that need the same answer, one fetches it for all of them."""

from __future__ import annotations

import copy
import math
import threading
from typing import Callable, Generic, TypeVar

from attrs import define, field

from teamwire_sync._internal.deadlines import time_left
from teamwire_sync._internal.waiting import works_for
from teamwire_sync.exceptions import TWError, TWTimeoutError

T = TypeVar("T")


class Abandoned(Exception):  # noqa: N818  control flow: the flight has no answer, so start again
    """Raised to those who wait for a flight whose leader left without an answer."""


@define(eq=False, repr=False)
class Flight(Generic[T]):
    """One fetch: its leader sets the result, the others wait for it.

    Attributes:
        leader: The thread that fetches.
        number: Counts the flights of a cache that were started; 0 before the start.
        epoch: The cache's at the start: what comes of an older one is not published.
        losses: The cache's when the content was known; it is dropped with what was dropped since.
        asked_at: When another process asked the server for the content; infinity where the leader
            asks the server itself.
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
        """Return *value* to all who wait."""
        self._value = (value,)
        self._done.set()

    def set_exception(self, error: TWError) -> None:
        """Raise a copy of *error* to each who waits.

        A shared one would collect the tracebacks of all of them.
        """
        self._error = copy.copy(error)
        self._done.set()

    def abandon(self) -> None:
        """Send all who wait away to fetch for themselves; no effect after a result or an error."""
        self._done.set()

    def wait(self, deadline: float | None) -> T:
        """Wait for the answer until *deadline*.

        Raises:
            RuntimeError: This thread is the leader, or does its work, and would wait for itself.
            TWTimeoutError: The deadline has passed.
            TWError: The leader failed.
            Abandoned: There is no answer.
        """
        if self.leader == threading.get_ident() or works_for(self.leader):
            message = (
                "a look-up inside of the look-up that it would wait for; don't look up chats, "
                "users or groups in a progress callback or a logging handler"
            )
            raise RuntimeError(message)
        left = None if deadline is None else max(0.0, time_left(deadline))
        if not self._done.wait(left):
            message = "no answer within the timeout of this call; another thread still waits for it"
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
    """The answer: known already, fetched by this thread, or by the one that does so already.

    Args:
        join: Takes a flight. Starts it and returns it, or returns the one under way; or, in a
            tuple, the answer that is there already.
        lead: Fetches the answer for a flight that was started. May raise `Abandoned` to start
            again.
        leave: Takes a flight out of what `join` returns, and abandons it. Called twice, and also
            for one that was not started.
        deadline: The moment of `time.monotonic` at which waiting has to end, or None.
        accepts: Whether the answer of another thread's flight is new enough.

    Raises:
        TWError: The fetch failed.
    """
    while True:
        led: Flight[T] = Flight()
        # From here on, whatever ends this thread's work ends the flight too: Ctrl-C may come
        # anywhere, and would leave all the others waiting.
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

"""Single flight: one thread fetches a value, and all threads that need the value share it.

Without single flight: thread A needs a value and sends a request; thread B needs the same value
before A has it, and sends the same request.

The glossary in `teamwire_sync._cache` defines flight, epoch and loss.
"""

from __future__ import annotations

import copy
import math
import threading
from typing import Callable, Generic, TypeVar

from attrs import define, field

from teamwire_sync._internal.deadlines import time_left
from teamwire_sync._internal.waiting import Gate, is_inside, works_for
from teamwire_sync.exceptions import TWError, TWTimeoutError

T = TypeVar("T")

_WAITS_FOR_ITSELF = (
    "this look-up would wait for itself, as it runs inside another look-up; don't look up chats, "
    "users or groups in a progress callback, a logging handler or a signal handler"
)


class Abandoned(Exception):  # noqa: N818  control flow, no error: the caller starts again
    """A flight ended without a value and without an error; its waiters start again."""


@define(eq=False, repr=False)
class Flight(Generic[T]):
    """One fetch that threads share. The leader is the thread that makes the requests.

    A flight ends with a value, with an error, or abandoned (with neither).

    Attributes:
        leader: The identity of the thread that leads.
        number: The position of the flight among the flights of its cache, from 1; 0 before the
            start.
        epoch: `CacheState.epoch` at the start. The cache publishes only flights of its present
            epoch.
        losses: `CacheState.losses` at the start, or when the server has sent all the chats. The
            cache publishes no content from before a loss.
        is_kept: Whether the leader must not stop although the flight is outdated, because a waiter
            has started again too often.
        is_forced: Whether caches in front of the server must not answer.
        asked_at: The time at which another process requested the content from the server, on the
            cache's clock. Infinity if the leader requests the content itself.
    """

    # Look it up at each call: gevent and eventlet may replace the function after this import.
    leader: int = field(factory=lambda: threading.get_ident())  # noqa: PLW0108
    number: int = 0
    epoch: int = 0
    losses: int = 0
    is_kept: bool = False
    is_forced: bool = False
    asked_at: float = math.inf
    _done: Gate = field(factory=Gate)
    _value: tuple[T] | None = None
    _error: TWError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the flight has ended."""
        return self._done.is_open

    def set_result(self, value: T) -> None:
        """End the flight with *value*, which all waiters return."""
        self._value = (value,)
        self._done.open()

    def set_exception(self, error: TWError) -> None:
        """End the flight with *error*; each waiter raises its own copy.

        A shared exception would collect the tracebacks of all waiters.
        """
        self._error = copy.copy(error)
        self._done.open()

    def abandon(self) -> None:
        """End the flight: the waiters start again. No effect after a value or an error."""
        self._done.open()

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
            raise RuntimeError(_WAITS_FOR_ITSELF)
        left = None if deadline is None else max(0.0, time_left(deadline))
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
        join: A function that takes a new flight. If the value is known already, it returns the
            value in a tuple. If a flight is in progress, it returns that flight. If no flight
            is in progress, it starts the new flight and returns it. All this is one step under a
            lock, because two threads must not both find no flight, and then both start a flight.
        lead: A function that fetches the value for the flight that this thread started. It may
            raise `Abandoned` to start again.
        leave: A function that removes a flight, so that `join` no longer returns the flight, and
            then abandons the flight. `leave` is called twice, even if the flight was not started.
        deadline: The moment of `time.monotonic` at which waiting has to end, or None.
        accepts: A function that returns whether another thread's flight is new enough. If it is
            not, this thread starts again.

    Raises:
        RuntimeError: This thread would wait for itself.
        TWError: The fetch failed.
    """
    while True:
        led: Flight[T] = Flight()
        # `join` is inside the block, because Ctrl-C may interrupt any instruction. Otherwise, a
        # started flight might never end, and its waiters would wait forever.
        try:
            flight = join(led)
            if isinstance(flight, tuple):
                return flight[0]
            if flight is led:
                return lead(led)
            if is_inside():
                raise RuntimeError(_WAITS_FOR_ITSELF)
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

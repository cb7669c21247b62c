"""Single flight: of all the threads that need the same answer, one fetches it for them all."""

from __future__ import annotations

import copy
import math
import threading
import time
from typing import Generic, TypeVar

from teamwire_sync._internal.waiting import works_for
from teamwire_sync.exceptions import TWError, TWTimeoutError

T = TypeVar("T")


class Void(Exception):  # noqa: N818  it is no error: the flight brought nothing, so make another
    """Raised to those who waited for a flight whose leader left without an answer."""


class Flight(Generic[T]):
    """One fetch under way: its leader lands it, the others wait for it.

    Attributes:
        leader: The thread that fetches.
        number: Counts the flights that were started; 0 for one that was not.
        generation: How many writes came before it.
        drops: How often what was known had been dropped before what it brings was known.
        brought: When the server was asked for what it brings; infinity where the leader asks it.
    """

    __slots__ = (
        "_error",
        "_landed",
        "_value",
        "brought",
        "drops",
        "generation",
        "leader",
        "number",
    )

    def __init__(self) -> None:
        self.number = self.generation = self.drops = 0
        self.brought = math.inf
        self.leader = threading.get_ident()
        self._landed = threading.Event()
        self._value: tuple[T] | None = None
        self._error: TWError | None = None

    def land(self, value: T) -> None:
        """Give *value* to all who wait."""
        self._value = (value,)
        self._landed.set()

    def fail(self, error: TWError) -> None:
        """Give each who waits its own copy of *error*.

        A shared one would collect the tracebacks of them all.
        """
        self._error = copy.copy(error)
        self._landed.set()

    def void(self) -> None:
        """Send all who wait away to fetch for themselves; nothing after `land` or `fail`."""
        self._landed.set()

    def wait(self, deadline: float | None) -> T:
        """Wait for the answer until *deadline*.

        Raises:
            RuntimeError: This thread is the leader, or does its work, and would wait for itself.
            TWTimeoutError: The deadline has passed.
            TWError: What the leader met.
            Void: There is no answer.
        """
        if self.leader == threading.get_ident() or works_for(self.leader):
            message = (
                "a look-up inside of the look-up that it would wait for; don't look up chats, "
                "users or groups in a progress callback or a logging handler"
            )
            raise RuntimeError(message)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not self._landed.wait(left):
            message = "no answer within the timeout of this call; another thread still waits for it"
            raise TWTimeoutError(message)
        if self._error is not None:
            raise copy.copy(self._error)
        if self._value is None:
            raise Void
        return self._value[0]

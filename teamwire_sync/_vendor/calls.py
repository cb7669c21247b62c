"""One call of the vendor's SDK, between the thread that waits for it and the one that runs it."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from teamwire_sync._internal.deadlines import time_left
from teamwire_sync._vendor.errors import cause_of, delivery_unknown, is_lasting, translate
from teamwire_sync.exceptions import (
    TWClosedError,
    TWConnectionError,
    TWError,
    TWProtocolError,
    TWTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

# Seconds that a caller waits beyond the end of its time, for its task to say how far it has come.
_GRACE = 0.25


class Call(Generic[T]):
    """A call under way. Its outcome is settled once: whoever comes first settles it.

    Attributes:
        name: Its name, for errors.
        task: Runs it, once the loop has begun with it.
        caller: The thread that waits for it.
        is_doubtful: Whether its failure shows that the vendor's connection may be of no use any
            more. It is set before the caller is told.

    Args:
        name: Its name, for errors.
        work: What is to be done with the vendor's connection. It is given that and this call, whose
            `mark_sent` it calls before it changes anything on the server.
        deadline: The moment of `time.monotonic` by which it has to end.
        hint: Says how to see whether a write was done.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Any, Call[T]], Coroutine[Any, Any, T]],
        *,
        deadline: float,
        hint: str = "",
    ) -> None:
        self.name = name
        self.task: asyncio.Task[None] | None = None
        self.caller = threading.get_ident()
        self.is_doubtful = False
        self._work = work
        # Other threads compare it with a clock that does not stand still for this one.
        self._deadline = time.monotonic() + time_left(deadline)
        self._hint = hint
        # A signal handler that closes the Connection may come in the thread that holds it.
        self._lock = threading.RLock()
        self._settled = threading.Event()
        self._sent = self._is_late = False
        self._value: T
        self._error: TWError | None = None

    # The thread of the vendor's SDK

    def mark_sent(self) -> None:
        """What comes now may change something on the server.

        Raises:
            asyncio.CancelledError: Nobody waits any more, and was told that nothing was sent.
        """
        with self._lock:
            if self._settled.is_set():
                raise asyncio.CancelledError
            self._sent = True

    async def run(self, vendor: Any) -> None:
        """Do the work, and settle its outcome."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.time_out()
        if self._settled.is_set():
            return
        # asyncio.wait_for would make a task within the task, which may outlive it.
        timer = asyncio.get_running_loop().call_later(left, self._expire)
        try:
            value = await self._work(vendor, self)
        # Whatever another's package raises: what is no Exception would end the loop.
        except BaseException as error:  # noqa: BLE001
            self._fail(error)
        else:
            with self._lock:
                if not self._settled.is_set():
                    self._value = value
                    self._settled.set()
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._is_late = True
        self.cancel_task()

    def cancel_task(self) -> None:
        """Nobody waits for it any more."""
        if self.task is not None:
            self.task.cancel()

    def _fail(self, failure: BaseException) -> None:
        if self._is_late:
            self.time_out()  # it may say in its own way that it was cancelled
        elif isinstance(failure, asyncio.CancelledError):
            # Who gives it up, or ends all, has settled it before: so this is not by us.
            self.crash(failure)
        elif isinstance(failure, TWProtocolError):
            # One of ours, about what the vendor's SDK gave.
            self._settle(failure, delivery_unknown(f"{self.name}: {failure}", self._hint))
        elif isinstance(failure, TWError):
            self._settle(failure, failure)
        else:
            unsent, sent = (
                translate(failure, self.name, sent=sent, hint=self._hint) for sent in (False, True)
            )
            self._settle(unsent, sent, is_doubtful=is_lasting(failure))

    # Any thread

    def wait(self) -> T:
        """What it came to.

        Raises:
            TWError: It failed, or its time is over.
        """
        left = self._deadline + _GRACE - time.monotonic()
        if not self._settled.wait(max(left, 0)):
            self.time_out(is_doubtful=True)
        if self._error is not None:
            raise self._error
        return self._value

    def time_out(self, *, is_doubtful: bool = False) -> None:
        """Its time is over."""
        text = f"{self.name}: no answer from the vendor's SDK in time"
        self._end(text, TWTimeoutError, is_doubtful=is_doubtful)

    def close(self) -> None:
        """The Connection is closed."""
        self._end(f"{self.name}: the Connection is closed", TWClosedError)

    def crash(self, error: BaseException | None) -> None:
        """The vendor's connection has ended by itself."""
        cause = None if error is None else cause_of(error)
        text = f"{self.name}: the vendor's connection ended{f' with {cause}' if cause else ''}"
        self._end(text, TWConnectionError, cause, is_doubtful=True)

    def reject(self, error: TWError) -> None:
        """There is no connection to run it on; each call gets its own copy of *error*."""
        own = copy.copy(error)
        self._settle(own, own)

    def _end(
        self, text: str, kind: type[TWError], cause: str | None = None, *, is_doubtful: bool = False
    ) -> None:
        unsent, sent = kind(text, cause=cause), delivery_unknown(text, self._hint, cause)
        self._settle(unsent, sent, is_doubtful=is_doubtful)

    # Both errors are made before the lock is taken: their texts come from another's package, which
    # may hang.
    def _settle(self, unsent: TWError, sent: TWError, *, is_doubtful: bool = False) -> None:
        with self._lock:
            if not self._settled.is_set():
                self._error = sent if self._sent else unsent
                self.is_doubtful = is_doubtful
                self._settled.set()

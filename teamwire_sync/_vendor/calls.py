"""One call of the vendor's SDK, between the thread that waits for it and the one that runs it."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from attrs import frozen

from teamwire_sync._vendor.errors import cause_of, translated, unknown
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


@frozen(eq=False)
class _Failure:
    """What a call has raised."""

    error: BaseException


class Call(Generic[T]):
    """A call under way. What it comes to is settled once: whoever comes first settles it.

    Attributes:
        caller: The thread that waits for it.
        is_unanswered: Whether the thread did not even say that the time is over.

    Args:
        what: Its name, for errors.
        work: What is to be done with the vendor's connection; is told of this call.
        deadline: The moment of `time.monotonic` by which it has to end.
        find_out: Says how to see whether a write was done.
    """

    def __init__(
        self,
        what: str,
        work: Callable[[Any, Call[T]], Coroutine[Any, Any, T]],
        *,
        deadline: float,
        find_out: str = "",
    ) -> None:
        self.what = what
        self.task: asyncio.Task[None] | None = None
        self.caller = threading.get_ident()
        self.is_unanswered = False
        self._work = work
        self._deadline = deadline
        self._find_out = find_out
        # A signal handler that closes the Connection may come in the thread that holds it.
        self._lock = threading.RLock()
        self._settled = threading.Event()
        self._sent = self._is_late = False
        self._value: tuple[T] | None = None
        self._error: TWError | None = None

    # The thread of the vendor's SDK

    def sending(self) -> None:
        """What comes now may change something on the server.

        Raises:
            asyncio.CancelledError: Nobody waits any more, and was told that nothing was sent.
        """
        with self._lock:
            if self._settled.is_set():
                raise asyncio.CancelledError
            self._sent = True

    async def run(self, vendor: Any) -> BaseException | None:
        """Do the work, and settle what it comes to; the error that it met."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.time_out()
        if self._settled.is_set():
            return None
        # asyncio.wait_for would make a task within the task, which may outlive it.
        timer = asyncio.get_running_loop().call_later(left, self._expire)
        try:
            outcome = await self._attempt(vendor)
        except asyncio.CancelledError as error:
            if self._is_late:
                self.time_out()
            # Who gives it up, or ends all, has settled it before: so this is not by us.
            return error if self.crash(error) else None
        finally:
            timer.cancel()
        if self._is_late and isinstance(outcome, _Failure):
            self.time_out()  # it may say in its own way that it was cancelled
        if not isinstance(outcome, _Failure):
            self._settle(value=(outcome,))
            return None
        failure = outcome.error
        settled = self._settle_by(lambda sent: self._error_of(failure, sent=sent))
        return failure if settled and not isinstance(failure, TWError) else None

    def _expire(self) -> None:
        self._is_late = True
        self.give_up()

    def _error_of(self, failure: BaseException, *, sent: bool) -> TWError:
        if not isinstance(failure, TWError):
            return translated(failure, self.what, sent=sent, find_out=self._find_out)
        # One of ours, about what the vendor's SDK gave.
        if sent and isinstance(failure, TWProtocolError):
            return unknown(f"{self.what}: {failure}", self._find_out)
        return failure

    async def _attempt(self, vendor: Any) -> T | _Failure:
        try:
            return await self._work(vendor, self)
        except asyncio.CancelledError:
            raise
        # Whatever another's package raises: what is no Exception would end the loop.
        except BaseException as error:  # noqa: BLE001
            return _Failure(error)

    def give_up(self) -> None:
        """Nobody waits for it any more."""
        if self.task is not None:
            self.task.cancel()

    # Any thread

    def wait(self) -> T:
        """What it came to.

        Raises:
            TWError: It failed, or its time is over.
        """
        left = self._deadline + _GRACE - time.monotonic()
        if not self._settled.wait(max(left, 0)):
            self.is_unanswered = True
            self.time_out()
        if self._error is not None:
            raise self._error
        assert self._value is not None  # noqa: S101  it is settled
        return self._value[0]

    def time_out(self) -> None:
        """Its time is over."""
        text = f"{self.what}: no answer from the vendor's SDK in time"
        self._settle_by(lambda sent: self._ended(text, TWTimeoutError, sent=sent))

    def close(self) -> None:
        """The Connection is closed."""
        text = f"{self.what}: the Connection is closed"
        self._settle_by(lambda sent: self._ended(text, TWClosedError, sent=sent))

    def crash(self, error: BaseException | None) -> bool:
        """The vendor's connection has ended by itself; whether that settles the call."""
        cause = None if error is None else cause_of(error)
        text = f"{self.what}: the vendor's connection ended{f' with {cause}' if cause else ''}"
        return self._settle_by(lambda sent: self._ended(text, TWConnectionError, cause, sent=sent))

    def refuse(self, error: TWError) -> None:
        """There is no connection to run it on; each call gets its own copy of *error*."""
        self._settle(error=copy.copy(error))

    def _ended(
        self, text: str, kind: type[TWError], cause: str | None = None, *, sent: bool
    ) -> TWError:
        return unknown(text, self._find_out, cause) if sent else kind(text, cause=cause)

    def _settle_by(self, error_of: Callable[[bool], TWError]) -> bool:
        # Made before the lock is taken: the texts come from another's package, which may hang.
        errors = {sent: error_of(sent) for sent in (False, True)}
        with self._lock:
            if self._settled.is_set():
                return False
            self._error = errors[self._sent]
            self._settled.set()
            return True

    def _settle(self, *, value: tuple[T] | None = None, error: TWError | None = None) -> None:
        with self._lock:
            if not self._settled.is_set():
                self._value, self._error = value, error
                self._settled.set()

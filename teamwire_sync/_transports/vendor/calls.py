"""One call of the vendor's SDK, between the thread that waits for it and the one that runs it."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from attrs import frozen

from teamwire_sync._transports.vendor.errors import cause_of, translated, unknown
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
        self.task: asyncio.Future[None] | None = None
        self.is_unanswered = False
        self._work = work
        self._deadline = deadline
        self._find_out = find_out
        self._lock = threading.Lock()
        self._settled = threading.Event()
        self._sent = False
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
        try:
            outcome = await asyncio.wait_for(self._attempt(vendor), left)
        except asyncio.TimeoutError:
            self.time_out()
            return None
        except asyncio.CancelledError as error:
            # Not by us: who gives it up, or ends all, has settled it before.
            self.crash(error)
            raise
        if not isinstance(outcome, _Failure):
            self._settle(value=(outcome,))
            return None
        failure = outcome.error
        self._settle_by(lambda sent: self._error_of(failure, sent=sent))
        return None if isinstance(failure, TWError) else failure

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
        except (asyncio.CancelledError, GeneratorExit):
            raise
        # Whatever another's package raises: what is no Exception would end the loop.
        except BaseException as error:  # noqa: BLE001
            return _Failure(error)

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

    def crash(self, error: BaseException | None) -> None:
        """The vendor's connection has ended by itself."""
        cause = None if error is None else cause_of(error)
        text = f"{self.what}: the vendor's connection ended{f' with {cause}' if cause else ''}"
        self._settle_by(lambda sent: self._ended(text, TWConnectionError, cause, sent=sent))

    def refuse(self, error: TWError) -> None:
        """There is no connection to run it on; each call gets its own copy of *error*."""
        self._settle(error=copy.copy(error))

    def _ended(
        self, text: str, kind: type[TWError], cause: str | None = None, *, sent: bool
    ) -> TWError:
        return unknown(text, self._find_out, cause) if sent else kind(text, cause=cause)

    def _settle_by(self, error_of: Callable[[bool], TWError]) -> None:
        with self._lock:
            if not self._settled.is_set():
                self._error = error_of(self._sent)
                self._settled.set()

    def _settle(self, *, value: tuple[T] | None = None, error: TWError | None = None) -> None:
        with self._lock:
            if not self._settled.is_set():
                self._value, self._error = value, error
                self._settled.set()

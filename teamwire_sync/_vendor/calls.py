"""One call of the vendor's SDK, shared by the thread that waits and the thread that runs it."""

from __future__ import annotations

import asyncio
import copy
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

from attrs import frozen

from teamwire_sync._internal.deadlines import time_left
from teamwire_sync._internal.waiting import Gate
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

# Seconds that a caller waits after its deadline. At the deadline, a timer of the event loop settles
# the call. Without the extra seconds, the caller would race with this timer and would report a
# working connection as doubtful.
_GRACE = 0.25


@frozen(eq=False, repr=False)
class _Outcome:
    value: Any = None
    # The error if nothing was sent, and the error if a write may have been sent.
    errors: tuple[TWError, TWError] | None = None
    is_doubtful: bool = False


class Call(Generic[T]):
    """A call in progress. The first thread that settles the call decides its outcome.

    Attributes:
        name: The name of the call, for error texts.
        task: The task that runs the call; None until the event loop starts it.
        caller: The identity of the thread that waits for the call.

    Args:
        name: The name of the call, for error texts.
        work: An async function. Its arguments are the vendor's connection and this call. It must
            call `mark_sent` before it changes anything on the server.
        deadline: The moment of `time.monotonic` at which the call must end.
        hint: A text that says how to check whether a write was done.
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
        self._work = work
        # Other threads compare it with a clock that does not stand still for this one.
        self._deadline = time.monotonic() + time_left(deadline)
        self._hint = hint
        # Each decision is one `setdefault`, so the first thread decides. A lock is not needed. A
        # signal handler could otherwise wait for a lock that its own thread holds.
        self._decisions: dict[str, Any] = {}
        self._settled = Gate()
        self._is_late = False

    @property
    def is_doubtful(self) -> bool:
        """Whether the failure shows that the vendor's connection may be broken."""
        outcome: _Outcome | None = self._decisions.get("outcome")
        return outcome is not None and outcome.is_doubtful

    # Called on the thread of the vendor's SDK

    def mark_sent(self) -> None:
        """Record that the work may change something on the server from now on.

        Raises:
            asyncio.CancelledError: The call is already settled. Its caller was told that nothing
                was sent, so nothing may be sent now.
        """
        if "outcome" in self._decisions or not self._decisions.setdefault("is_sent", True):
            raise asyncio.CancelledError

    async def run(self, vendor: Any) -> None:
        """Do the work and settle the call."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self.time_out()
        if self._settled.is_open:
            return
        # Not asyncio.wait_for: it may run the work in a second task, which may outlive this task.
        timer = asyncio.get_running_loop().call_later(left, self._expire)
        try:
            value = await self._work(vendor, self)
        # The vendor's SDK may raise anything. An error that is not an Exception would end the loop.
        except BaseException as error:  # noqa: BLE001
            self._fail(error)
        else:
            self._decide(_Outcome(value))
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self._is_late = True
        self.cancel_task()

    def cancel_task(self) -> None:
        """Cancel the task, because no caller waits for it any more."""
        if self.task is not None:
            self.task.cancel()

    def _fail(self, failure: BaseException) -> None:
        if self._is_late:
            self.time_out()  # the SDK may turn our cancellation into another error
        elif isinstance(failure, asyncio.CancelledError):
            # We settle a call before we cancel its task. So the vendor's SDK cancelled this one.
            self.crash(failure)
        elif isinstance(failure, TWProtocolError):
            # Our converter rejects the result of the vendor's SDK. A write may have been done.
            self._settle(failure, delivery_unknown(f"{self.name}: {failure}", self._hint))
        elif isinstance(failure, TWError):
            self._settle(failure, failure)
        else:
            unsent, sent = (
                translate(failure, self.name, sent=sent, hint=self._hint) for sent in (False, True)
            )
            self._settle(unsent, sent, is_doubtful=is_lasting(failure))

    # Called on any thread

    def wait(self) -> T:
        """Wait for the result of the work and return it.

        Raises:
            TWError: The call failed, or its time is over.
        """
        left = self._deadline + _GRACE - time.monotonic()
        if not self._settled.wait(max(left, 0)):
            self.time_out(is_doubtful=True)
        outcome: _Outcome = self._decisions["outcome"]
        if outcome.errors is not None:
            raise outcome.errors[self._decisions.setdefault("is_sent", False)]
        value: T = outcome.value
        return value

    def time_out(self, *, is_doubtful: bool = False) -> None:
        """Fail the call: its time is over."""
        text = f"{self.name}: no answer from the vendor's SDK in time"
        self._end(text, TWTimeoutError, is_doubtful=is_doubtful)

    def close(self) -> None:
        """Fail the call: the Connection is closed."""
        self._end(f"{self.name}: the Connection is closed", TWClosedError)

    def crash(self, error: BaseException | None) -> None:
        """Fail the call: the vendor's connection has ended by itself."""
        cause = None if error is None else cause_of(error)
        text = f"{self.name}: the vendor's connection ended{f' with {cause}' if cause else ''}"
        self._end(text, TWConnectionError, cause, is_doubtful=True)

    def reject(self, error: TWError) -> None:
        """Fail the call: no connection could be opened.

        Each call raises its own copy of *error*: threads must not share an exception.
        """
        own = copy.copy(error)
        self._settle(own, own)

    def _end(
        self, text: str, kind: type[TWError], cause: str | None = None, *, is_doubtful: bool = False
    ) -> None:
        unsent, sent = kind(text, cause=cause), delivery_unknown(text, self._hint, cause)
        self._settle(unsent, sent, is_doubtful=is_doubtful)

    def _settle(self, unsent: TWError, sent: TWError, *, is_doubtful: bool = False) -> None:
        self._decide(_Outcome(errors=(unsent, sent), is_doubtful=is_doubtful))

    def _decide(self, outcome: _Outcome) -> None:
        self._decisions.setdefault("outcome", outcome)
        self._settled.open()

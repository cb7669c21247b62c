"""Blocking calls of the vendor's async SDK, from any thread."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._vendor.calls import Call
from teamwire_sync._vendor.errors import cause_of
from teamwire_sync._vendor.session import VendorSession
from teamwire_sync.exceptions import TWClosedError, TWConnectionError

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

# Seconds that `close` waits for the vendor's connection to be left.
_GOODBYE = 5.0

# Threads that are to end and have not, beside the one in use.
_MOST_LEFT = 4

# Of the parent of a forked process: what they hold is not to be closed by the child.
_left_behind: list[VendorSession] = []


class VendorThread:
    """Runs the vendor's SDK on a thread of its own, which begins with the first call.

    The loop is never that of a caller. When the vendor's connection has ended, or has shown that it
    may be of no use any more, the next call makes a new one; those under way keep theirs.

    Args:
        factory: Makes the vendor's connection.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._closed = False
        # A signal handler may close it in the thread that holds the lock.
        self._lock = threading.RLock()
        self._run: VendorSession | None = None
        self._runs: list[VendorSession] = []  # with those that have calls left
        weakref.finalize(self, _stop, self._runs).atexit = False
        on_fork(self)

    def after_fork(self) -> None:
        """Let the child make a connection of its own."""
        self._lock = threading.RLock()
        _left_behind.extend(self._runs)
        self._runs.clear()
        self._run = None

    def call(
        self,
        what: str,
        work: Callable[[Any, Call[T]], Coroutine[Any, Any, T]],
        *,
        deadline: float,
        find_out: str = "",
    ) -> T:
        """What *work* gives, which is done on the thread.

        Args:
            what: Its name, for errors.
            work: Is given the vendor's connection, and the call, whose `Call.sending` it calls
                before it changes anything on the server.
            deadline: The moment of `time.monotonic` by which it has to end.
            find_out: Says how to see whether a write was done.

        Raises:
            RuntimeError: It is this thread that calls, and would wait for itself.
            TWError: It failed, or its time is over.
        """
        call = Call(what, work, deadline=deadline, find_out=find_out)
        run: VendorSession | None = None
        try:
            run = self._submitted(call)
            return call.wait()
        except BaseException:
            # Ctrl-C, too. A task that has ended does not mind.
            call.close()
            if run is not None:
                run.cancel(call)
            raise

    def _submitted(self, call: Call[Any]) -> VendorSession:
        while True:
            with self._lock:
                if self._closed:
                    message = f"{call.what}: the Connection is closed"
                    raise TWClosedError(message)
                run = self._run
                if run is None or not run.is_open:
                    self._require_few(call)
                    return self._renewed(run, call)
                if run.is_here:
                    message = (
                        "a call inside of the vendor's SDK that it would wait for; don't use the "
                        "Connection in a logging handler of the vendor's package"
                    )
                    raise RuntimeError(message)
                if run.is_doubtful and self._has_few():
                    return self._renewed(run, call)
            if run.submit(call):
                return run

    def _require_few(self, call: Call[Any]) -> None:
        if not self._has_few():
            message = (
                f"{call.what}: the vendor's connections of before have not ended yet: something in "
                "its SDK hangs; try again later"
            )
            raise TWConnectionError(message)

    def _has_few(self) -> bool:
        # An SDK that hangs again and again shall not have a thread for each time.
        return sum(not run.join(0) for run in self._runs) <= _MOST_LEFT

    def _renewed(self, old: VendorSession | None, call: Call[Any]) -> VendorSession:
        run = VendorSession(self._factory)
        run.submit(call)  # before the thread starts, which may end at once
        self._runs[:] = [*(each for each in self._runs if not each.join(0)), run]
        self._run = run
        if old is not None:
            old.retire()
        try:
            run.start()
        except RuntimeError as error:  # there are too many, or Python is ending
            problem = cause_of(error)
        except BaseException:
            run.stop()  # Ctrl-C may come when it has begun
            raise
        else:
            return run
        run.stop()
        message = f"{call.what}: there is no thread for the vendor's SDK: {problem}"
        raise TWConnectionError(message, cause=problem)

    def close(self) -> None:
        """End all calls, leave the vendor's connection, and end the thread."""
        with self._lock:
            self._closed = True
            runs = list(self._runs)
        _stop(runs)
        ends_at = time.monotonic() + _GOODBYE
        for run in runs:
            if not run.is_here and not run.join(max(0.0, ends_at - time.monotonic())):
                text = (
                    "the thread of the vendor's SDK has not ended within %g s: something in it "
                    "blocks its event loop; it ends with the process"
                )
                logger.warning(text, _GOODBYE)
            run.let_go()
        with self._lock:
            self._runs.clear()


def _stop(runs: list[VendorSession]) -> None:
    for run in list(runs):
        run.stop()

"""Blocking calls of the vendor's async SDK, from any thread."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._vendor.errors import cause_of
from teamwire_sync._vendor.session import VendorSession
from teamwire_sync.exceptions import TWClosedError, TWConnectionError

if TYPE_CHECKING:
    from teamwire_sync._vendor.calls import Call

T = TypeVar("T")

# Seconds that `close` waits for the vendor's connection to be left.
_CLOSE_TIMEOUT = 5.0

# Threads that are to end and have not, beside the one in use.
_MAX_LINGERING = 4

# Of the parent of a forked process: what they hold is not to be closed by the child.
_parent_sessions: list[VendorSession] = []


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
        self._session: VendorSession | None = None
        self._sessions: list[VendorSession] = []  # with those that have calls left
        weakref.finalize(self, _stop, self._sessions).atexit = False
        on_fork(self)

    def after_fork(self) -> None:
        """Let the child make a connection of its own."""
        self._lock = threading.RLock()
        _parent_sessions.extend(self._sessions)
        self._sessions.clear()
        self._session = None

    def run(self, call: Call[T]) -> T:
        """Run *call* on the thread, and return what it came to.

        Raises:
            RuntimeError: It is this thread that calls, and would wait for itself.
            TWError: It failed, or its time is over.
        """
        session: VendorSession | None = None
        try:
            session = self._submit(call)
            return call.wait()
        except BaseException:
            # Ctrl-C, too. A task that has ended does not mind.
            call.close()
            if session is not None:
                session.cancel(call)
            raise

    def _submit(self, call: Call[Any]) -> VendorSession:
        while True:
            with self._lock:
                if self._closed:
                    message = f"{call.name}: the Connection is closed"
                    raise TWClosedError(message)
                session = self._session
                if session is None or not session.is_open:
                    if not self._has_room():
                        message = (
                            f"{call.name}: the vendor's connections of before have not ended yet: "
                            "something in its SDK hangs; try again later"
                        )
                        raise TWConnectionError(message)
                    return self._renew(session, call)
                if session.on_own_thread:
                    message = (
                        "a call inside of the vendor's SDK that it would wait for; don't use the "
                        "Connection in a logging handler of the vendor's package"
                    )
                    raise RuntimeError(message)
                if session.is_doubtful and self._has_room():
                    return self._renew(session, call)
            if session.submit(call):
                return session

    def _has_room(self) -> bool:
        # An SDK that hangs again and again shall not have a thread for each time.
        return sum(not session.join(0) for session in self._sessions) <= _MAX_LINGERING

    def _renew(self, old: VendorSession | None, call: Call[Any]) -> VendorSession:
        session = VendorSession(self._factory)
        session.submit(call)  # before the thread starts, which may end at once
        self._sessions[:] = [*(each for each in self._sessions if not each.join(0)), session]
        self._session = session
        if old is not None:
            old.drain()
        try:
            session.start()
        except RuntimeError as error:  # there are too many, or Python is ending
            problem = cause_of(error)
        except BaseException:
            session.stop()  # Ctrl-C may come when it has begun
            raise
        else:
            return session
        session.stop()
        message = f"{call.name}: there is no thread for the vendor's SDK: {problem}"
        raise TWConnectionError(message, cause=problem)

    def close(self) -> None:
        """End all calls, leave the vendor's connection, and end the thread."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions)
        _stop(sessions)
        ends_at = time.monotonic() + _CLOSE_TIMEOUT
        for session in sessions:
            if not session.on_own_thread and not session.join(max(0.0, ends_at - time.monotonic())):
                text = (
                    "the thread of the vendor's SDK has not ended within %g s: something in it "
                    "blocks its event loop; it ends with the process"
                )
                logger.warning(text, _CLOSE_TIMEOUT)
            session.detach()
        with self._lock:
            self._sessions.clear()


def _stop(sessions: list[VendorSession]) -> None:
    for session in list(sessions):
        session.stop()

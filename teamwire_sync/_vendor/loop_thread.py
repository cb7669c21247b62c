"""Blocking calls of the vendor's async SDK from any thread."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.waiting import is_inside, new_lock
from teamwire_sync._vendor.errors import cause_of
from teamwire_sync._vendor.session import VendorSession
from teamwire_sync.exceptions import TWClosedError, TWConnectionError

if TYPE_CHECKING:
    from teamwire_sync._vendor.calls import Call

T = TypeVar("T")

# Seconds that `close` waits for the vendor's connections to be closed.
_CLOSE_TIMEOUT = 5.0

# The limit on threads that were told to end and still run. The thread in use does not count.
_MAX_LINGERING = 4

_WAITS_FOR_ITSELF = (
    "a call from inside of the vendor's SDK would wait for itself; don't use the Connection in a "
    "logging handler of the vendor's package, or in a signal handler"
)

# The parent's sessions in a forked child. The references keep the child's garbage collector from
# closing sockets and event loops that the parent still uses.
_parent_sessions: list[VendorSession] = []


class VendorThread:
    """The thread of the vendor's SDK. It starts with the first call.

    The SDK never runs on a caller's event loop. If the vendor's connection has ended or may be
    broken, the next call opens a new connection on a new thread. Calls in progress stay on their
    connection.

    Args:
        factory: A callable that creates the vendor's connection.
    """

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory
        self._closed = False
        self._lock = new_lock()
        self._session: VendorSession | None = None
        self._sessions: list[VendorSession] = []  # the current one and earlier ones
        weakref.finalize(self, _stop, self._sessions).atexit = False
        on_fork(self)

    def after_fork(self) -> None:
        """Forget the parent's sessions: the child opens its own connection with its next call."""
        self._lock = new_lock()
        _parent_sessions.extend(self._sessions)
        self._sessions.clear()
        self._session = None

    def run(self, call: Call[T]) -> T:
        """Run *call* on the thread and return its result.

        Raises:
            RuntimeError: The caller runs on this thread and would wait for itself.
            TWError: The call failed, or its time is over.
        """
        session: VendorSession | None = None
        try:
            session = self._submit(call)
            return call.wait()
        except BaseException:
            # Also after Ctrl-C: a write without a caller must not be sent. Both calls have no
            # effect if the call is settled and its task has ended.
            call.close()
            if session is not None:
                session.cancel(call)
            raise

    def _submit(self, call: Call[Any]) -> VendorSession:
        if is_inside():
            raise RuntimeError(_WAITS_FOR_ITSELF)
        while True:
            with self._lock:
                if self._closed:
                    message = f"{call.name}: the Connection is closed"
                    raise TWClosedError(message)
                session = self._session
                if session is None or not session.is_open:
                    if not self._has_room():
                        message = (
                            f"{call.name}: earlier connections of the vendor's SDK have not ended "
                            "yet: something in the SDK hangs; try again later"
                        )
                        raise TWConnectionError(message)
                    return self._renew(session, call)
                if session.is_awaited_here:
                    raise RuntimeError(_WAITS_FOR_ITSELF)
                if session.is_doubtful and self._has_room():
                    return self._renew(session, call)
            if session.submit(call):
                return session

    def _has_room(self) -> bool:
        # Without this limit, an SDK that hangs repeatedly would leave ever more threads behind.
        return sum(not session.join(0) for session in self._sessions) <= _MAX_LINGERING

    def _renew(self, old: VendorSession | None, call: Call[Any]) -> VendorSession:
        session = VendorSession(self._factory)
        session.submit(call)  # before the start: a thread that has ended accepts no call
        try:
            self._sessions[:] = [*(each for each in self._sessions if not each.join(0)), session]
            self._session = session
            if old is not None:
                old.drain()
            session.start()
        except not_by_signal(RuntimeError) as error:  # too many threads, or Python is exiting
            problem = cause_of(error)
        except BaseException:
            session.stop()  # Ctrl-C may come after the thread has started
            raise
        else:
            if self._closed:  # `close` may have run before it could find the session
                session.stop()
            return session
        session.stop()
        message = f"{call.name}: no thread for the vendor's SDK could be started: {problem}"
        raise TWConnectionError(message, cause=problem)

    def close(self) -> None:
        """End all calls, close the vendor's connection and end the thread."""
        # Without the lock: a signal handler may call this while another thread has the lock, and
        # waits for a session whose lock this thread has.
        self._closed = True
        sessions = list(self._sessions)
        _stop(sessions)
        ends_at = time.monotonic() + _CLOSE_TIMEOUT
        for session in sessions:
            left = max(0.0, ends_at - time.monotonic())
            if not session.is_awaited_here and not session.join(left):
                text = (
                    "the thread of the vendor's SDK has not ended within %g s: something in the "
                    "SDK blocks its event loop; the thread ends with the process"
                )
                logger.warning(text, _CLOSE_TIMEOUT)
            session.detach()
        self._sessions.clear()


def _stop(sessions: list[VendorSession]) -> None:
    for session in list(sessions):
        session.stop()

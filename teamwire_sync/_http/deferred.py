"""A transport that is made when it is first needed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync._internal.fork import on_fork
from teamwire_sync._internal.imports import import_in_thread
from teamwire_sync._internal.secret import refuse_to_copy

if TYPE_CHECKING:
    from teamwire_sync._transport import Transport


class DeferredTransport:
    """Stands for the transport that *make* gives, for a program that may never ask the server.

    With a store that is the common case, and requests takes longer to import than all the rest.

    Args:
        make: Makes it; must not fail, since nobody expects that any more.
        identity: See `Transport`.
        text: The repr.
    """

    def __init__(self, make: Callable[[], Transport], *, identity: str | None, text: str) -> None:
        self.identity = identity
        self.on_unauthorized: Callable[[], None] = lambda: None
        self._make = make
        self._text = text
        self._lock = threading.Lock()
        self._made: Transport | None = None
        self._closed = False
        on_fork(self)

    def after_fork(self) -> None:
        """Make the lock anew, which a thread of the parent may have."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Let go of the sockets, if there ever were any."""
        with self._lock:
            self._closed, made = True, self._made
        if made is not None:
            made.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._transport(), name)

    def _transport(self) -> Transport:
        with self._lock:
            if self._made is None:
                import_in_thread("teamwire_sync._http.transport")
                made = self._make()
                made.on_unauthorized = self._refused
                if self._closed:
                    # It has to refuse, as one that was there before.
                    made.close()
                self._made = made
            return self._made

    def _refused(self) -> None:
        self.on_unauthorized()

    def __repr__(self) -> str:
        return self._text

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()

"""Fewer runs of the garbage collector while a response is converted to models.

A page of 500 chats is parsed into thousands of containers, which exist for a few milliseconds. They
would start the collector several times, and every hundredth run visits all objects of the program.
In a listing of 100,000 chats, these runs take a third of the CPU time.

The collector stays on, because nobody could switch it on again in all cases: an exception of a
signal handler may come before, or another part of the program switches it off at the same time.
Only the threshold of the youngest generation is higher for these milliseconds. Any program can run
with the higher threshold. A threshold that somebody else sets in this time stays as it is.
"""

from __future__ import annotations

import gc
from typing import Callable, TypeVar

from teamwire_sync._internal.fork import on_fork

T = TypeVar("T")

# The number of new containers that starts the collector. It is unlikely that a program sets the
# same number, so a threshold of this number is ours.
_HIGHER = 49_999


class _Threshold:
    """The threshold of the collector's youngest generation."""

    def __init__(self) -> None:
        self._usual = gc.get_threshold()[0]
        on_fork(self)

    def raised(self, work: Callable[[], T]) -> T:
        """Return the result of *work*, which runs with a higher threshold."""
        found = gc.get_threshold()[0]
        if not 0 < found <= _HIGHER:
            return work()  # 0 switches the collector off
        if found < _HIGHER:
            self._usual = found
        try:
            try:
                gc.set_threshold(_HIGHER)
                return work()
            finally:
                self.after_fork()
        finally:
            # Called twice because a signal handler may interrupt the first call; idempotent.
            self.after_fork()

    def after_fork(self) -> None:
        """Put the usual threshold back, which another thread of the parent may have raised."""
        # The first of several threads to end puts it back for all. The other threads are slower.
        if gc.get_threshold()[0] == _HIGHER:
            gc.set_threshold(self._usual)


_threshold = _Threshold()
with_fewer_collections = _threshold.raised

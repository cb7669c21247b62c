"""A signal whose handler raises an exception, such as the alarm of a program."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable

import pytest

from tests.support.waiting import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

# Windows has no signal that a thread can send to another one.
needs_signals = pytest.mark.skipif(
    not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1"
)


@contextmanager
def alarm(error: BaseException) -> Iterator[Callable[[], None]]:
    """Install a handler that raises *error* once. Yield a function that sends the signal."""
    came = False
    error.__traceback__ = None  # it may come from another test

    def handler(*_: object) -> None:
        nonlocal came
        if not came:
            came = True
            raise error

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield lambda: signal.raise_signal(signal.SIGUSR1)
    finally:
        came = True
        signal.signal(signal.SIGUSR1, before)


def raised_with_alarm(
    error: BaseException, call: Callable[[], Any], is_ready: Callable[[], object]
) -> BaseException:
    """Return what *call* raises if the handler raises *error* when *is_ready* returns."""
    ended = threading.Event()

    def ring() -> None:
        is_ready()
        # A signal that comes just before the main thread waits does not wake it.
        while not ended.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            ended.wait(0.01)

    with alarm(error), Threads(1) as workers:
        workers.start(ring)
        try:
            with pytest.raises(BaseException) as caught:  # noqa: PT011  any exception
                call()
        finally:
            ended.set()
    return caught.value

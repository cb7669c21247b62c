"""Waiting for other threads without guessing how long they need."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

PATIENCE = float(os.environ.get("TESTS_PATIENCE", "30"))


def wait_until(condition: Callable[[], bool]) -> None:
    """Return as soon as *condition* is true; fail the test when it never is."""
    give_up = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        pause.wait(0.001)


class Gate:
    """Whoever passes waits in it until it is opened."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._open = threading.Event()

    def __call__(self, *_: object) -> None:
        self._arrived.release()
        assert self._open.wait(PATIENCE), "the gate was never opened"

    def wait_arrived(self) -> None:
        """Return when one more has come."""
        assert self._arrived.acquire(timeout=PATIENCE), "nobody came"

    def open(self) -> None:
        """Let all pass, also those who come later."""
        self._open.set()


class Threads:
    """Runs calls side by side; leaving the block waits for them all."""

    def __init__(self, most: int = 64) -> None:
        self._pool = ThreadPoolExecutor(most)

    def __enter__(self) -> Threads:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def start(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """Start *call* in a thread of its own."""
        return self._pool.submit(call, *arguments)

"""Prevention of deadlocks: a thread must not wait for a thread that waits for it."""

from __future__ import annotations

import threading
from typing import Callable

_here = threading.local()


def work_for(is_awaited_by: Callable[[int], bool]) -> None:
    """Keep this thread from waiting for threads that wait for it.

    Args:
        is_awaited_by: A function that returns whether the thread with an identity (`get_ident`)
            waits for this thread.
    """
    _here.is_awaited_by = is_awaited_by


def works_for(thread: int) -> bool:
    """Return whether the thread with the identity *thread* waits for this thread."""
    is_awaited_by: Callable[[int], bool] | None = getattr(_here, "is_awaited_by", None)
    return is_awaited_by is not None and is_awaited_by(thread)

"""Threads that work for others, and so must not wait for them."""

from __future__ import annotations

import threading
from typing import Callable

_here = threading.local()


def work_for(is_awaited_by: Callable[[int], bool]) -> None:
    """Have this thread never wait for those that wait for it.

    Args:
        is_awaited_by: Whether the thread of an identity waits for this one.
    """
    _here.is_awaited_by = is_awaited_by


def works_for(thread: int) -> bool:
    """Whether the thread of the identity *thread* waits for this one."""
    is_awaited_by: Callable[[int], bool] | None = getattr(_here, "is_awaited_by", None)
    return is_awaited_by is not None and is_awaited_by(thread)

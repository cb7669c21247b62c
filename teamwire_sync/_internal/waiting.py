"""Threads that work for others, and so must not wait for them."""

from __future__ import annotations

import threading
from typing import Callable

# The name of an attribute of the thread. A threading.local would not do: all greenlets of gevent or
# eventlet would share one that was made before these packages replaced threads.
_ATTRIBUTE = "_teamwire_sync_is_awaited_by"


def work_for(is_awaited_by: Callable[[int], bool]) -> None:
    """Have this thread never wait for those that wait for it.

    Args:
        is_awaited_by: Whether the thread of an identity waits for this one.
    """
    setattr(threading.current_thread(), _ATTRIBUTE, is_awaited_by)


def works_for(thread: int) -> bool:
    """Whether the thread of the identity *thread* waits for this one."""
    is_awaited_by = getattr(threading.current_thread(), _ATTRIBUTE, None)
    return is_awaited_by is not None and is_awaited_by(thread)

"""Ctrl-C at any call."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from types import FrameType


def interrupt_at(number: int, files: tuple[str, ...], work: Callable[[], Any]) -> bool:
    """Do *work*, and raise KeyboardInterrupt when it enters the given function of *files*.

    Args:
        number: Of the call, counted from 1.
        files: Ends of the names of the files whose functions are counted.
        work: What is interrupted.

    Returns:
        Whether it came that far.
    """
    calls = 0

    def trace(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal calls
        if frame.f_code.co_filename.endswith(files):
            calls += 1
            if calls == number:
                raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False

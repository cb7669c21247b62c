"""The points of a call at which CPython may run a signal handler.

CPython runs handlers when a function begins, after a call, and when a loop jumps back. Python 3.9
runs them before nearly each instruction. For Python 3.9, the points are each line, and each
beginning of a function.
"""

from __future__ import annotations

import dis
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from types import CodeType, FrameType

_HAS_LINES = sys.version_info < (3, 10)


def place_of(frame: FrameType) -> str:
    """Return the end of the file's name, the line and the function."""
    parts = Path(frame.f_code.co_filename).parts[-2:]
    return f"{'/'.join(parts)}:{frame.f_lineno} in {frame.f_code.co_name}"


def points_of(code: CodeType, known: dict[CodeType, frozenset[int]] = {}) -> frozenset[int]:  # noqa: B006
    """Return the offsets of the instructions before which CPython checks for signals.

    After a call, CPython raises within the block of the call. A tracer raises in the block of the
    next instruction. If these are different blocks, a tracer can't do what CPython does.
    """
    found = known.get(code)
    if found is None:
        offsets, before = set(), None
        blocks = getattr(dis.Bytecode(code), "exception_entries", ())

        def block_of(offset: int) -> Any:
            return [one.target for one in blocks if one.start <= offset < one.end]

        for one in dis.get_instructions(code):
            is_after_call = before is not None and before.opname.startswith("CALL")
            if is_after_call and block_of(before.offset) == block_of(one.offset):
                offsets.add(one.offset)
            if one.opname.startswith("JUMP_") and isinstance(one.argval, int):
                offsets.update({one.argval} if one.argval <= one.offset else ())
            if one.opname not in {"CACHE", "PRECALL"}:
                before = one
        found = known[code] = frozenset(offsets)
    return found


def is_exempt(frame: FrameType) -> bool:
    """Return whether Python 3.9 does not check for signals here, because a block begins."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in {"SETUP_FINALLY", "SETUP_WITH"}


class Tracer:
    """Counts the points of a call, and calls *handler* at the point with the number *target*.

    Args:
        is_watched: A function that returns whether the points in a file with this name count.
        target: The number, from 1; 0 for none.
        handler: The signal handler.

    Attributes:
        count: The number of points so far.
        where: The place of the point with the number *target*; empty before this point.
    """

    def __init__(
        self,
        is_watched: Callable[[str], bool],
        target: int = 0,
        handler: Callable[[], object] = lambda: None,
    ) -> None:
        self.count, self.where = 0, ""
        self._is_watched, self._target, self._handler = is_watched, target, handler

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if not self._is_watched(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = not _HAS_LINES
        self._point(frame)
        return self._trace

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            is_point = frame.f_lasti in points_of(frame.f_code)
        else:
            is_point = _HAS_LINES and event == "line" and not is_exempt(frame)
        if is_point:
            self._point(frame)
        return self._trace

    def _point(self, frame: FrameType) -> None:
        self.count += 1
        if self.count == self._target:
            sys.settrace(None)
            self.where = place_of(frame)
            self._handler()

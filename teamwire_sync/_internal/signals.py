"""Exceptions that a signal handler of the program raises, such as the alarm of `signal.alarm`.

A handler runs between any two instructions, also in the middle of a read from a socket. It often
raises TimeoutError or another OSError, as the network does. Such an exception must reach the
program unchanged, and at once: no code may take it for a failure of its own.

The traceback shows which exceptions these are. Python calls a handler with two arguments, and the
second one is the frame that was interrupted. In the traceback, the same frame is the handler's
caller. No other function has its caller's frame as an argument. The rule misses a handler that
replaces its own argument, or that is written in C.
"""

from __future__ import annotations

import contextlib
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

E = TypeVar("E", bound=BaseException)

# The maximum number of chained exceptions to check. No library chains as many.
_MOST = 50


def is_by_signal(error: BaseException | None) -> bool:
    """Return whether a signal handler raised *error*."""
    caller, entry = None, error and error.__traceback__
    while entry:
        frame = entry.tb_frame
        # Handlers without names for their arguments have a tuple: ``def handler(*_)``.
        if caller and any(_holds(value, caller) for value in frame.f_locals.values()):
            return True
        caller, entry = frame, entry.tb_next
    return False


def _holds(value: Any, frame: object) -> bool:
    return value is frame or (type(value) is tuple and any(each is frame for each in value))


def not_by_signal(*kinds: type[E]) -> tuple[type[E], ...]:
    """Return *kinds*, or an empty tuple if a signal handler raised the present exception.

    Use it in an except clause: ``except not_by_signal(OSError) as error:``.
    """
    _, error, traceback = sys.exc_info()
    # A handler's exception has passed two functions at least. The check makes misses faster.
    return () if traceback and traceback.tb_next and is_by_signal(error) else kinds


def files_of_stack() -> list[str]:
    """Return the files of the functions that this thread is in, the innermost function first."""
    files, frame = [], sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        files.append(frame.f_code.co_filename)
    return files


class suppress(contextlib.suppress):  # noqa: N801  the name of the class that it replaces
    """`contextlib.suppress`, except for exceptions that a signal handler raised."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        return bool(super().__exit__(kind, error, traceback)) and not is_by_signal(error)


@contextmanager
def unwrapped() -> Iterator[None]:
    """Surround calls of another library, which may raise a handler's exception as one of its own.

    Raises:
        Exception: The exception of the signal handler, as the handler raised it.
    """
    # The caller may be handling an exception, which does not come from the block.
    before = sys.exc_info()[1]
    try:
        yield
    except Exception as error:
        found, each = None, error.__context__
        for _ in range(_MOST):
            if each is None or each is before:
                break
            # Take the innermost one: urllib3 copies its traceback to the errors that wrap it.
            if is_by_signal(each):
                found = each
            each = each.__context__
        if found is None:
            raise
        context = found.__context__
        try:
            raise found
        finally:
            # The other library's exception may hold the request, and so the Secret.
            found.__context__ = context

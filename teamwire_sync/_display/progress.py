"""Progress of long calls: the caller's callback, or a progress bar."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Callable, Union

from teamwire_sync._display.extras import import_extra
from teamwire_sync._internal.validation import require_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

Callback = Callable[[int, int], object]
Progress = Union[bool, Callback, None]


def counted(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """Return a context manager: its callback receives the numbers of pages and of items so far.

    Raises:
        TypeError: *progress* is neither a callback nor True, False or None.
        ImportError: *progress* is True, and tqdm is missing. The text says what to install.
    """
    return _callback(progress, lambda _pages, items: (items, None), desc="listing", unit=f" {what}")


def moved(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """Return a context manager: its callback receives the bytes so far and the total of bytes.

    Raises:
        TypeError: *progress* is neither a callback nor True, False or None.
        ImportError: *progress* is True, and tqdm is missing. The text says what to install.
    """
    return _callback(
        progress,
        lambda done, total: (done, total),
        desc=what,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
    )


@contextmanager
def _callback(
    progress: Progress, place_of: Callable[[int, int], tuple[int, int | None]], **options: Any
) -> Iterator[Callback]:
    """Yield the callback for *progress*.

    Args:
        progress: The argument of the caller.
        place_of: A function that converts the callback's arguments to the position and the end of a
            bar. The end may be None.
        options: The options of the bar.
    """
    require_progress(progress)
    if progress is not True:
        yield progress or (lambda *_: None)
        return
    make = import_extra("tqdm.auto", needed_by="progress=True").tqdm
    with ExitStack() as stack:
        bars: list[Any] = []

        def move(*news: int) -> None:
            done, total = place_of(*news)
            # The first call creates the bar: in a notebook, a bar that is created without a total
            # never gets one.
            if not bars:
                bars.append(stack.enter_context(make(total=total, **options)))
            bars[0].update(done - bars[0].n)

        yield move

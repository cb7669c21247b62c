"""Progress of long calls: the caller's callback, or a progress bar."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Callable, Union

from teamwire_sync._display.extras import import_extra
from teamwire_sync._internal.signals import suppress
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
    progress = require_progress(progress)
    if progress is not True:
        yield progress or (lambda *_: None)
        return
    make = import_extra("tqdm.auto", needed_by="progress=True").tqdm
    bars: list[Any] = []

    def move(*news: int) -> None:
        done, total = place_of(*news)
        # A call does not fail because its bar can't be drawn. Windows programs without a console
        # have no sys.stderr, and the reader of a pipe may have closed it.
        with suppress(Exception):
            # The first call creates the bar: in a notebook, a bar that is created without a total
            # never gets one.
            if not bars:
                bars.append(make(total=total, **options))
            bars[0].update(done - bars[0].n)

    try:
        yield move
    finally:
        with suppress(Exception):
            for bar in bars:
                bar.close()

"""Progress of calls that take long: the caller's callback, or a bar."""

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
    """The callback for *progress*, which is told of pages and of items so far.

    Raises:
        TypeError: *progress* is neither a callback nor True nor False.
        ImportError: There is no tqdm for True; the text says what to install.
    """
    return _callback(progress, lambda _pages, items: (items, None), desc="listing", unit=f" {what}")


def moved(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """The callback for *progress*, which is told of the bytes so far and of all of them.

    Raises:
        TypeError: *progress* is neither a callback nor True nor False.
        ImportError: There is no tqdm for True; the text says what to install.
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
    """The callback for *progress*.

    Args:
        progress: What the caller gave.
        place_of: Where a bar stands, and where it ends, as the callback is told.
        options: Those of the bar.
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
            # A bar appears with the first news. In a notebook, a bar that was made without a total
            # never has one.
            if not bars:
                bars.append(stack.enter_context(make(total=total, **options)))
            bars[0].update(done - bars[0].n)

        yield move

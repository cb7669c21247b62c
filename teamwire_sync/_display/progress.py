"""Progress of long calls: the caller's callback, or a progress bar."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Callable, Union

from teamwire_sync._display.extras import import_extra
from teamwire_sync._internal.signals import suppress
from teamwire_sync._internal.validation import require_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

Callback = Callable[..., object]
Progress = Union[bool, Callable[[int, int], object], None]

# Without a total, a notebook draws a full bar: only the numbers are shown.
_COUNTER = "{desc}: {n_fmt}{unit} [{elapsed}, {rate_fmt}]"


def counted(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """Return a context manager for a listing of the items *what*.

    Its callback receives the numbers of pages and of items so far, and the number of all items or
    None. A caller's callback receives the first two.

    Raises:
        TypeError: *progress* is neither a callback nor True, False or None.
        ImportError: *progress* is True, and tqdm is missing. The text says what to install.
    """
    told = require_progress(progress)
    if told is True:
        return _bar(desc="listing", unit=f" {what}")
    return nullcontext(lambda pages, items, _total: callable(told) and told(pages, items))


def moved(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """Return a context manager: its callback receives the bytes so far and the total of bytes.

    Raises:
        TypeError: *progress* is neither a callback nor True, False or None.
        ImportError: *progress* is True, and tqdm is missing. The text says what to install.
    """
    told = require_progress(progress)
    if told is True:
        return _bar(desc=what, unit="B", unit_scale=True, unit_divisor=1024)
    return nullcontext(told if callable(told) else lambda *_: None)


@contextmanager
def _bar(**options: Any) -> Iterator[Callback]:
    """Yield a callback that moves a bar. Its last two arguments are the bar's position and end."""
    make = import_extra("tqdm.auto", needed_by="progress=True").tqdm
    bars: list[Any] = []

    def move(*news: int | None) -> None:
        done, total = news[-2:]
        # A call does not fail because its bar can't be drawn. Windows programs without a console
        # have no sys.stderr, and the reader of a pipe may have closed it.
        with suppress(Exception):
            # The first call creates the bar: in a notebook, a bar that is created without a total
            # never gets one.
            if not bars:
                bar_format = None if total else _COUNTER
                # Not part of the rate, because nothing measured how long the first items took.
                bars.append(make(initial=done, total=total, bar_format=bar_format, **options))
                if not total and hasattr(bars[0], "container"):
                    bars[0].container.children[1].layout.display = "none"
            # reset() would show 0 %, and restart the clock.
            if bars[0].total and total:
                bars[0].total = total
                if hasattr(bars[0], "container"):
                    bars[0].container.children[1].max = total
            bars[0].update(done - bars[0].n)

    try:
        yield move
    finally:
        with suppress(Exception):
            for bar in bars:
                bar.close()

"""Progress of calls that take long: the caller's callback, or a bar."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Union

from teamwire_sync._display.extras import import_extra
from teamwire_sync._internal.validation import require_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

Callback = Callable[[int, int], object]
Progress = Union[bool, Callback, None]


def counted(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """The callback for *progress*, which is told of pages and of items so far.

    Raises:
        TypeError: *progress* is neither a callback nor True nor False.
        ImportError: There is no tqdm for True; the text says what to install.
    """
    options = {"desc": "listing", "unit": f" {what}"}
    return _callback(progress, lambda bar: lambda _pages, items: bar.move(items), options)


def moved(progress: Progress, what: str) -> AbstractContextManager[Callback]:
    """The callback for *progress*, which is told of the bytes so far and of all of them.

    Raises:
        TypeError: *progress* is neither a callback nor True nor False.
        ImportError: There is no tqdm for True; the text says what to install.
    """
    options = {"desc": what, "unit": "B", "unit_scale": True, "unit_divisor": 1024}
    return _callback(progress, lambda bar: bar.move, options)


@contextmanager
def _callback(
    progress: Progress, move_of: Callable[[_Bar], Callback], options: dict[str, Any]
) -> Iterator[Callback]:
    require_progress(progress)
    if progress is True:
        with closing(_Bar(**options)) as bar:
            yield move_of(bar)
    else:
        yield progress or (lambda *_: None)


class _Bar:
    """A bar that appears when there is something to tell: where nothing is asked, there is none."""

    def __init__(self, **options: Any) -> None:
        self._make = partial(import_extra("tqdm.auto", needed_by="progress=True").tqdm, **options)
        self._bar: Any = None

    def move(self, done: int, total: int | None = None) -> None:
        if self._bar is None:
            # In a notebook, a bar that was made without a total never has one.
            self._bar = self._make(total=total)
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

"""Progress of calls that take long: the caller's callback, or a bar."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Union

from teamwire_sync._arguments import require_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

Callback = Callable[[int, int], object]
Progress = Union[bool, Callback, None]


@contextmanager
def counted(progress: Progress, what: str) -> Iterator[Callback | None]:
    """The callback for *progress*, which is told of pages and of items so far.

    Raises:
        TypeError: *progress* is neither a callback nor True nor False.
        ImportError: There is no tqdm for True; the text says what to install.
    """
    with _callback(progress, desc=what, unit="") as (bar, callback):
        yield callback if bar is None else lambda _pages, items: bar.update(items - bar.n)


@contextmanager
def moved(progress: Progress, what: str) -> Iterator[Callback | None]:
    """The callback for *progress*, which is told of the bytes so far and of all of them.

    Raises:
        TypeError: *progress* is neither a callback nor True nor False.
        ImportError: There is no tqdm for True; the text says what to install.
    """
    options = {"desc": what, "unit": "B", "unit_scale": True, "unit_divisor": 1024}
    with _callback(progress, **options) as (bar, callback):

        def move(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield callback if bar is None else move


@contextmanager
def _callback(progress: Progress, **options: Any) -> Iterator[tuple[Any, Callback | None]]:
    if progress is True:
        with _tqdm()(**options) as bar:
            yield bar, None
        return
    require_progress(progress)
    yield None, None if progress is False else progress


def _tqdm() -> Any:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tqdm":
            raise
    else:
        return tqdm
    message = "progress=True needs tqdm: pip install 'teamwire_sync[notebook]'"
    raise ImportError(message, name="tqdm")

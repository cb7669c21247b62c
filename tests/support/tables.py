"""Rows of a table that one test goes through."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable


def unlike(
    call: Callable[[Any], object],
    rows: Iterable[tuple[Any, type[BaseException], str]],
    check: Callable[[BaseException], object] = lambda _error: None,
) -> list[str]:
    """For which of *rows* *call* does not raise such an error, and what it does instead.

    A row is what is given, the kind of the error, and what is found in its text.
    """
    done = [
        (given, instead_of(kind, text, partial(call, given), check)) for given, kind, text in rows
    ]
    assert done, "there are no rows"
    return [f"{given!r}: {what}" for given, what in done if what is not None]


def instead_of(
    kind: type[BaseException],
    text: str,
    call: Callable[[], object],
    check: Callable[[BaseException], object] = lambda _error: None,
) -> str | None:
    """What *call* does instead of raising an error of *kind* that *check* lets pass, if it does."""
    try:
        result = call()
    except kind as error:
        if re.search(text, str(error)) is None:
            return f"{error!r} is not like {text!r}"
        try:
            check(error)
        except AssertionError as wrong:
            return str(wrong)
        return None
    except Exception as error:  # noqa: BLE001  the next rows are looked at, too
        return repr(error)
    return f"gave {result!r}"

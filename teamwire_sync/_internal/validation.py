"""Checks of what callers give, before any request."""

from __future__ import annotations

import threading
from reprlib import repr as short_repr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """Raise unless *value* is a finite number of seconds above zero, or zero where *zero* allows.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        message = f"{name} must be a number of seconds, not {type(value).__name__}"
        raise TypeError(message)
    # No socket and no lock can wait longer than TIMEOUT_MAX; nan fails both comparisons.
    if not 0 <= value <= threading.TIMEOUT_MAX or (value == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        limits = f"{least} and at most {threading.TIMEOUT_MAX:,.0f} seconds"
        message = f"{name} must be {limits}, got {short_repr(value)}"
        raise ValueError(message)


def require_str(value: object, name: str) -> None:
    """Raise TypeError unless *value* is a str."""
    if not isinstance(value, str):
        message = f"{name} must be a str, not {type(value).__name__}"
        raise TypeError(message)


def require_text(
    value: object, name: str, *, empty: bool = True, optional: bool = False, most: int | None = None
) -> None:
    """Raise unless *value* is a text that can be sent.

    Args:
        value: The value.
        name: What the error calls it.
        empty: Whether it may be empty.
        optional: Whether it may be None.
        most: How many characters it may have.

    Raises:
        TypeError: It is no str.
        ValueError: It is empty, too long, or no Unicode text.
    """
    if value is None and optional:
        return
    require_str(value, name)
    text = str(value)
    if not text and not empty:
        message = f"{name} is empty"
        raise ValueError(message)
    if most is not None and len(text) > most:
        message = f"{name} must have at most {most} characters, not {len(text):,}"
        raise ValueError(message)
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return
    message = f"{name} has half of a surrogate pair in it, which is no Unicode text"
    raise ValueError(message)


def require_bool(value: bool, name: str) -> bool:
    """*value*.

    Raises:
        TypeError: It is neither True nor False.
    """
    if not isinstance(value, bool):
        message = f"{name} must be True or False, not {type(value).__name__}"
        raise TypeError(message)
    return value


def require_number(value: object, name: str, least: float, most: float) -> None:
    """Raise unless *value* is a number from *least* to *most*.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        message = f"{name} must be a number, not {type(value).__name__}"
        raise TypeError(message)
    if not least <= value <= most:  # what is no number fails both comparisons
        message = f"{name} must be from {least:g} to {most:g}, got {value!r}"
        raise ValueError(message)


def require_count(value: object, name: str) -> None:
    """Raise unless *value* is a whole number above zero.

    Raises:
        TypeError: It is no int.
        ValueError: It is below one.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(message)
    if value < 1:
        message = f"{name} must be 1 or more, got {value}"
        raise ValueError(message)


def require_date(value: datetime, name: str) -> None:
    """Raise unless *value* is a moment that means the same everywhere.

    Raises:
        TypeError: It is no datetime.
        ValueError: It is without a time zone.
    """
    from datetime import datetime  # noqa: PLC0415  only for this

    if not isinstance(value, datetime):
        message = f"{name} must be a datetime, not {type(value).__name__}"
        raise TypeError(message)
    if value.utcoffset() is None:
        message = f"{name} is without a time zone: give it one, or {name}.astimezone() for this one"
        raise ValueError(message)


def require_progress(value: object) -> None:
    """Raise TypeError unless *value* is what an argument `progress` may be."""
    if value is not None and not isinstance(value, bool) and not callable(value):
        message = f"progress must be True, False or callable, not {type(value).__name__}"
        raise TypeError(message)


def require_id(value: object, name: str) -> str:
    """*value*, an id.

    Raises:
        TypeError: It is no str.
        ValueError: It is empty, or no Unicode text.
    """
    if not isinstance(value, str):
        message = f"{name} must be a str, not {type(value).__name__}: ids are opaque strings"
        raise TypeError(message)
    require_text(value, name, empty=False)
    return value

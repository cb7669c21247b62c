"""Checks of the arguments of callers, before any request."""

from __future__ import annotations

import threading
from operator import index
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.signals import not_by_signal, suppress

if TYPE_CHECKING:
    import datetime
    import numbers
else:
    datetime = LazyModule("datetime")
    numbers = LazyModule("numbers")

_BUILTIN = (str, bool, int, float, type(None))


def plain(value: Any) -> Any:
    """Return *value* as an int, a float or a bool if it is a number or flag of another type.

    The types of numpy, for example, are neither JSON nor precise: in numpy, a Python float plus a
    float32 is a float32. Other values are returned unchanged.
    """
    kind = type(value)
    if kind in _BUILTIN:
        return value
    # numpy.bool_ has no base class in common with bool, and numpy need not be installed.
    if kind.__name__ in {"bool", "bool_"} and hasattr(kind, "__bool__"):
        return bool(value)
    # A Decimal is a Number, but not Real. An array of numpy with one number has an index.
    is_number = isinstance(value, numbers.Number) and not isinstance(value, numbers.Complex)
    # numpy.timedelta64 counts as a whole number, but has no unit that we know.
    with suppress(TypeError, ValueError, OverflowError):
        if isinstance(value, numbers.Integral) or hasattr(kind, "__index__"):
            return index(value)
        if is_number or isinstance(value, numbers.Real):
            return float(value)
    return value


def _require_type(value: object, kinds: type | tuple[type, ...], name: str, what: str) -> Any:
    value = plain(value)
    # In Python, bool is a subclass of int.
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        message = f"{name} must be {what}, not {type(value).__name__}"
        raise TypeError(message)
    return value


def check_seconds(name: str, value: Any, *, zero: bool = False) -> float:
    """Return *value*, a finite number of seconds above zero, or zero if *zero* is set.

    Raises:
        TypeError: *value* is not a number.
        ValueError: *value* is out of range.
    """
    seconds: float = _require_type(value, (int, float), name, "a number of seconds")
    # A socket or a lock can't wait longer than TIMEOUT_MAX. NaN fails both comparisons.
    if not 0 <= seconds <= threading.TIMEOUT_MAX or (seconds == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        limits = f"{least} and at most {threading.TIMEOUT_MAX:,.0f} seconds"
        message = f"{name} must be {limits}, got {short_repr(seconds)}"
        raise ValueError(message)
    return seconds


def require_str(value: object, name: str) -> None:
    """Raise TypeError unless *value* is a str."""
    _require_type(value, str, name, "a str")


def is_unicode(text: str) -> bool:
    """Return whether *text* is valid Unicode, so that it can be sent."""
    try:
        text.encode()
    except not_by_signal(UnicodeEncodeError):
        return False
    return True


def as_unicode(text: str) -> str:
    """Return *text* with U+FFFD in place of each half of a surrogate pair."""
    if is_unicode(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def require_text(
    value: Any, name: str, *, empty: bool = True, optional: bool = False, most: int | None = None
) -> None:
    """Raise unless *value* is a text that can be sent.

    Args:
        value: The value.
        name: The name of the value in error messages.
        empty: Whether the value may be empty.
        optional: Whether the value may be None.
        most: The maximum number of characters, or None for no limit.

    Raises:
        TypeError: *value* is not a str.
        ValueError: *value* is empty, too long, or not valid Unicode.
    """
    if value is None and optional:
        return
    require_str(value, name)
    problem = None
    if not value and not empty:
        problem = "is empty"
    elif most is not None and len(value) > most:
        problem = f"must have at most {most} characters, not {len(value):,}"
    elif not is_unicode(value):
        problem = "has half of a surrogate pair in it, which is not valid Unicode"
    if problem:
        message = f"{name} {problem}"
        raise ValueError(message)


def require_bool(value: bool, name: str) -> bool:
    """Return *value*.

    Raises:
        TypeError: *value* is neither True nor False.
    """
    return bool(_require_type(value, bool, name, "True or False"))


def require_number(value: Any, name: str, least: float, most: float) -> float:
    """Return *value*, a number from *least* to *most*.

    Raises:
        TypeError: *value* is not a number.
        ValueError: *value* is out of range.
    """
    number: float = _require_type(value, (int, float), name, "a number")
    if not least <= number <= most:  # NaN fails both comparisons
        message = f"{name} must be from {least:g} to {most:g}, got {number!r}"
        raise ValueError(message)
    return number


def require_count(value: Any, name: str, least: int = 1) -> int:
    """Return *value*, a whole number of at least *least*.

    Raises:
        TypeError: *value* is not an int.
        ValueError: *value* is below *least*.
    """
    count = int(_require_type(value, int, name, "an int"))
    if count < least:
        message = f"{name} must be {least} or more, got {count}"
        raise ValueError(message)
    return count


def require_date(value: Any, name: str) -> None:
    """Raise unless *value* is a datetime with a time zone.

    Raises:
        TypeError: *value* is not a datetime.
        ValueError: *value* has no time zone, or is the missing date of pandas.
    """
    _require_type(value, datetime.datetime, name, "a datetime")
    if value != value:  # noqa: PLR0124  NaT, the missing date of pandas
        message = f"{name} is {value}, which is not a date"
        raise ValueError(message)
    if value.utcoffset() is None:
        message = (
            f"{name} has no time zone: use {name}.astimezone() for the local one, or set tzinfo"
        )
        raise ValueError(message)


def require_progress(value: Any) -> Any:
    """Return *value*, an argument ``progress``.

    Raises:
        TypeError: *value* is neither None, nor a bool, nor callable.
    """
    if value is None or callable(value):
        return value
    return _require_type(value, bool, "progress", "True, False or callable")


def require_id(value: object, name: str) -> str:
    """Return *value*, which is an ID.

    Raises:
        TypeError: *value* is not a str.
        ValueError: *value* is empty, or not valid Unicode.
    """
    if not isinstance(value, str):
        message = f"{name} must be a str, not {type(value).__name__}: ids are opaque strings"
        raise TypeError(message)
    require_text(value, name, empty=False)
    return value

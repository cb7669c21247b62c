"""Checks of what callers give, before any request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Callable

from teamwire_sync._cache.single_flight import deadline_after
from teamwire_sync._config import check_seconds
from teamwire_sync._models.people import Group, User

if TYPE_CHECKING:
    from datetime import datetime


def deadline_of(timeout: float | None) -> float | None:
    """The moment at which a call with the argument *timeout* has to end.

    Raises:
        TypeError: *timeout* is no number.
        ValueError: It is not above zero.
    """
    if timeout is not None:
        check_seconds("timeout", timeout)
    return deadline_after(timeout)


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


def user_ids(given: Iterable[User | str], name: str) -> tuple[str, ...]:
    """The ids of the users and user ids *given*, each once.

    Raises:
        TypeError: *given* is no list of them.
        ValueError: An id is empty.
    """
    return _ids(given, name, User, lambda user: user.uid)


def group_ids(given: Iterable[Group | str], name: str) -> tuple[str, ...]:
    """The ids of the groups and group ids *given*, each once.

    Raises:
        TypeError: *given* is no list of them.
        ValueError: An id is empty.
    """
    return _ids(given, name, Group, lambda group: group.gid)


def _ids(
    given: Iterable[User | str] | Iterable[Group | str],
    name: str,
    kind: type[User | Group],
    id_of: Callable[..., str],
) -> tuple[str, ...]:
    if isinstance(given, (str, bytes, User, Group)) or not isinstance(given, Iterable):
        message = (
            f"{name} must be a list of {kind.__name__} objects or ids, not {type(given).__name__}"
        )
        raise TypeError(message)
    ids = []
    for number, item in enumerate(given):
        if isinstance(item, kind):
            identifier = id_of(item)
        elif isinstance(item, str):
            identifier = item
        else:
            wanted = f"{name}[{number}] must be a {kind.__name__} or its id"
            hint = f" (get_{kind.__name__.lower()} gives None when there is none)"
            message = f"{wanted}, not {type(item).__name__}{hint if item is None else ''}"
            raise TypeError(message)
        require_text(identifier, f"{name}[{number}]", empty=False)
        ids.append(identifier)
    return tuple(dict.fromkeys(ids))

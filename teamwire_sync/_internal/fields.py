"""Checks of the JSON that a server sent, before it is converted to models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from operator import itemgetter
from typing import Any

from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import is_unicode
from teamwire_sync.exceptions import TWProtocolError

STRING = (str,)
OPTIONAL = (str, type(None))
FLAG = (bool,)
NUMBER = (int,)
FLOAT = (int, float)
ARRAY = (list,)
OBJECT = (dict,)
OPTIONAL_OBJECT = (dict, type(None))
_NESTING = (list, dict)

Fields = Mapping[str, tuple[type, ...]]

# Milliseconds since 1970-01-01 UTC, for the years 1 to 9999 of datetime.
_TIMESTAMPS = range(-62_135_596_800_000, 253_402_300_800_000)

REVISION = "revision"
_revision = itemgetter(REVISION)
_NUMBERED: Fields = {REVISION: NUMBER}

_TYPE_NAMES = {
    str: "a string",
    type(None): "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "an array",
    dict: "an object",
}

# Comparison, pickling and repr of a value are recursive.
_MOST_LEVELS = 50


def checked(value: Any, kind: str, fields: Fields) -> dict[str, Any]:
    """Return *value* if it is an object with *fields*, else raise. It may have more fields."""
    if not isinstance(value, dict):
        message = f"{kind} is {_type_name(value)} where an object should be"
        raise TWProtocolError(message)
    for name, types in fields.items():
        if name not in value:
            message = f'{kind} without "{name}"'
            raise TWProtocolError(message)
        if type(value[name]) not in types:
            should = " or ".join(_TYPE_NAMES[each] for each in types)
            message = f'"{name}" of {kind} is {_type_name(value[name])}, not {should}'
            raise TWProtocolError(message)
    return value


def rest_of(value: Any, kind: str, fields: Fields, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return *value* with the default for each field that is missing or malformed.

    Raises:
        TWProtocolError: *value* is not an object, or a field without a default is malformed.
    """
    checked(value, kind, {name: fields[name] for name in fields if name not in defaults})
    with suppress(TWProtocolError):
        defaults = {**defaults, **dict(extra_of(value, fields))}
    good = {name: value[name] for name in value if type(value[name]) in fields.get(name, ())}
    return {**defaults, **good}


def _type_name(value: Any) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)


def unknown(raws: list[Any], key: str, known: Mapping[str, Any]) -> list[Any]:
    """Return the objects in *raws* whose *key* is not in *known*; on most pages they are few."""
    try:
        return [raw for raw in raws if raw[key] not in known]
    except not_by_signal(KeyError, TypeError):
        return raws  # one of them is malformed, and the check of each object raises for it


def is_time(milliseconds: int) -> bool:
    """Return whether *milliseconds* are a date."""
    return milliseconds in _TIMESTAMPS


def is_revision(value: Any) -> bool:
    """Return whether *value* can be a revision."""
    return type(value) is int and 0 <= value < 2**63


def checked_time(value: Mapping[str, Any], name: str, kind: str) -> int:
    """Return the milliseconds in the field *name* of *value*, or raise if they are not a date."""
    time: int = value[name]
    if not is_time(time):
        message = f'"{name}" of {kind} is not a date'
        raise TWProtocolError(message)
    return time


def checked_revisions(values: Sequence[Mapping[str, Any]], kind: str) -> Sequence[int | None]:
    """Return the revision of each of *values*; an empty sequence if none of them has one.

    A value that is not an object counts as one without a revision. A later check refuses it.
    """
    try:
        # This has no loop in Python code, because there may be 10,000 chats.
        revisions = list(map(_revision, values))
    except not_by_signal(KeyError, TypeError):
        numbered = [type(value) is dict and REVISION in value for value in values]
        if not checked_revisions(list(compress(values, numbered)), kind):
            return ()
        return [value[REVISION] if has else None for value, has in zip(values, numbered)]
    if revisions and not (
        set(map(type, revisions)) == {int} and min(revisions) >= 0 and max(revisions) < 2**63
    ):
        for value in values:
            checked(value, kind, _NUMBERED)
        message = f'"{REVISION}" of {kind} is not from 0 to 2**63 - 1'
        raise TWProtocolError(message)
    return revisions


def checked_cursor(value: Mapping[str, Any], name: str, kind: str) -> str | None:
    """Return the cursor in the field *name* of *value*, or raise if it can't be sent back."""
    cursor: str | None = value[name]
    if cursor is not None and not is_unicode(cursor):
        message = f'"{name}" of {kind} has half of a surrogate pair'
        raise TWProtocolError(message)
    return cursor


def extra_of(value: Mapping[str, Any], fields: Fields) -> tuple[tuple[str, Any], ...]:
    """Return the names and values in *value* that are not in *fields*."""
    if len(value) == len(fields):
        return ()
    extra = tuple((name, value[name]) for name in value if name not in fields)
    levels, level = 0, [more for _, more in extra if type(more) in _NESTING]
    while level:
        levels += 1
        if levels > _MOST_LEVELS:
            message = f"an unknown field is nested in more than {_MOST_LEVELS} levels"
            raise TWProtocolError(message)
        level = [inner for each in level for inner in _inside(each) if type(inner) in _NESTING]
    return extra


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if type(value) is dict else value

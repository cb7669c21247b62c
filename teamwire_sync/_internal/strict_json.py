"""Strict JSON, with limits on the numbers of values, digits and levels."""

from __future__ import annotations

import json
import re
import sys
from codecs import BOM_UTF8
from operator import itemgetter
from typing import Any, Callable, NoReturn

from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWProtocolError

# Bytes: a document of this size can't have too many values.
SMALL = 2**20
# Digits: every Python converts a number of this length, even at the lowest limit.
_MOST_DIGITS = 640
# The limit of this Python on digits; 0 for none. Releases before September 2022 have none.
_limit_of_digits: Callable[[], int] = getattr(sys, "get_int_max_str_digits", lambda: 0)
# A group of 100,000 members has 700,000 values. In memory, a value may be ten times larger than in
# the JSON text.
_MOST_VALUES = 2_000_000
# The escapes of JSON for a backslash, a surrogate pair, and half of a pair, which is group 1.
_SURROGATES = re.compile(r"\\(?:\\|u[dD](?:[89abAB]..\\u[dD][c-fC-F]..|([89a-fA-F]..)))")
# A cursor that a URL can hold. Without the limit, a long text would take gigabytes.
_CURSOR = r'"(?:cursor|next_cursor|next_before)"\s*:\s*"(?:[^"\\]|\\.){0,4096}'


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        message = "too many digits"
        raise ValueError(message)
    return int(digits)


def _no_number(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


_limited = json.JSONDecoder(parse_constant=_no_number).decode
_counting = json.JSONDecoder(parse_int=_whole_number, parse_constant=_no_number).decode


def parse_json(text: str) -> Any:
    """Return the JSON document in *text*.

    Raises:
        ValueError: The text is no JSON, or a number has too many digits.
        RecursionError: The document has too many levels.
    """
    # A call for each number would make a listing 3 % slower.
    return (_limited if _limit_of_digits() else _counting)(text)


def printable(text: str) -> str:
    """Return the JSON *text* with U+FFFD in place of each half of a surrogate pair.

    Programs cut texts in the middle of an emoji. JSON can represent the rest, but it can't be
    printed, stored or sent. Cursors do not change: `checked_cursor` refuses them, because a changed
    cursor means another place.
    """
    # Most documents have no backslash, which is found fast, and almost all have no half.
    if "\\" in text and any(map(itemgetter(1), _SURROGATES.finditer(text))):
        pattern = f"{_CURSOR}|{_SURROGATES.pattern}"
        text = re.sub(pattern, lambda match: r"\ufffd" if match[1] else match[0], text)
    return text


def decode_json(body: bytes) -> Any:
    """Return the JSON document in *body*, which is always UTF-8 (RFC 8259, 8.1).

    The Content-Type of the response does not matter. All texts but cursors are valid Unicode.

    Raises:
        TWProtocolError: *body* is not JSON, or has too many values.
    """
    if len(body) > SMALL and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        message = f"the answer has more than {_MOST_VALUES:,} values"
        raise TWProtocolError(message)
    try:
        return parse_json(printable(str(body.removeprefix(BOM_UTF8), "utf-8")))
    except not_by_signal(ValueError, RecursionError):
        pass
    message = "the answer is not JSON" if body else "the answer is empty"
    raise TWProtocolError(message)

"""Strict JSON, with limits on the numbers of values, digits and levels."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any, NoReturn

from teamwire_sync.exceptions import TWProtocolError

# Bytes: a document of this size can't have too many values.
SMALL = 2**20
# Digits: every Python converts a number of this length, even at the lowest limit.
_MOST_DIGITS = 640
# A group of 100,000 members has 700,000 values. In memory, a value may be ten times larger than in
# the JSON text.
_MOST_VALUES = 2_000_000


def _whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        message = "too many digits"
        raise ValueError(message)
    return int(digits)


def _no_number(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


parse_json = json.JSONDecoder(parse_int=_whole_number, parse_constant=_no_number).decode
"""Decode a text. Raises ValueError or RecursionError."""


def decode_json(body: bytes) -> Any:
    """Return the JSON document in *body*, which is always UTF-8 (RFC 8259, 8.1).

    The Content-Type of the response does not matter.

    Raises:
        TWProtocolError: *body* is not JSON, or has too many values.
    """
    if len(body) > SMALL and sum(map(body.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        message = f"the answer has more than {_MOST_VALUES:,} values"
        raise TWProtocolError(message)
    try:
        return parse_json(str(body.removeprefix(BOM_UTF8), "utf-8"))
    except (ValueError, RecursionError):
        pass
    message = "the answer is not JSON" if body else "the answer is empty"
    raise TWProtocolError(message)

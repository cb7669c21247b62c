"""Validation of requests: parameters, headers and the properties of bodies."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from teamwire_sync._internal.strict_json import parse_json
from teamwire_sync._internal.validation import is_unicode
from teamwire_sync._server.errors import refuse

if TYPE_CHECKING:
    from collections.abc import Container

    from teamwire_sync._server.serializers import Document

DEFAULT_LIMIT = 500
MAX_LIMIT = 1_000
MAX_WAIT = 60
MAX_FILE_NAME = 255

_PRINTABLE = re.compile(r"[ -~]+")
_REVISION = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


def parse_limit(value: str | None, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
    """Read the parameter `limit`; a value above the maximum counts as the maximum."""
    if value is None:
        return default
    if not re.fullmatch(r"[0-9]+", value, re.ASCII):
        refuse("limit must be an integer that is not negative")
    digits = value.lstrip("0")
    if not digits:
        refuse("limit must be an integer of at least 1")
    return most if len(digits) > len(str(most)) else min(int(digits), most)


def parse_since(value: str | None) -> int | None:
    """Read the parameter `since`, a revision."""
    if value is not None and not (_REVISION.fullmatch(value) and int(value) < 2**63):
        refuse("since must be an integer from 0 to 2^63 - 1")
    return None if value is None else int(value)


def parse_wait(value: str | None) -> float:
    """Read the parameter `wait`; a value above the maximum counts as the maximum."""
    if value is None:
        return 0
    if not _NUMBER.fullmatch(value):
        refuse("wait must be a number that is not negative")
    return min(float(value), MAX_WAIT)


def parse_file_name(value: str | None) -> str:
    """Read the parameter `name` of an upload."""
    if not value or len(value) > MAX_FILE_NAME:
        refuse(f"name must have 1 to {MAX_FILE_NAME} characters")
    return value


def parse_idempotency_key(value: str | None) -> str | None:
    """Read the header `Idempotency-Key`."""
    if value is not None and not is_printable(value, 255):
        refuse("Idempotency-Key must be 1 to 255 printable ASCII characters")
    return value


def is_printable(value: str, longest: int) -> bool:
    """Return whether a header's value is 1 to `longest` printable ASCII characters."""
    return len(value) <= longest and _PRINTABLE.fullmatch(value) is not None


def parse_object(body: bytes, properties: Container[str]) -> Document:
    """Read a body that is a JSON object with no other properties than these."""
    try:
        document = parse_json(body.decode("utf-8"))
    except (ValueError, RecursionError):
        refuse("the body is not JSON in UTF-8", "bad_request")
    if not isinstance(document, dict):
        refuse("the body must be an object")
    parse_members(document, properties)
    return document


def parse_members(document: Document, properties: Container[str]) -> None:
    """Refuse an object with other properties than these."""
    for name in document:
        if name not in properties:
            refuse(f"unknown property {name[:100]!r}")


def parse_text(document: Document, name: str, longest: int) -> str | None:
    """Read an optional string; return None if it is null or missing."""
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        refuse(f"{name} must be a string or null")
    if len(value) > longest:
        refuse(f"{name} is longer than {longest} characters")
    if not is_unicode(value):
        refuse(f"{name} contains an unpaired surrogate")
    return value


def required_text(document: Document, name: str, longest: int) -> str:
    """Read a required string."""
    value = parse_text(document, name, longest)
    if value is None:
        refuse(f"{name} must be a string")
    return value


def parse_ids(document: Document, name: str) -> list[str]:
    """Read an array of IDs; return an empty list if it is missing."""
    values = document.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        refuse(f"{name} must be an array of strings")
    if not all(map(is_unicode, values)):
        refuse(f"{name} contains an unpaired surrogate")
    return values


def parse_flag(document: Document, name: str, *, default: bool) -> bool:
    """Read a boolean; return the default if it is missing."""
    value = document.get(name, default)
    if not isinstance(value, bool):
        refuse(f"{name} must be true or false")
    return value


def parse_integer(document: Document, name: str, least: int, most: int) -> int:
    """Read a required integer from `least` to `most`."""
    value = document.get(name)
    if type(value) is not int or not least <= value <= most:
        refuse(f"{name} must be an integer from {least} to {most}")
    return value


def parse_number(document: Document, name: str, most: int) -> float:
    """Read a required number from `-most` to `most`."""
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -most <= value <= most:
        refuse(f"{name} must be a number from {-most} to {most}")
    return value

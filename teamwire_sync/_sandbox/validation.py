"""What a request may contain: bodies, parameters and headers, checked before any work."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn

import attrs

from teamwire_sync._sandbox.errors import ApiError

if TYPE_CHECKING:
    from teamwire_sync._sandbox.documents import Document

MAX_TITLE = 255
MAX_MESSAGE = 20_000
DEFAULT_LIMIT = 500
MAX_LIMIT = 1_000

_PRINTABLE = re.compile(r"[ -~]+")


@attrs.frozen(kw_only=True)
class NewChat:
    """The body of a request to create a chat."""

    title: str | None
    user_ids: list[str]
    group_ids: list[str]
    message: str | None
    allow_sending: bool
    allow_mute_notifications: bool
    is_alert: bool


def parse_new_chat(body: bytes) -> NewChat:
    """Read the body of `POST /v1/bot/chats/`; empty texts become None."""
    document = _parse_object(body, attrs.fields_dict(NewChat))
    return NewChat(
        title=_text(document, "title", MAX_TITLE) or None,
        user_ids=_ids(document, "user_ids"),
        group_ids=_ids(document, "group_ids"),
        message=_text(document, "message", MAX_MESSAGE) or None,
        allow_sending=_flag(document, "allow_sending", default=True),
        allow_mute_notifications=_flag(document, "allow_mute_notifications", default=True),
        is_alert=_flag(document, "is_alert", default=False),
    )


def parse_new_message(body: bytes) -> str:
    """Read the body of `POST /v1/bot/chats/<tid>/messages/`."""
    message = _text(_parse_object(body, ("message",)), "message", MAX_MESSAGE)
    if not message:
        _refuse("message must be a string that is not empty")
    return message


def parse_limit(value: str | None) -> int:
    """Read the parameter `limit`; what exceeds the maximum is lowered to it."""
    if value is None:
        return DEFAULT_LIMIT
    if not re.fullmatch(r"0*[1-9][0-9]*", value, re.ASCII):
        _refuse("limit must be an integer of at least 1")
    digits = value.lstrip("0")
    return MAX_LIMIT if len(digits) > len(str(MAX_LIMIT)) else min(int(digits), MAX_LIMIT)


def parse_idempotency_key(value: str | None) -> str | None:
    """Read the header `Idempotency-Key`."""
    if value is not None and not is_printable(value, 255):
        _refuse("Idempotency-Key must be 1 to 255 printable ASCII characters")
    return value


def is_printable(value: str, longest: int) -> bool:
    """Whether a header's value is 1 to `longest` printable ASCII characters."""
    return len(value) <= longest and _PRINTABLE.fullmatch(value) is not None


def _parse_object(body: bytes, properties: Any) -> Document:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ApiError(400, "the body is not JSON in UTF-8") from None
    if not isinstance(document, dict):
        _refuse("the body must be an object")
    for name in document:
        if name not in properties:
            _refuse(f"unknown property {name[:100]!r}")
    return document


def _no_constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _text(document: Document, name: str, longest: int) -> str | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        _refuse(f"{name} must be a string or null")
    if len(value) > longest:
        _refuse(f"{name} is longer than {longest} characters")
    _require_unicode(name, value)
    return value


def _ids(document: Document, name: str) -> list[str]:
    values = document.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        _refuse(f"{name} must be an array of strings")
    for value in values:
        _require_unicode(name, value)
    return values


def _flag(document: Document, name: str, *, default: bool) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        _refuse(f"{name} must be true or false")
    return value


def _require_unicode(name: str, value: str) -> None:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(f"{name} contains a surrogate without its pair")


def _refuse(message: str) -> NoReturn:
    raise ApiError(422, message)

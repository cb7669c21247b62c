"""Models as rows of a notebook's table and of a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import fields

from teamwire_sync._display.html import Cell, html_table
from teamwire_sync._internal.dates import date_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from teamwire_sync._display.dataframes import Column


def html_of(value: Any) -> str:
    """Return an HTML table of the model *value*, without its empty attributes."""
    rows: list[tuple[str, Cell]] = []
    for field in fields(type(value)):
        if field.name == "timestamp":
            rows.append(("date (UTC)", _date(value)))
        elif field.name == "_attachments":
            rows.append(("attachments", _attachments(value)))
        elif not field.name.startswith("_"):
            rows.append((field.name, _cell(getattr(value, field.name))))
    return html_table((type(value).__name__, ""), [row for row in rows if row[1]])


def _cell(value: Any) -> Cell:
    return [_text(each) for each in value] if isinstance(value, tuple) else _text(value)


def _text(value: Any) -> str:
    """Return the text of *value* in a cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if hasattr(value, "full_name"):
        return str(value.full_name() or value.uid)
    # Prefer the title of a chat, the text of a message, and the name of an attachment.
    for name in ("title", "msg", "name", "url", "tid", "gid", "mid", "type"):
        text = getattr(value, name, None)
        if isinstance(text, str) and text:
            return str(text)
    return str(value)


def _date(value: Any) -> str:
    return f"{date_of(value.timestamp):%Y-%m-%d %H:%M}"


def _attachments(message: Any) -> Cell:
    return [_text(each) for each in message.attachments or ()]


CHAT_CELLS: Mapping[str, Callable[[Any], Cell]] = {
    "title": lambda chat: chat.title or "no title",
    "tid": lambda chat: chat.tid,
    "type": lambda chat: chat.type,
    "users": lambda chat: f"{len(chat.users):,}",
    "groups": lambda chat: _cell(chat.groups),
}
MESSAGE_CELLS: Mapping[str, Callable[[Any], Cell]] = {
    "date (UTC)": _date,
    "from": lambda message: message.sender_display_name or _text(message.from_user),
    "message": lambda message: "deleted" if message.deleted else message.msg or "",
    "attachments": _attachments,
}

CHAT_COLUMNS: Mapping[str, Column] = {
    "tid": ("string", lambda chat: chat.tid),
    "title": ("string", lambda chat: chat.title),
    "type": ("string", lambda chat: chat.type.value),
    "users": ("int64", lambda chat: len(chat.users)),
    "groups": ("int64", lambda chat: len(chat.groups)),
    "admins": ("int64", lambda chat: len(chat.admins)),
    "is_alert": ("bool", lambda chat: chat.is_alert),
    "allow_sending": ("bool", lambda chat: chat.allow_sending),
    "allow_mute_notifications": ("bool", lambda chat: chat.allow_mute_notifications),
    "is_closed": ("bool", lambda chat: chat.is_closed),
}
MESSAGE_COLUMNS: Mapping[str, Column] = {
    "mid": ("string", lambda message: message.mid),
    "tid": ("string", lambda message: message.chat.tid),
    "from_uid": ("string", lambda message: message.from_user.uid),
    "from_name": ("string", lambda message: message.from_user.full_name()),
    # The server's timestamps are in milliseconds. In nanoseconds, pandas' years end in 2262.
    "date": ("datetime64[ms]", lambda message: message.timestamp),
    "msg": ("string", lambda message: message.msg),
    "is_alert": ("bool", lambda message: message.is_alert),
    "alert_type": ("string", lambda message: message.alert_type and message.alert_type.value),
    "reply_to": ("string", lambda message: message.reply_to),
    "sender_display_name": ("string", lambda message: message.sender_display_name),
    "deleted": ("bool", lambda message: message.deleted),
    "attachments": ("int64", lambda message: len(message.attachments or ())),
}

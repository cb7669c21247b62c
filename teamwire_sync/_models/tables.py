"""Models as rows of a notebook's table and of a data frame."""

from __future__ import annotations

from typing import Any

from attrs import fields

from teamwire_sync._display.html import Cell, Table, html_table
from teamwire_sync._internal.dates import date_of

# The attributes of events, and what stands before the names in a table.
_PEOPLE = {"users": (), "groups": (), "added_admins": ("added",), "removed_admins": ("removed",)}
# The server's timestamps are in milliseconds. In nanoseconds, pandas' years end in 2262.
_DATE = "datetime64[ms]"


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
    return [text_of(each) for each in value] if isinstance(value, tuple) else text_of(value)


def text_of(value: Any) -> str:
    """Return the text of *value* in a cell, such as the name of a user, a group or a chat."""
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
    # Prefer the name of a chat, the text of a message, and the name of an attachment.
    for name in ("_name", "title", "msg", "name", "url", "tid", "gid", "mid", "type"):
        text = getattr(value, name, None)
        if isinstance(text, str) and text:
            return str(text)
    return str(value)


def _date(value: Any) -> str:
    return f"{date_of(value.timestamp):%Y-%m-%d %H:%M}"


def _attachments(message: Any) -> Cell:
    return [text_of(each) for each in message.attachments or ()]


def _message(message: Any) -> Cell:
    return "deleted" if message.deleted else message.msg or ""


def _attachment_name(attachment: Any) -> str:
    return str(getattr(attachment, "name", None) or getattr(attachment, "title", ""))


def _who(event: Any) -> str:
    """Return the name of the user who caused *event*."""
    message = getattr(event, "message", None)
    return _author(message) if message else text_of(getattr(event, "user", event.editor))


def _author(message: Any) -> str:
    return str(message.sender_display_name or text_of(message.from_user))


def _what(event: Any) -> Cell:
    """Return what *event* is about: a message, people, or a new value."""
    message = getattr(event, "message", None)
    if message:
        return _message(message) or _attachments(message)
    found = [(label, getattr(event, name, ())) for name, label in _PEOPLE.items()]
    names = [text_of(each) for label, people in found if people for each in (*label, *people)]
    values = (getattr(event, name, None) for name in ("message_id", "value", "title"))
    return names or next((text_of(value) for value in values if value is not None), "")


CHATS = Table(
    "chat",
    {
        "name": lambda chat: chat.display_name,
        "tid": lambda chat: chat.tid,
        "type": lambda chat: chat.type,
        "users": lambda chat: f"{len(chat.users):,}",
        "groups": lambda chat: _cell(chat.groups),
    },
    {
        "tid": ("string", lambda chat: chat.tid),
        "title": ("string", lambda chat: chat.title),
        "display_name": ("string", lambda chat: chat.display_name),
        "type": ("string", lambda chat: chat.type.value),
        "users": ("int64", lambda chat: len(chat.users)),
        "groups": ("int64", lambda chat: len(chat.groups)),
        "admins": ("int64", lambda chat: len(chat.admins)),
        "is_alert": ("bool", lambda chat: chat.is_alert),
        "allow_sending": ("bool", lambda chat: chat.allow_sending),
        "allow_mute_notifications": ("bool", lambda chat: chat.allow_mute_notifications),
        "is_closed": ("bool", lambda chat: chat.is_closed),
    },
)
MESSAGES = Table(
    "message",
    {
        "date (UTC)": _date,
        "from": _author,
        "message": _message,
        "attachments": _attachments,
    },
    {
        "mid": ("string", lambda message: message.mid),
        "tid": ("string", lambda message: message.chat.tid),
        "from_uid": ("string", lambda message: message.from_user.uid),
        "from_name": ("string", lambda message: message.from_user.full_name()),
        "date": (_DATE, lambda message: message.timestamp),
        "msg": ("string", lambda message: message.msg),
        "is_alert": ("bool", lambda message: message.is_alert),
        "alert_type": ("string", lambda message: message.alert_type and message.alert_type.value),
        "reply_to": ("string", lambda message: message.reply_to),
        "sender_display_name": ("string", lambda message: message.sender_display_name),
        "deleted": ("bool", lambda message: message.deleted),
        "attachments": ("int64", lambda message: len(message.attachments or ())),
    },
)
EVENTS = Table(
    "event",
    {
        "date (UTC)": _date,
        "type": lambda event: event.type,
        "chat": lambda event: text_of(event.chat),
        "who": _who,
        "what": _what,
    },
    {
        "cursor": ("string", lambda event: event.cursor),
        "type": ("string", lambda event: event.type.value),
        "tid": ("string", lambda event: event.chat.tid),
        "title": ("string", lambda event: event.chat.title),
        "display_name": ("string", lambda event: event.chat.display_name),
        "date": (_DATE, lambda event: event.timestamp),
        "is_own": ("bool", lambda event: event.is_own),
        "editor_id": ("string", lambda event: event.editor and event.editor.uid),
    },
)
ATTACHMENTS = Table(
    "attachment",
    {
        "name": _attachment_name,
        "type": lambda attachment: attachment.type,
        "size": lambda attachment: text_of(getattr(attachment, "size", None)),
    },
    {
        "type": ("string", lambda attachment: attachment.type.value),
        "name": ("string", _attachment_name),
        "aid": ("string", lambda attachment: getattr(attachment, "aid", None)),
        "size": ("Int64", lambda attachment: getattr(attachment, "size", None)),
        "content_type": ("string", lambda attachment: getattr(attachment, "content_type", None)),
    },
)
USERS = Table(
    "user",
    {
        "name": lambda user: user.full_name(),
        "uid": lambda user: user.uid,
        "organisation": lambda user: user.organisation or "",
        "bot": lambda user: text_of(user.is_bot),
    },
    {
        "uid": ("string", lambda user: user.uid),
        "first_name": ("string", lambda user: user.first_name),
        "last_name": ("string", lambda user: user.last_name),
        "organisation": ("string", lambda user: user.organisation),
        "is_bot": ("bool", lambda user: user.is_bot),
    },
)
GROUPS = Table(
    "group",
    {
        "title": lambda group: group.title,
        "gid": lambda group: group.gid,
        "kind": lambda group: "circle" if group.is_circle else "list",
        "public": lambda group: text_of(group.is_public),
        "owner": lambda group: text_of(group.owner),
    },
    {
        "gid": ("string", lambda group: group.gid),
        "title": ("string", lambda group: group.title),
        "is_circle": ("bool", lambda group: group.is_circle),
        "is_list": ("bool", lambda group: group.is_list),
        "is_public": ("bool", lambda group: group.is_public),
        "owner_id": ("string", lambda group: group.owner and group.owner.uid),
    },
)

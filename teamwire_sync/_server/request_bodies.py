"""Parsers for the bodies of the contract's requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from teamwire_sync._server.errors import refuse
from teamwire_sync._server.serializers import Document, calendar_document, location_document
from teamwire_sync._server.validation import (
    parse_flag,
    parse_ids,
    parse_integer,
    parse_members,
    parse_number,
    parse_object,
    parse_text,
    required_text,
)
from teamwire_sync._transport import ChatDraft, MemberEdit

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TITLE = 255
MAX_NAME = 100
MAX_MESSAGE = 20_000
MAX_LINE = 1_000
MAX_ATTACHMENTS = 20
ALERT_TYPES = ("alert", "announcement", "note")

_FLAGS = ("allow_sending", "allow_mute_notifications", "is_closed")
_NEW_CHAT = (
    "title",
    "user_ids",
    "group_ids",
    "message",
    "is_alert",
    "allow_sending",
    "allow_mute_notifications",
)
_MEMBER_EDIT = {
    "add_user_ids": "add_users",
    "add_group_ids": "add_groups",
    "remove_user_ids": "remove_users",
    "remove_group_ids": "remove_groups",
}
_UPLOADED = ("file", "gallery", "sound", "video")
# The years 1 to 9999, in milliseconds since 1970.
_EARLIEST, _LATEST = -62_135_596_800_000, 253_402_300_799_999


@attrs.frozen(kw_only=True)
class NewMessage:
    """A message to post.

    Attributes:
        message: The text, or None.
        attachments: The attachments, in the format of the contract's requests.
        is_alert: Whether the message is an alert.
        alert_type: A value of ALERT_TYPES. None makes an alert an "alert".
        reply_to: The ID of the message that this message replies to, or None.
        sender_display_name: The name to show instead of the author's name, or None.
    """

    message: str | None
    attachments: Sequence[Document] = ()
    is_alert: bool = False
    alert_type: str | None = None
    reply_to: str | None = None
    sender_display_name: str | None = None


def parse_chat_draft(body: bytes) -> ChatDraft:
    """Read a NewChat; empty texts become None."""
    document = parse_object(body, _NEW_CHAT)
    user_ids, group_ids = parse_ids(document, "user_ids"), parse_ids(document, "group_ids")
    if not user_ids and not group_ids:
        refuse("a chat needs at least one recipient", "no_recipient")
    return ChatDraft(
        title=parse_text(document, "title", MAX_TITLE) or None,
        user_ids=user_ids,
        group_ids=group_ids,
        message=parse_text(document, "message", MAX_MESSAGE) or None,
        allow_sending=parse_flag(document, "allow_sending", default=True),
        allow_mute_notifications=parse_flag(document, "allow_mute_notifications", default=True),
        is_alert=parse_flag(document, "is_alert", default=False),
    )


def parse_chat_edit(body: bytes) -> dict[str, Any]:
    """Read a ChatEdit; return the properties to change."""
    document = parse_object(body, ("title", *_FLAGS))
    if not document:
        refuse("there must be at least one property")
    if parse_text(document, "title", MAX_TITLE) == "":
        refuse("title must be null or a string that is not empty")
    for name in _FLAGS:
        parse_flag(document, name, default=False)
    return document


def parse_member_edit(body: bytes, *, groups: bool = False) -> MemberEdit:
    """Read a MemberEdit; without `groups`, an AdminEdit or a GroupMemberEdit."""
    names = [name for name in _MEMBER_EDIT if groups or "group" not in name]
    document = parse_object(body, names)
    ids = {_MEMBER_EDIT[name]: list(dict.fromkeys(parse_ids(document, name))) for name in names}
    if not any(ids.values()):
        refuse(f"there must be an id in {' or '.join(names)}")
    edit = MemberEdit(**ids)
    for kind, added, removed in (
        ("user", edit.add_users, edit.remove_users),
        ("group", edit.add_groups, edit.remove_groups),
    ):
        both = set(added) & set(removed)
        if both:
            refuse(f"a {kind} cannot be both added and removed: {min(both)[:100]!r}")
    return edit


def parse_new_message(body: bytes) -> NewMessage:
    """Read a NewMessage."""
    document = parse_object(body, attrs.fields_dict(NewMessage))
    text = parse_text(document, "message", MAX_MESSAGE) or None
    attachments = _attachments(document)
    if text is None and not attachments:
        refuse("message must be a string that is not empty, unless there are attachments")
    is_alert = parse_flag(document, "is_alert", default=False)
    alert_type = document.get("alert_type")
    if alert_type is not None and alert_type not in ALERT_TYPES:
        refuse(f"alert_type must be null or one of {', '.join(ALERT_TYPES)}")
    if alert_type is not None and not is_alert:
        refuse("alert_type needs is_alert to be true")
    display_name = parse_text(document, "sender_display_name", MAX_NAME)
    if display_name == "":
        refuse("sender_display_name must be null or a string that is not empty")
    return NewMessage(
        message=text,
        attachments=attachments,
        is_alert=is_alert,
        alert_type=alert_type,
        reply_to=parse_text(document, "reply_to", MAX_LINE),
        sender_display_name=display_name,
    )


def _attachments(document: Document) -> list[Document]:
    values = document.get("attachments", [])
    if not isinstance(values, list):
        refuse("attachments must be an array")
    if len(values) > MAX_ATTACHMENTS:
        refuse(f"attachments has more than {MAX_ATTACHMENTS} items")
    return [_attachment(value) for value in values]


def _attachment(value: Any) -> Document:
    if not isinstance(value, dict):
        refuse("each of the attachments must be an object")
    kind = value.get("type")
    if kind == "calendar":
        return _calendar(value)
    if kind == "location":
        return _location(value)
    if kind in _UPLOADED:
        parse_members(value, ("type", "attachment_id"))
        return {"type": kind, "attachment_id": required_text(value, "attachment_id", MAX_LINE)}
    types = ", ".join((*_UPLOADED, "calendar", "location"))
    return refuse(f"the type of each of the attachments must be one of {types}")


def _calendar(value: Document) -> Document:
    entry = calendar_document(
        required_text(value, "title", MAX_TITLE),
        parse_integer(value, "start_date", _EARLIEST, _LATEST),
        parse_integer(value, "end_date", _EARLIEST, _LATEST),
        parse_text(value, "description", MAX_MESSAGE),
        parse_text(value, "location", MAX_LINE),
    )
    parse_members(value, entry)
    if entry["end_date"] < entry["start_date"]:
        refuse("end_date is before start_date")
    return entry


def _location(value: Document) -> Document:
    place = location_document(
        required_text(value, "name", MAX_TITLE),
        parse_number(value, "lat", 90),
        parse_number(value, "lon", 180),
        address=parse_text(value, "address", MAX_LINE),
        city=parse_text(value, "city", MAX_LINE),
        country=parse_text(value, "country", MAX_LINE),
        postal_code=parse_text(value, "postal_code", MAX_LINE),
    )
    parse_members(value, place)
    return place

"""The JSON documents that ``--json`` prints. Their keys are stable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from attrs import fields

from teamwire_sync._models.chats import Chat, Message
from teamwire_sync._models.events import Event
from teamwire_sync._models.people import Group, User

if TYPE_CHECKING:
    from teamwire_sync._models.attachments import Attachment

_OF_ALL_EVENTS = {each.name for each in fields(Event)}


def serialize_user(user: User) -> dict[str, Any]:
    """Return the document of a user."""
    return {
        "uid": user.uid,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "organisation": user.organisation,
        "is_bot": user.is_bot,
    }


def serialize_group(group: Group) -> dict[str, Any]:
    """Return the document of a circle or distribution list, without its members."""
    return {
        "gid": group.gid,
        "title": group.title,
        "is_circle": group.is_circle,
        "is_list": group.is_list,
        "is_public": group.is_public,
        "owner_id": None if group.owner is None else group.owner.uid,
    }


def serialize_chat(chat: Chat) -> dict[str, Any]:
    """Return the document of a chat."""
    return {
        "tid": chat.tid,
        "title": chat.title,
        "type": chat.type.value,
        "user_ids": [user.uid for user in chat.users],
        "group_ids": [group.gid for group in chat.groups],
        "admin_ids": [user.uid for user in chat.admins],
        "is_alert": chat.is_alert,
        "allow_sending": chat.allow_sending,
        "allow_mute_notifications": chat.allow_mute_notifications,
        "is_closed": chat.is_closed,
    }


def serialize_message(message: Message) -> dict[str, Any]:
    """Return the document of a message."""
    return {
        "mid": message.mid,
        "tid": message.chat.tid,
        "from_user": serialize_user(message.from_user),
        "timestamp": message.timestamp,
        "date": message.tstamp_date.isoformat(),
        "message": message.msg,
        "is_alert": message.is_alert,
        "alert_type": None if message.alert_type is None else message.alert_type.value,
        "reply_to": message.reply_to,
        "sender_display_name": message.sender_display_name,
        "deleted": message.deleted,
        "attachments": [_serialize_attachment(each) for each in message.attachments or ()],
    }


def serialize_event(event: Event) -> dict[str, Any]:
    """Return the document of an event; the content of "details" depends on the event's type."""
    details = {
        each.name: _plain(getattr(event, each.name))
        for each in fields(type(event))
        if each.name not in _OF_ALL_EVENTS
    }
    return {
        "type": event.type.value,
        "tid": event.chat.tid,
        "title": event.chat.title,
        "cursor": event.cursor,
        "timestamp": event.timestamp,
        "date": event.date.isoformat(),
        "is_own": event.is_own,
        "editor_id": None if event.editor is None else event.editor.uid,
        "details": details,
    }


def _serialize_attachment(attachment: Attachment) -> dict[str, Any]:
    kind: Any = type(attachment)
    names = [each.name for each in fields(kind) if not each.name.startswith("_")]
    document = {name: _plain(getattr(attachment, name)) for name in names}
    # An attachment of a kind without own fields has its data in `extra` only.
    return document if len(names) > 1 else {**document, "extra": attachment.extra}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    for kind, document in _DOCUMENTS.items():
        if isinstance(value, kind):
            return document(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return getattr(value, "value", value)


_DOCUMENTS: dict[type, Callable[[Any], dict[str, Any]]] = {
    User: serialize_user,
    Group: serialize_group,
    Message: serialize_message,
}

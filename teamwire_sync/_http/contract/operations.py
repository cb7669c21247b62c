"""What the contract can be asked, and the bodies of what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from attrs import frozen

from teamwire_sync._http.contract.strict_json import SMALL, decode_json
from teamwire_sync._internal.fields import is_unicode
from teamwire_sync._models.attachments import (
    CalendarAttachment,
    FileAttachment,
    LocationAttachment,
)
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from datetime import datetime

    from teamwire_sync._models.attachments import Attachment
    from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft


@frozen
class Operation:
    """A request that the contract knows.

    Attributes:
        method: The HTTP method.
        path: The path, with names in braces for what differs.
        is_unseen: Whether what it makes is seen by nobody yet, so that it may be done twice.
    """

    method: str
    path: str
    is_unseen: bool = False

    def path_for(self, **ids: str) -> str:
        """The path with each id in its place, quoted.

        Raises:
            ValueError: An id can't stand in a path.
        """
        for name, value in ids.items():
            # A dot segment is resolved on the way, whether quoted or not.
            if value in {"", ".", ".."} or not is_unicode(value):
                message = f"{value!r} is no {name}"
                raise ValueError(message)
        return self.path.format_map({name: quote(value, safe="") for name, value in ids.items()})

    @property
    def writes(self) -> bool:
        """Whether doing it twice differs from doing it once."""
        return self.method != "GET" and not self.is_unseen


OPERATIONS = {
    "get_me": Operation("GET", "/v1/bot/me/"),
    "list_chats": Operation("GET", "/v1/bot/chats/"),
    "create_chat": Operation("POST", "/v1/bot/chats/"),
    "edit_chat": Operation("PATCH", "/v1/bot/chats/{tid}/"),
    "edit_members": Operation("PATCH", "/v1/bot/chats/{tid}/members/"),
    "edit_admins": Operation("PATCH", "/v1/bot/chats/{tid}/admins/"),
    "leave_chat": Operation("DELETE", "/v1/bot/chats/{tid}/members/me/"),
    "list_messages": Operation("GET", "/v1/bot/chats/{tid}/messages/"),
    "post_message": Operation("POST", "/v1/bot/chats/{tid}/messages/"),
    "upload_attachment": Operation("POST", "/v1/bot/attachments/", is_unseen=True),
    "download_attachment": Operation("GET", "/v1/bot/attachments/{aid}/content/"),
    "list_users": Operation("GET", "/v1/bot/users/"),
    "get_user": Operation("GET", "/v1/bot/users/{uid}/"),
    "get_avatar": Operation("GET", "/v1/bot/users/{uid}/avatar/"),
    "list_groups": Operation("GET", "/v1/bot/groups/"),
    "get_group": Operation("GET", "/v1/bot/groups/{gid}/"),
    "edit_group_members": Operation("PATCH", "/v1/bot/groups/{gid}/members/"),
    "list_events": Operation("GET", "/v1/bot/events/"),
}


def encode_draft(draft: ChatDraft) -> dict[str, Any]:
    """The body that creates a chat."""
    return {
        "title": draft.title,
        "user_ids": list(draft.user_ids),
        "group_ids": list(draft.group_ids),
        "message": draft.message or None,
        "allow_sending": draft.allow_sending,
        "allow_mute_notifications": draft.allow_mute_notifications,
        "is_alert": draft.is_alert,
    }


def encode_message(draft: MessageDraft) -> dict[str, Any]:
    """The body that posts a message."""
    return {
        "message": draft.message or None,
        "attachments": [_encode_attachment(each) for each in draft.attachments],
        "is_alert": draft.is_alert,
        "alert_type": None if draft.alert_type is None else draft.alert_type.value,
        "reply_to": draft.reply_to,
        "sender_display_name": draft.sender_display_name,
    }


def encode_edit(edit: MemberEdit) -> dict[str, Any]:
    """The body that changes who is a member or an administrator; without what is empty."""
    lists = {
        "add_user_ids": edit.add_users,
        "add_group_ids": edit.add_groups,
        "remove_user_ids": edit.remove_users,
        "remove_group_ids": edit.remove_groups,
    }
    return {name: list(ids) for name, ids in lists.items() if ids}


def _encode_attachment(attachment: Attachment) -> dict[str, Any]:
    kind = attachment.type.value
    if isinstance(attachment, FileAttachment):
        return {"type": kind, "attachment_id": attachment.aid}
    if isinstance(attachment, CalendarAttachment):
        return {
            "type": kind,
            "title": attachment.title,
            "start_date": _milliseconds(attachment.startDate),
            "end_date": _milliseconds(attachment.endDate),
            "description": attachment.description,
            "location": attachment.location,
        }
    if isinstance(attachment, LocationAttachment):
        return {
            "type": kind,
            "name": attachment.name,
            "lat": attachment.lat,
            "lon": attachment.lon,
            "address": attachment.address,
            "city": attachment.city,
            "country": attachment.country,
            "postal_code": attachment.postalCode,
        }
    return {**attachment.extra, "type": kind}


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def decode_error(body: bytes) -> dict[str, Any]:
    """What an error answer says of itself; empty when it says nothing, as a proxy's page does."""
    if len(body) > SMALL:
        return {}
    try:
        error = decode_json(body)["error"]
    except (TWProtocolError, TypeError, KeyError):
        return {}
    return error if isinstance(error, dict) else {}

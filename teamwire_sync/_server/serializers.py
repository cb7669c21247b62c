"""The contract's JSON objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.validation import is_unicode

if TYPE_CHECKING:
    from collections.abc import Sequence

Document = dict[str, Any]


def dump(document: Any) -> str:
    """Return compact JSON text."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    # Half of a surrogate pair, for a test of a client, can be sent only as an escape.
    return text if is_unicode(text) else json.dumps(document, separators=(",", ":"))


def user_document(
    uid: str,
    first_name: str,
    last_name: str,
    organisation: str | None,
    *,
    is_bot: bool = False,
    has_avatar: bool = False,
) -> Document:
    """Return a User of the contract."""
    return {
        "uid": uid,
        "first_name": first_name,
        "last_name": last_name,
        "organisation": organisation,
        "is_bot": is_bot,
        "has_avatar": has_avatar,
    }


def group_document(
    gid: str, title: str, *, owner_id: str | None, is_circle: bool, is_public: bool
) -> Document:
    """Return a Group of the contract: a circle, or else a distribution list."""
    return {
        "gid": gid,
        "title": title,
        "owner_id": owner_id,
        "is_circle": is_circle,
        "is_list": not is_circle,
        "is_public": is_public,
    }


def chat_document(
    tid: str,
    *,
    title: str | None,
    user_ids: list[str],
    group_ids: list[str],
    admin_ids: list[str],
    is_alert: bool = False,
    allow_sending: bool = True,
    allow_mute_notifications: bool = True,
    is_closed: bool = False,
    one_to_one: bool = False,
) -> Document:
    """Return a Chat of the contract."""
    return {
        "tid": tid,
        "title": title,
        "type": "one_to_one" if one_to_one else "group",
        "is_alert": is_alert,
        "allow_sending": allow_sending,
        "allow_mute_notifications": allow_mute_notifications,
        "is_closed": is_closed,
        "user_ids": user_ids,
        "group_ids": group_ids,
        "admin_ids": admin_ids,
    }


def message_document(
    mid: str,
    tid: str,
    from_user_id: str,
    timestamp: int,
    text: str | None,
    *,
    attachments: Sequence[Document] = (),
    is_alert: bool = False,
    alert_type: str | None = None,
    reply_to: str | None = None,
    sender_display_name: str | None = None,
    link_preview: Document | None = None,
) -> Document:
    """Return a Message of the contract that is not deleted."""
    return {
        "mid": mid,
        "tid": tid,
        "from_user_id": from_user_id,
        "timestamp": timestamp,
        "message": text,
        "is_alert": is_alert,
        "alert_type": alert_type,
        "reply_to": reply_to,
        "sender_display_name": sender_display_name,
        "deleted": False,
        "attachments": list(attachments),
        "link_preview": link_preview,
    }


def deleted_message(message: Document) -> Document:
    """Return a Message as it is after its deletion."""
    nothing: Document = {"message": None, "attachments": [], "link_preview": None}
    return {**message, **nothing, "deleted": True}


def file_document(kind: str, attachment_id: str, name: str, size: int, media: str) -> Document:
    """Return an Attachment with an uploaded content."""
    return {
        "type": kind,
        "attachment_id": attachment_id,
        "name": name,
        "size": size,
        "content_type": media,
    }


def calendar_document(
    title: str,
    start_date: int,
    end_date: int,
    description: str | None = None,
    location: str | None = None,
) -> Document:
    """Return an Attachment for a calendar; the dates are milliseconds since 1970, UTC."""
    return {
        "type": "calendar",
        "title": title,
        "start_date": start_date,
        "end_date": end_date,
        "description": description,
        "location": location,
    }


def location_document(
    name: str,
    lat: float,
    lon: float,
    *,
    address: str | None = None,
    city: str | None = None,
    country: str | None = None,
    postal_code: str | None = None,
) -> Document:
    """Return an Attachment for a map."""
    return {
        "type": "location",
        "name": name,
        "lat": lat,
        "lon": lon,
        "address": address,
        "city": city,
        "country": country,
        "postal_code": postal_code,
    }

"""The contract's JSON objects, as the sandbox builds and stores them."""

from __future__ import annotations

import json
from typing import Any

Document = dict[str, Any]

_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ID_LENGTH = 22


def new_id(bits: int) -> str:
    """An id of 22 characters for a number of up to 128 bits."""
    characters = []
    for _ in range(_ID_LENGTH):
        bits, digit = divmod(bits, len(_ALPHABET))
        characters.append(_ALPHABET[digit])
    return "".join(characters)


def dump(document: Any) -> str:
    """Compact JSON text."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def user_document(
    uid: str, first_name: str, last_name: str, organisation: str | None, *, is_bot: bool = False
) -> Document:
    """A USER."""
    return {
        "uid": uid,
        "first_name": first_name,
        "last_name": last_name,
        "organisation": organisation,
        "is_bot": is_bot,
    }


def group_document(
    gid: str, title: str, *, owner_id: str | None, is_circle: bool, is_public: bool
) -> Document:
    """A GROUP: a circle, or else a list."""
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
    """A CHAT."""
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


def message_document(mid: str, tid: str, from_user_id: str, timestamp: int, text: str) -> Document:
    """A MESSAGE of plain text."""
    return {
        "mid": mid,
        "tid": tid,
        "from_user_id": from_user_id,
        "timestamp": timestamp,
        "message": text,
        "is_alert": False,
        "alert_type": None,
        "reply_to": None,
        "sender_display_name": None,
        "deleted": False,
    }

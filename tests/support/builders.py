"""Documents as the contract has them, and models, with as few words as a test wants to say."""

from __future__ import annotations

import pickle
from typing import Any, TypeVar

from teamwire_sync import (
    AttachmentType,
    Chat,
    Event,
    Events,
    FileAttachment,
    Group,
    Message,
    User,
)

T = TypeVar("T")


class Clock:
    """Gives the same seconds until it is advanced."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds


def user_doc(uid: str = "u1", **fields: Any) -> dict[str, Any]:
    """A user in JSON."""
    return {
        "uid": uid,
        "first_name": "Ada",
        "last_name": "Lovelace",
        "organisation": None,
        "is_bot": False,
        "has_avatar": False,
        **fields,
    }


def group_doc(gid: str = "g1", **fields: Any) -> dict[str, Any]:
    """A public circle in JSON."""
    return {
        "gid": gid,
        "title": "Engines",
        "owner_id": None,
        "is_circle": True,
        "is_list": False,
        "is_public": True,
        **fields,
    }


def chat_doc(tid: str = "t1", **fields: Any) -> dict[str, Any]:
    """A chat without members in JSON."""
    return {
        "tid": tid,
        "title": "test",
        "type": "group",
        "user_ids": [],
        "group_ids": [],
        "admin_ids": [],
        "is_alert": False,
        "allow_sending": True,
        "allow_mute_notifications": True,
        "is_closed": False,
        "revision": 7,
        **fields,
    }


def message_doc(mid: str = "m1", **fields: Any) -> dict[str, Any]:
    """A message of the user u1 in the chat t1 in JSON."""
    return {
        "mid": mid,
        "tid": "t1",
        "from_user_id": "u1",
        "timestamp": 1_700_000_000_000,
        "message": "hello",
        "is_alert": False,
        "alert_type": None,
        "reply_to": None,
        "sender_display_name": None,
        "deleted": False,
        "attachments": [],
        "link_preview": None,
        **fields,
    }


def file_doc(aid: str = "a1", **fields: Any) -> dict[str, Any]:
    """A file that is attached in JSON."""
    return {
        "type": "file",
        "attachment_id": aid,
        "name": "report.pdf",
        "size": 3,
        "content_type": "application/pdf",
        **fields,
    }


def calendar_doc(**fields: Any) -> dict[str, Any]:
    """A calendar entry that is attached in JSON."""
    return {
        "type": "calendar",
        "title": "Meeting",
        "start_date": 1_700_000_000_000,
        "end_date": 1_700_003_600_000,
        "description": None,
        "location": None,
        **fields,
    }


def location_doc(**fields: Any) -> dict[str, Any]:
    """A place that is attached in JSON."""
    return {
        "type": "location",
        "name": "Office",
        "lat": 48.1,
        "lon": 11.5,
        "address": None,
        "city": None,
        "country": None,
        "postal_code": None,
        **fields,
    }


def preview_doc(**fields: Any) -> dict[str, Any]:
    """What is shown of a page that a message links to in JSON."""
    return {
        "url": "https://example.org/x",
        "title": None,
        "description": None,
        "image": None,
        "domain": "example.org",
        **fields,
    }


def event_doc(kind: str, cursor: str = "c1", **fields: Any) -> dict[str, Any]:
    """An event in the chat t1 in JSON; *fields* has those of its kind."""
    return {
        "cursor": cursor,
        "type": kind,
        "tid": "t1",
        "timestamp": 1_700_000_000_000,
        "is_own": False,
        "editor_id": None,
        "revision": 7,
        **fields,
    }


def every_event() -> dict[str, dict[str, Any]]:
    """An event of each kind in JSON, by kind."""
    members = {"user_ids": ["u1"], "group_ids": []}
    more: dict[str, dict[str, Any]] = {
        "new_message": {"message": message_doc()},
        "message_read": {"message_id": "m1", "user_id": "u1"},
        "message_deleted": {"message_id": "m1"},
        "chat_created": {"title": "test"},
        "chat_joined": members,
        "chat_left": members,
        "chat_deleted": members,
        "chat_title_changed": {"title": "test"},
        "chat_admins_changed": {"added_admin_ids": ["u1"], "removed_admin_ids": []},
        "chat_allow_sending_changed": {"allow_sending": False},
        "chat_allow_mute_notifications_changed": {"allow_mute_notifications": False},
        "chat_is_closed_changed": {"is_closed": True},
    }
    return {kind: event_doc(kind, **fields) for kind, fields in more.items()}


def events_doc(*events: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A page of events in JSON, with the chat t1 and the user u1."""
    return {
        "events": list(events),
        "chats": [chat_doc()],
        "users": [user_doc()],
        "groups": [],
        "cursor": events[-1]["cursor"] if events else "c0",
        **fields,
    }


def page_doc(*chats: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A page of chats in JSON, the last one."""
    return {"chats": list(chats), "users": [], "groups": [], "next_cursor": None, **fields}


def chat_answer(chat: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The answer that describes one chat in JSON."""
    return {"chat": chat, "users": [], "groups": [], **fields}


def message_answer(message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The answer that describes one message in JSON, with the user u1."""
    return {"message": message, "users": [user_doc()], **fields}


def group_answer(
    group: dict[str, Any], *, users: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    """The answer that describes one group with its members in JSON."""
    return {"group": group, "users": list(users), "user_ids": [user["uid"] for user in users]}


def make_user(uid: str = "u1", **fields: Any) -> User:
    """A user."""
    return User(**{"uid": uid, "first_name": "Ada", "last_name": "Lovelace", **fields})


def make_group(gid: str = "g1", **fields: Any) -> Group:
    """A circle whose members are not known."""
    return Group(**{"gid": gid, "title": "Engines", **fields})


def make_chat(tid: str = "t1", title: str | None = "test", **fields: Any) -> Chat:
    """A group chat without members."""
    return Chat(tid, title, **fields)


def make_message(mid: str = "m1", **fields: Any) -> Message:
    """A message of the user u1 in the chat t1."""
    given = {
        "chat": make_chat(),
        "from_user": make_user(),
        "timestamp": 1_700_000_000_000,
        "msg": "hello",
    }
    return Message(**{"mid": mid, **given, **fields})


def make_file(aid: str = "a1", **fields: Any) -> FileAttachment:
    """A file of three bytes that is attached."""
    given = {"type": AttachmentType.FILE, "name": "report.pdf", "size": 3}
    return FileAttachment(**{"aid": aid, **given, **fields})


def make_event(kind: str, cursor: str = "c1", *, cls: type[Event] = Event, **fields: Any) -> Event:
    """An event in the chat t1, that nobody did."""
    given: dict[str, Any] = {
        "type": Events(kind),
        "chat": make_chat(),
        "timestamp": 1_700_000_000_000,
        "is_own": False,
        "editor": None,
    }
    return cls(**{"cursor": cursor, **given, **fields})


def pickled(value: T, protocol: int | None = None) -> T:
    """What *value* is after a pickle."""
    again: T = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  it is our own
    return again

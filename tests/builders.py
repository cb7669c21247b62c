"""Documents as the contract has them, and models, with as few words as a test wants to say."""

from __future__ import annotations

import pickle
from typing import Any, TypeVar

from teamwire_sync import Chat, Group, Message, User

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


def pickled(value: T, protocol: int | None = None) -> T:
    """What *value* is after a pickle."""
    again: T = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301  it is our own
    return again

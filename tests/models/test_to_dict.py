"""The plain values that programs and the command line send as JSON. Their keys are stable."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

import teamwire_sync
from teamwire_sync import (
    AlertType,
    AttachmentType,
    Bot,
    CacheInfo,
    CalendarAttachment,
    Chat,
    ChatAdminsChangeInfo,
    ChatChangeInfo,
    ChatHandle,
    ChatList,
    ChatMemberChangeInfo,
    ChatType,
    Events,
    FileAttachment,
    Group,
    LinkPreview,
    LocationAttachment,
    LoggedInUser,
    Message,
    MessageDeletedInfo,
    MessageReadInfo,
    NewMessageInfo,
    OtherAttachment,
    User,
)
from teamwire_sync._models.base import attach
from tests.support.pages import DOCS

USER = ["uid", "first_name", "last_name", "organisation", "is_bot"]
GROUP = ["gid", "title", "is_circle", "is_list", "is_public", "owner_id"]
CHAT = [
    "tid",
    "title",
    "display_name",
    "type",
    "user_ids",
    "group_ids",
    "admin_ids",
    "is_alert",
    "allow_sending",
    "allow_mute_notifications",
    "is_closed",
]
MESSAGE = [
    "mid",
    "tid",
    "from_user",
    "timestamp",
    "date",
    "message",
    "is_alert",
    "alert_type",
    "reply_to",
    "sender_display_name",
    "deleted",
    "attachments",
    "link_preview",
]
EVENT = [
    "type",
    "tid",
    "title",
    "display_name",
    "cursor",
    "timestamp",
    "date",
    "is_own",
    "editor_id",
    "details",
]
CACHE_INFO = ["lookups", *(each.name for each in attrs.fields(CacheInfo)), "requests_saved"]
MORE = (("revision", 12345), ("secret", "hunter2"))

ADA = User("u1", "Ada", "Lovelace", "Engines", has_avatar=True, extra=MORE)
CIRCLE = Group("g1", "Engines", ADA, members=(ADA,), extra=MORE)
ROOM = Chat("t1", "Ops", ChatType.GROUP, (ADA,), (CIRCLE,), (ADA,), extra=MORE)
START = datetime(2030, 3, 1, 23, 30, tzinfo=timezone(timedelta(hours=2)))
FILE = FileAttachment(AttachmentType.FILE, "a1", "plan.pdf", 3, extra=MORE)
CALENDAR = CalendarAttachment("Night shift", START, START + timedelta(hours=8))
PLACE = LocationAttachment("Main entrance", 48.1, 11)
POLL = OtherAttachment(AttachmentType.POLL, (("question", "tea?"),))
PREVIEW = LinkPreview("https://example.org", extra=MORE)
HELLO = Message(
    ROOM,
    "m1",
    ADA,
    1_900_000_000_123,
    "hello",
    alert_type=AlertType.NOTE,
    attachments=(FILE, CALENDAR, PLACE, POLL),
    link_preview=PREVIEW,
    extra=MORE,
)
EVERY = {
    "chat": ROOM,
    "cursor": "c1",
    "timestamp": 1_900_000_000_000,
    "is_own": False,
    "editor": ADA,
    "extra": MORE,
}
NEW = NewMessageInfo(type=Events.NEW_MESSAGE, message=HELLO, **EVERY)
READ = MessageReadInfo(type=Events.MESSAGE_READ, user=ADA, message_id="m1", **EVERY)
DELETED = MessageDeletedInfo(type=Events.MESSAGE_DELETED, message_id="m1", **EVERY)
CLOSED = ChatChangeInfo(type=Events.CHAT_IS_CLOSED_CHANGED, title="Ops", value=True, **EVERY)
JOINED = ChatMemberChangeInfo(type=Events.CHAT_JOINED, users=(ADA,), groups=(CIRCLE,), **EVERY)
ADMINS = ChatAdminsChangeInfo(
    type=Events.CHAT_ADMINS_CHANGED, added_admins=(ADA,), removed_admins=(), **EVERY
)
KEYS: list[tuple[Any, list[str]]] = [
    (ADA, USER),
    (Bot("u1", "Ada", ""), USER),
    (LoggedInUser("u1", "Ada", ""), USER),
    (CIRCLE, GROUP),
    (ROOM, CHAT),
    (ChatHandle("t1"), ["tid"]),
    (HELLO, MESSAGE),
    (PREVIEW, ["url", "title", "description", "image", "domain"]),
    (FILE, ["type", "aid", "name", "size", "content_type"]),
    (CALENDAR, ["type", "title", "startDate", "endDate", "description", "location"]),
    (PLACE, ["type", "name", "lat", "lon", "address", "city", "country", "postalCode"]),
    (POLL, ["type", "extra"]),
    (NEW, EVENT),
    (READ, EVENT),
    (DELETED, EVENT),
    (CLOSED, EVENT),
    (JOINED, EVENT),
    (ADMINS, EVENT),
    (CacheInfo(), CACHE_INFO),
]
VALUES = [value for value, _ in KEYS]
each_value = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


@pytest.mark.parametrize(("value", "keys"), KEYS, ids=lambda each: type(each).__name__)
def test_the_keys_of_a_value(value: Any, keys: list[str]) -> None:
    assert list(value.to_dict()) == keys


@pytest.mark.parametrize(
    ("event", "keys"),
    [
        (NEW, ["message"]),
        (READ, ["user", "message_id"]),
        (DELETED, ["message_id"]),
        (CLOSED, ["title", "value"]),
        (JOINED, ["users", "groups"]),
        (ADMINS, ["added_admins", "removed_admins"]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_details_of_an_event(event: Any, keys: list[str]) -> None:
    assert list(event.to_dict()["details"]) == keys


def test_the_values_inside_of_a_value_have_their_own_keys() -> None:
    assert HELLO.to_dict()["attachments"] == [each.to_dict() for each in HELLO.attachments or ()]
    assert HELLO.to_dict()["link_preview"] == PREVIEW.to_dict()
    assert HELLO.to_dict()["from_user"] == ADA.to_dict()
    assert NEW.to_dict()["details"] == {"message": HELLO.to_dict()}
    assert JOINED.to_dict()["details"] == {"users": [ADA.to_dict()], "groups": [CIRCLE.to_dict()]}


@each_value
def test_a_value_is_the_same_after_json(value: Any) -> None:
    assert json.loads(json.dumps(value.to_dict(), allow_nan=False)) == value.to_dict()


@each_value
def test_json_contains_no_field_that_is_unknown_to_this_release(value: Any) -> None:
    assert not {"revision", "hunter2"} & set(json.dumps(value.to_dict()).split('"'))


def plain_types(value: Any) -> set[type]:
    inner = [*value, *value.values()] if isinstance(value, dict) else value
    found = {type(value)}
    return found.union(*map(plain_types, inner)) if isinstance(value, (dict, list)) else found


@each_value
def test_a_value_contains_plain_types_only(value: Any) -> None:
    """Encoders of YAML, msgpack or Celery refuse subclasses such as enumerations."""
    assert plain_types(value.to_dict()) <= {dict, list, str, int, float, bool, type(None)}


def test_dates_are_in_utc() -> None:
    entry = CALENDAR.to_dict()

    assert (entry["startDate"], entry["endDate"]) == (
        "2030-03-01T21:30:00+00:00",
        "2030-03-02T05:30:00+00:00",
    )
    assert HELLO.to_dict()["date"] == "2030-03-17T17:46:40.123000+00:00"
    assert NEW.to_dict()["date"] == "2030-03-17T17:46:40+00:00"


def test_no_request_is_made() -> None:
    """An attribute of the service would be a call: it has none."""
    group = Group("g1", "Engines", ADA)
    chat = Chat("t1", "Ops", users=(ADA,), groups=(group,))
    for value in (chat, group, ADA, ChatHandle("t1")):
        attach([value], object())  # type: ignore[arg-type]

    assert chat.to_dict()["group_ids"] == ["g1"]
    assert group.to_dict()["owner_id"] == "u1"


def test_json_dumps_takes_a_list_of_chats_and_a_default() -> None:
    text = json.dumps(ChatList([ROOM]), default=lambda value: value.to_dict())

    assert json.loads(text) == [ROOM.to_dict()]


def test_each_public_value_is_tested_here() -> None:
    public = [getattr(teamwire_sync, name) for name in teamwire_sync.__all__]
    values = {each for each in public if isinstance(each, type) and attrs.has(each)}

    assert values - {type(value) for value in VALUES} == {
        teamwire_sync.ConnectionConfig,  # settings, which may contain a password of a proxy
        teamwire_sync.Event,
    }


def test_the_page_lists_the_keys_of_each_value() -> None:
    text = (DOCS / "chats.md").read_text("utf-8").partition("\n## JSON\n")[2]
    rows = [line.split("|")[1:3] for line in text.partition("\n## ")[0].splitlines() if "|" in line]
    listed = {name.strip(" `"): keys.strip() for name, keys in rows[2:]}

    for value, keys in KEYS:
        name = "Event" if isinstance(value, teamwire_sync.Event) else type(value).__name__
        if name not in {"Bot", "LoggedInUser", "CacheInfo"}:
            assert listed[name] == ", ".join(f"`{key}`" for key in keys)

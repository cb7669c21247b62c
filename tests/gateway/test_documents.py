"""What is decoded and made a document again is the document that it was."""

from __future__ import annotations

from typing import Any

import pytest

from teamwire_sync import ChatHandle
from teamwire_sync._gateway.documents import Documents, attachment_of, group_of, user_of
from teamwire_sync._http.contract import Decoder, decode_events
from tests.support.builders import (
    calendar_doc,
    chat_doc,
    event_doc,
    events_doc,
    every_event,
    file_doc,
    group_doc,
    location_doc,
    message_doc,
    page_doc,
    preview_doc,
    user_doc,
)

# What a later server may add.
MORE = {"colour": "green", "sizes": [1, 2]}
USERS = [user_doc("u1", **MORE), user_doc("u2", organisation="Navy", is_bot=True, has_avatar=True)]
GROUPS = [
    group_doc("g1", owner_id="u2", **MORE),
    group_doc("g2", is_circle=False, is_list=True, is_public=False),
]
CHAT = chat_doc(user_ids=["u1"], group_ids=["g1", "g2"], admin_ids=["u1"])
MESSAGES = {
    "plain": message_doc(),
    "alert": message_doc(is_alert=True, alert_type="note", reply_to="m0", sender_display_name="X"),
    "deleted": message_doc(message=None, deleted=True),
    "preview": message_doc(link_preview=preview_doc(title="a", description="b", image="c", **MORE)),
    "attachments": message_doc(
        message=None,
        attachments=[
            file_doc(),
            file_doc(type="gallery", **MORE),
            calendar_doc(description="a", location="b"),
            calendar_doc(start_date=-62_135_596_800_000, end_date=253_402_300_799_999, **MORE),
            location_doc(),
            location_doc(address="a", city="b", country="c", postal_code="d"),
            {"type": "poll", "question": "why?"},
        ],
    ),
    "of a later server": message_doc(alert_type="song", is_alert=True, **MORE),
}


@pytest.mark.parametrize(
    "chat",
    [
        CHAT,
        chat_doc(title=None, type="one_to_one", user_ids=["u2"]),
        chat_doc(is_alert=True, allow_sending=False, is_closed=True),
        chat_doc(allow_mute_notifications=False, type="channel", **MORE),
    ],
)
def test_a_chat_and_whom_it_names(chat: dict[str, Any]) -> None:
    (decoded,), (revision,), _ = Decoder().page(page_doc(chat, users=USERS, groups=GROUPS))
    documents = Documents()

    assert {**documents.chat(decoded), "revision": revision} == chat
    named = {"u2"} if chat["group_ids"] else set()
    named |= {*chat["user_ids"], *chat["admin_ids"]}
    assert sorted(documents.users(), key=lambda user: user["uid"]) == [
        user for user in USERS if user["uid"] in named
    ]
    assert documents.groups() == [each for each in GROUPS if each["gid"] in chat["group_ids"]]


@pytest.mark.parametrize("user", USERS)
def test_a_user(user: dict[str, Any]) -> None:
    assert user_of(Decoder().user({"user": user})) == user


@pytest.mark.parametrize("group", GROUPS)
def test_a_group(group: dict[str, Any]) -> None:
    answer = {"group": group, "users": USERS, "user_ids": []}

    assert group_of(Decoder().group(answer)) == group


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message(kind: str) -> None:
    answer = {"message": MESSAGES[kind], "users": USERS}
    documents = Documents()

    assert documents.message(Decoder().message(answer, ChatHandle("t1"))) == MESSAGES[kind]
    assert documents.users() == USERS[:1]


def test_each_attachment_is_that_of_the_message() -> None:
    raws = MESSAGES["attachments"]["attachments"]
    answer = {"message": MESSAGES["attachments"], "users": USERS}
    message = Decoder().message(answer, ChatHandle("t1"))

    assert [attachment_of(each) for each in message.attachments or ()] == raws


EVENTS = {
    **every_event(),
    "with an editor": event_doc("message_deleted", editor_id="u2", is_own=True, message_id="m1"),
    "with more": event_doc("chat_joined", user_ids=["u1"], group_ids=["g1"], **MORE),
    "no title": event_doc("chat_title_changed", title=None),
    "of a later server": event_doc("chat_painted", **MORE),
}


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event(kind: str) -> None:
    raw = EVENTS[kind]
    page = decode_events(events_doc(raw, chats=[CHAT], users=USERS, groups=GROUPS))

    assert Documents().event(page.events[0], page.revisions[0] or 0) == raw

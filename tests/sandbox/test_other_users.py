"""What others do at a test's command, and what the bot is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._sandbox.world.seed import (
    INVISIBLE_USER,
    KNOWN_CHAT,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
    SECOND_LIST,
)
from tests.support.sandbox_api import CHATS, CONTENTS, MESSAGES, Api

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

LONELY = "nobody but the bot"


def chat(api: Api, tid: str = KNOWN_CHAT) -> dict[str, Any]:
    """A chat as it is listed."""
    return next(each for each in api.chats() if each["tid"] == tid)


def admin(api: Api) -> str:
    """The known chat's administrator beside the bot."""
    return next(uid for uid in chat(api)["admin_ids"] if uid != api.box.bot_uid)


def newest(api: Api) -> dict[str, Any]:
    """The known chat's last message."""
    message: dict[str, Any] = api.get(MESSAGES).json()["messages"][0]
    return message


def told(api: Api, kind: str, **details: Any) -> dict[str, Any]:
    """An event in the known chat that its administrator made."""
    event = {"type": kind, "tid": KNOWN_CHAT, "is_own": False, "editor_id": admin(api)}
    return {**event, **details}


def test_bots_id_is_known(api: Api) -> None:
    """A test can tell the bot from the others."""
    assert api.get("/v1/bot/me/").json()["user"]["uid"] == api.box.bot_uid


def test_posted_message_is_there(api: Api) -> None:
    """A message of somebody else has what it was told to have, and its id is returned."""
    first = api.box.post_message(KNOWN_CHAT, "one")
    author = chat(api)["user_ids"][1]
    second = api.box.post_message(
        KNOWN_CHAT, "two", author, is_alert=True, alert_type="note", reply_to=first
    )
    message = newest(api)
    names = ("mid", "from_user_id", "message", "is_alert", "alert_type", "reply_to")
    assert [message[name] for name in names] == [second, author, "two", True, "note", first]


def test_posted_message_is_told(api: Api) -> None:
    """By default the chat's administrator writes."""
    now = api.now()
    api.box.post_message(KNOWN_CHAT, "x")
    assert api.since(now) == [told(api, "new_message", message=newest(api))]


def test_posted_files_can_be_downloaded(api: Api) -> None:
    """Files come by name, with a media type that follows from it."""
    api.box.post_message(KNOWN_CHAT, files={"a.png": b"png", "b": bytes(200_000)})
    attachments = newest(api)["attachments"]
    described = [(each["name"], each["size"], each["content_type"]) for each in attachments]
    assert described == [("a.png", 3, "image/png"), ("b", 200_000, "application/octet-stream")]
    contents = [
        api.get(CONTENTS.replace("*", each["attachment_id"])).content for each in attachments
    ]
    assert contents == [b"png", bytes(200_000)]


def test_alert_of_others_has_a_type(api: Api) -> None:
    """An alert without a type is an alert."""
    api.box.post_message(KNOWN_CHAT, "x", is_alert=True)
    assert newest(api)["alert_type"] == "alert"


def test_bot_can_post_from_elsewhere(api: Api) -> None:
    """What another process of the bot does is its own."""
    now = api.now()
    api.box.post_message(KNOWN_CHAT, "x", api.box.bot_uid)
    assert [event["is_own"] for event in api.since(now)] == [True]


def test_member_of_a_circle_posts_where_nobody_else_is(api: Api) -> None:
    """By default a member of the chat writes, by whatever way."""
    tid = api.box.add_chat("circle", groups=[PUBLIC_CIRCLE]).tid
    api.box.post_message(tid, "x")
    author = api.get(f"{CHATS}{tid}/messages/").json()["users"][0]["uid"]
    assert author == api.get(f"/v1/bot/groups/{PUBLIC_CIRCLE}/").json()["user_ids"][0]


@pytest.mark.parametrize(
    ("arguments", "kind", "match"),
    [
        ({}, ValueError, "text or files"),
        ({"files": {}}, ValueError, "text or files"),
        ({"text": "x", "alert_type": "note"}, ValueError, "alert_type"),
        ({"text": "x", "is_alert": True, "alert_type": "panic"}, ValueError, "panic"),
        ({"text": "x", "reply_to": "nope"}, LookupError, "nope"),
        ({"text": "x", "user": KNOWN_USER}, LookupError, KNOWN_USER),
        ({"text": "x", "user": "nobody"}, LookupError, "nobody"),
    ],
)
def test_senseless_message_is_an_error(
    teamwire_sandbox: Sandbox, arguments: dict[str, Any], kind: type[Exception], match: str
) -> None:
    """A typing error in a test is told."""
    with pytest.raises(kind, match=match):
        teamwire_sandbox.post_message(KNOWN_CHAT, **arguments)


@pytest.mark.parametrize("call", ["post_message", "mark_read"])
def test_lonely_bot_has_nobody_to_do_it(teamwire_sandbox: Sandbox, call: str) -> None:
    """Somebody must be there."""
    tid = teamwire_sandbox.add_chat("alone").tid
    mid = teamwire_sandbox.post_message(tid, "x", teamwire_sandbox.bot_uid)
    with pytest.raises(LookupError, match=LONELY):
        getattr(teamwire_sandbox, call)(tid, mid)


def test_deletion_is_told_once(api: Api) -> None:
    """A deleted message cannot be deleted again."""
    mid = api.box.post_message(KNOWN_CHAT, "x")
    now = api.now()
    for _ in range(2):
        api.box.delete_message(KNOWN_CHAT, mid)
    assert api.since(now) == [told(api, "message_deleted", message_id=mid)]


def test_reading_is_told_once_for_each_reader(api: Api) -> None:
    """Who has read a message does not read it again."""
    mid = api.box.post_message(KNOWN_CHAT, "x")
    other = chat(api)["user_ids"][1]
    now = api.now()
    for reader in (None, other, other, None):
        api.box.mark_read(KNOWN_CHAT, mid, reader)
    assert api.since(now) == [
        told(api, "message_read", message_id=mid, user_id=uid, editor_id=uid)
        for uid in (admin(api), other)
    ]


@pytest.mark.parametrize("call", ["delete_message", "mark_read"])
def test_message_of_another_chat_is_unknown(teamwire_sandbox: Sandbox, call: str) -> None:
    """A typing error in a test is told."""
    tid = teamwire_sandbox.add_chat("other", users=[KNOWN_USER]).tid
    mid = teamwire_sandbox.post_message(tid, "x")
    with pytest.raises(LookupError, match=mid):
        getattr(teamwire_sandbox, call)(KNOWN_CHAT, mid)


def test_added_chat_is_told(api: Api) -> None:
    """The first member creates it."""
    now = api.now()
    tid = api.box.add_chat("new", users=[KNOWN_USER]).tid
    assert api.since(now) == [
        {
            "type": "chat_created",
            "tid": tid,
            "is_own": False,
            "editor_id": KNOWN_USER,
            "title": "new",
        }
    ]


@pytest.mark.parametrize("bot_is_admin", [False, True])
def test_added_chat_has_the_bot_as_administrator_if_told(api: Api, bot_is_admin: bool) -> None:
    """The bot is one of the administrators, or not."""
    tid = api.box.add_chat("new", users=[KNOWN_USER], bot_is_admin=bot_is_admin).tid
    assert chat(api, tid)["admin_ids"] == [KNOWN_USER, *[api.box.bot_uid] * bot_is_admin]


@pytest.mark.parametrize(
    "properties",
    [
        {"title": "x"},
        {"title": None},
        {"allow_sending": False, "allow_mute_notifications": False},
        {"is_closed": True, "is_alert": True},
    ],
)
def test_changed_chat_has_what_it_was_told(api: Api, properties: dict[str, Any]) -> None:
    """All else stays."""
    before = chat(api)
    api.box.change_chat(KNOWN_CHAT, **properties)
    assert chat(api) == {**before, **properties}


def test_change_is_told(api: Api) -> None:
    """Each property that changes is told, except one that has no event."""
    now = api.now()
    api.box.change_chat(KNOWN_CHAT, title="x", allow_sending=True, is_closed=True, is_alert=True)
    assert api.since(now) == [
        told(api, "chat_title_changed", title="x"),
        told(api, "chat_is_closed_changed", is_closed=True),
    ]


def test_unknown_property_is_an_error(teamwire_sandbox: Sandbox) -> None:
    """A typing error in a test is told."""
    with pytest.raises(TypeError, match="colour"):
        teamwire_sandbox.change_chat(KNOWN_CHAT, colour="red")


def test_removed_chat_is_told(api: Api) -> None:
    """The bot is removed by somebody."""
    editor, now = admin(api), api.now()
    api.box.remove_chat(KNOWN_CHAT)
    (event,) = api.since(now)
    assert event == {
        "type": "chat_deleted",
        "tid": KNOWN_CHAT,
        "is_own": False,
        "editor_id": editor,
        "user_ids": [api.box.bot_uid],
        "group_ids": [],
    }


def test_restored_chat_is_told_and_is_the_last_in_the_list(api: Api) -> None:
    """The chat is as before, with its messages."""
    before, editor = chat(api), admin(api)
    mid = api.box.post_message(KNOWN_CHAT, "x")
    api.box.remove_chat(KNOWN_CHAT)
    now = api.now()
    api.box.restore_chat(KNOWN_CHAT)
    event = {"type": "chat_created", "tid": KNOWN_CHAT, "is_own": False, "editor_id": editor}
    assert api.since(now) == [{**event, "title": "test"}]
    assert (api.chats()[-1], newest(api)["mid"]) == (before, mid)


def test_chat_that_the_bot_left_can_be_restored(api: Api) -> None:
    """It does not matter how the bot came to leave."""
    api.delete(f"{CHATS}{KNOWN_CHAT}/members/me/")
    api.box.restore_chat(KNOWN_CHAT)
    assert api.chats()[-1]["tid"] == KNOWN_CHAT


def test_present_chat_is_not_restored(api: Api) -> None:
    """Nothing happens, and nothing is told."""
    before, now = api.chats(), api.now()
    api.box.restore_chat(KNOWN_CHAT)
    assert (api.chats(), api.since(now)) == (before, [])


def test_unknown_chat_is_not_restored(api: Api) -> None:
    """The bot was never in it."""
    with pytest.raises(LookupError, match="no chat 'nothing'"):
        api.box.restore_chat("nothing")


def test_one_to_one_chat_is_not_restored(api: Api) -> None:
    """The bot may have a new one with the same user."""
    tid = next(each["tid"] for each in api.chats() if each["type"] == "one_to_one")
    api.box.remove_chat(tid)
    with pytest.raises(ValueError, match="one-to-one"):
        api.box.restore_chat(tid)


def test_members_come(api: Api) -> None:
    """A circle need not be public, and a list stays one; the bot and members are no news."""
    before, now = chat(api), api.now()
    users = [KNOWN_USER, before["user_ids"][0], api.box.bot_uid]
    groups = [PRIVATE_CIRCLE, SECOND_LIST]
    api.box.add_members(KNOWN_CHAT, users, groups)
    assert chat(api)["group_ids"] == groups
    assert api.since(now) == [told(api, "chat_joined", user_ids=[KNOWN_USER], group_ids=groups)]


def test_members_go(api: Api) -> None:
    """Users and groups leave, and the others stay."""
    api.box.add_members(KNOWN_CHAT, [KNOWN_USER], [PRIVATE_CIRCLE])
    now = api.now()
    api.box.remove_members(KNOWN_CHAT, [KNOWN_USER], [PRIVATE_CIRCLE])
    assert api.since(now) == [
        told(api, "chat_left", user_ids=[KNOWN_USER], group_ids=[PRIVATE_CIRCLE])
    ]


def test_administrators_are_set(api: Api) -> None:
    """These are the administrators from now on, and nobody else."""
    old, new, now = admin(api), chat(api)["user_ids"][1], api.now()
    api.box.set_admins(KNOWN_CHAT, [new])
    assert chat(api)["admin_ids"] == [new]
    (event,) = api.since(now)
    assert (event["editor_id"], event["added_admin_ids"], event["removed_admin_ids"]) == (
        old,
        [new],
        [old, api.box.bot_uid],
    )


def test_bot_can_be_set_as_administrator(api: Api) -> None:
    """The bot is an administrator if told."""
    api.box.set_admins(KNOWN_CHAT, [], bot=True)
    assert chat(api)["admin_ids"] == [api.box.bot_uid]


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("add_members", (["nobody"],)),
        ("add_members", ((), ["nobody"])),
        ("remove_members", (["nobody"],)),
        ("remove_members", ((), [PUBLIC_CIRCLE])),
        ("set_admins", ([INVISIBLE_USER],)),
    ],
)
def test_unknown_members_are_an_error(
    teamwire_sandbox: Sandbox, call: str, arguments: tuple[Any, ...]
) -> None:
    """A typing error in a test is told."""
    with pytest.raises(LookupError, match="nobody|" + PUBLIC_CIRCLE + "|" + INVISIBLE_USER):
        getattr(teamwire_sandbox, call)(KNOWN_CHAT, *arguments)


@pytest.mark.parametrize("call", ["add_members", "remove_members"])
def test_one_to_one_keeps_its_members(api: Api, call: str) -> None:
    """A 1:1 chat cannot be extended."""
    tid = next(each["tid"] for each in api.chats() if each["type"] == "one_to_one")
    with pytest.raises(ValueError, match=tid):
        getattr(api.box, call)(tid, [KNOWN_USER])


HALF = "x\ud83d"


def test_half_an_emoji_is_sent_as_programs_send_it(box: Sandbox) -> None:
    """Other programs cut texts between the halves. A client has to be tested with that."""
    users = box.connect().chats.get_subscriptions()[0].users
    chat = box.add_chat(HALF, users)
    box.rename_chat(KNOWN_CHAT, HALF)
    mid = box.post_message(chat, HALF, files={HALF: b"1"})
    chats = box.connect().chats
    (message,) = chats.at(chat.tid).get_messages()

    assert {each.tid for each in chats.get_by_title("x\ufffd")} == {chat.tid, KNOWN_CHAT}
    assert (chat.title, message.mid, message.msg) == ("x\ufffd", mid, "x\ufffd")
    assert [each.name for each in message.attachments or ()] == ["x\ufffd"]
    assert chats.at(chat.tid).post("again", attachments=message.attachments).attachments


@pytest.mark.parametrize(
    "act",
    [
        lambda box: box.add_chat(5),
        lambda box: box.rename_chat(KNOWN_CHAT, 5),
        lambda box: box.change_chat(KNOWN_CHAT, is_closed=None),
        lambda box: box.add_chat("x", is_alert="yes"),
        lambda box: box.post_message(KNOWN_CHAT, 5),
        lambda box: box.post_message(KNOWN_CHAT, "x", is_alert=1),
    ],
    ids=["title", "new title", "flag", "flag of a chat", "text", "flag of a message"],
)
def test_a_wrong_type_changes_nothing(box: Sandbox, act: Callable[[Sandbox], object]) -> None:
    """It would be in each later response, and violate the contract."""
    before = box.connect().chats.get_subscriptions()
    with pytest.raises(TypeError, match=" must be "):
        act(box)

    assert box.connect().chats.get_subscriptions() == before

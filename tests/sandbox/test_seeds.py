"""What new worlds have: pictures, the bot's list, and chats in which somebody has talked."""

from __future__ import annotations

from typing import Any

import pytest

from teamwire_sync._sandbox.world.history import KNOWN_ATTACHMENT, KNOWN_MESSAGE
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import Sandbox, sandbox
from tests.support.sandbox_api import CHATS, KNOWN, MESSAGES, Api

USERS = "/v1/bot/users/"


def history(api: Api) -> list[dict[str, Any]]:
    """The messages of the known chat, the oldest first."""
    messages: list[dict[str, Any]] = api.get(MESSAGES).json()["messages"][::-1]
    return messages


def seen(box: Sandbox) -> list[Any]:
    """What a client sees of a world."""
    with Api(box) as api:
        paths = (CHATS, MESSAGES, USERS, "/v1/bot/groups/", f"/v1/bot/groups/{BOT_LIST}/")
        documents = [api.get(path).json() for path in paths]
    for document in documents:
        document.pop("next_cursor", None)
        for chat in document.get("chats", ()):
            del chat["revision"]
    return documents


def test_the_credentials_follow_from_the_seed_alone() -> None:
    """The variables that a shell has exported stay valid for a sandbox of another size."""
    with sandbox(chats=20, seed=1) as one, sandbox(chats=5, seed=1) as two:
        assert (one.app_id, one.secret) == (two.app_id, two.secret)
        with sandbox(chats=20, seed=2) as three:
            assert {one.app_id, one.secret}.isdisjoint({three.app_id, three.secret})


@pytest.mark.parametrize("seed", [0, 7])
def test_equal_arguments_give_an_equal_world(seed: int) -> None:
    """Pictures, lists and messages follow from the number and the seed."""
    with sandbox(chats=20, seed=seed) as one, sandbox(chats=20, seed=seed) as two:
        assert seen(one) == seen(two)


def test_history_has_a_message_of_each_kind(api: Api) -> None:
    """The known chat has everything that a client must show."""
    shapes = [
        (
            message["alert_type"],
            [attachment["type"] for attachment in message["attachments"]],
            message["reply_to"] is not None,
            message["deleted"],
            message["link_preview"] is not None,
        )
        for message in history(api)
    ]
    assert shapes == [
        (None, [], False, False, False),
        (None, ["file"], False, False, False),
        (None, ["location"], False, False, False),
        (None, ["calendar"], False, False, False),
        ("alert", [], False, False, False),
        (None, [], True, False, False),
        (None, [], False, True, False),
        (None, [], False, False, True),
    ]


def test_history_is_the_members(api: Api) -> None:
    """Who is in the chat has talked, one after the other."""
    members = api.chats()[0]["user_ids"]
    messages = history(api)
    assert {message["from_user_id"] for message in messages} <= set(members)
    times = [message["timestamp"] for message in messages]
    assert times == sorted(set(times))


def test_reply_answers_the_alert(api: Api) -> None:
    """The answer follows its question."""
    messages = history(api)
    assert messages[5]["reply_to"] == messages[4]["mid"]


@pytest.mark.parametrize("seed", [0, 7])
def test_known_ids_are_in_each_world(seed: int) -> None:
    """The ids that the contract's examples use lead somewhere whatever the seed."""
    with sandbox(chats=1, seed=seed) as box, Api(box) as api:
        messages = history(api)
    assert messages[0]["mid"] == KNOWN_MESSAGE
    assert messages[1]["attachments"][0]["attachment_id"] == KNOWN_ATTACHMENT


def test_circles_chat_has_talked_too(api: Api) -> None:
    """The chat of all nurses has a few messages."""
    tid = next(chat["tid"] for chat in api.chats() if chat["title"] == "Pflege: Alle")
    assert len(api.get(f"{CHATS}{tid}/messages/").json()["messages"]) == 3


def test_bot_is_an_administrator_of_the_known_chat(api: Api) -> None:
    """The bot can change it, and so can somebody else."""
    chat = api.chats()[0]
    assert chat["admin_ids"] == [chat["user_ids"][0], api.box.bot_uid]


def test_bot_owns_a_list(api: Api) -> None:
    """There is one list that the bot can edit."""
    group = api.get(f"/v1/bot/groups/{BOT_LIST}/").json()["group"]
    assert (group["title"], group["owner_id"], group["is_list"]) == (
        "Rufbereitschaft",
        api.box.bot_uid,
        True,
    )


def test_about_half_have_a_picture(api: Api) -> None:
    """Some users have one, the known user among them, and some have not."""
    users = api.get(USERS).json()["users"]
    pictured = {user["uid"] for user in users if user["has_avatar"]}
    assert KNOWN_USER in pictured
    assert 15 < len(pictured) < 40


@pytest.mark.parametrize("chats", [0, 1, 9, 10])
def test_history_needs_its_chat(chats: int) -> None:
    """A world with fewer chats has fewer messages, and is there all the same."""
    with sandbox(chats=chats) as box, box._world.database.reading() as db:
        (count,) = db.execute("SELECT COUNT(*) FROM messages").fetchone()
    assert count == {0: 0, 1: 8, 9: 8, 10: 11}[chats]


def test_history_is_no_event(api: Api) -> None:
    """A new world has nothing to tell: what was before is to be read, not told."""
    with api.box._world.database.reading() as db:
        assert db.execute("SELECT COUNT(*) FROM events").fetchone() == (0,)


def test_known_chat_is_where_it_was(api: Api) -> None:
    """The known chat is the first, and has its id."""
    assert api.patch(KNOWN, json={"title": "test"}).json()["chat"]["tid"] == KNOWN_CHAT

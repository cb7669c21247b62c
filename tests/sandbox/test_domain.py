"""The sandbox's domain rules: who can be in a chat, what a list and a circle become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world.seed import (
    FIRST_LIST,
    INVISIBLE_CIRCLE,
    INVISIBLE_USER,
    KNOWN_CHAT,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
    SECOND_LIST,
)
from tests.support.sandbox_api import CHATS, Api, error

if TYPE_CHECKING:
    import requests


def members(api: Api, gid: str) -> list[str]:
    uids: list[str] = api.get(f"/v1/bot/groups/{gid}/").json()["user_ids"]
    return uids


def bot_uid(api: Api) -> str:
    return str(api.get("/v1/bot/me/").json()["user"]["uid"])


def other_uid(api: Api) -> str:
    """A user with whom there is no 1:1 chat."""
    return next(uid for uid in members(api, PUBLIC_CIRCLE) if uid != KNOWN_USER)


def post(api: Api, tid: str, text: str) -> requests.Response:
    return api.post(f"{CHATS}{tid}/messages/", json={"message": text})


def test_me_is_a_bot(api: Api) -> None:
    """The bot's own user says that it is one."""
    assert api.get("/v1/bot/me/").json()["user"]["is_bot"] is True


def test_created_chat_has_what_was_asked_for(api: Api) -> None:
    """A new chat has the members and flags of the request, and the bot as administrator."""
    chat = api.create(
        title="hello world",
        user_ids=[KNOWN_USER],
        group_ids=[PUBLIC_CIRCLE],
        allow_sending=False,
        allow_mute_notifications=False,
        is_alert=True,
    ).json()["chat"]
    del chat["tid"], chat["revision"]
    assert chat == {
        "title": "hello world",
        "type": "group",
        "is_alert": True,
        "allow_sending": False,
        "allow_mute_notifications": False,
        "is_closed": False,
        "user_ids": [KNOWN_USER],
        "group_ids": [PUBLIC_CIRCLE],
        "admin_ids": [bot_uid(api)],
    }


def test_created_chat_comes_last_in_the_list(api: Api) -> None:
    """The list is in the order of creation."""
    tid = api.create(title="new", user_ids=[KNOWN_USER]).json()["chat"]["tid"]
    assert api.chats()[-1]["tid"] == tid


def test_created_chat_names_users_and_groups_beside_it(api: Api) -> None:
    """The answer describes each user and group that the chat names, the bot among them."""
    answer = api.create(title="new", user_ids=[KNOWN_USER], group_ids=[PUBLIC_CIRCLE]).json()
    named = [user["uid"] for user in answer["users"]], [group["gid"] for group in answer["groups"]]
    assert named == ([KNOWN_USER, bot_uid(api)], [PUBLIC_CIRCLE])


def test_first_message_is_posted_in_the_reused_one_to_one(api: Api) -> None:
    """A 1:1 chat that is closed refuses the message of a request that would reuse it."""
    api.box.add_chat(users=[other_uid(api)], is_closed=True)
    answer = api.create(user_ids=[other_uid(api)], message="hello")
    assert error(answer) == (409, "chat_closed")


def test_refused_creation_leaves_no_chat(api: Api) -> None:
    """A refused request changes nothing."""
    before = api.chats()
    api.create(title="new", user_ids=[KNOWN_USER], group_ids=[PRIVATE_CIRCLE])
    assert api.chats() == before


@pytest.mark.parametrize("title", [None, ""])
def test_one_user_and_no_title_make_a_one_to_one(api: Api, title: str | None) -> None:
    """Exactly one user without group and title is a 1:1 chat."""
    chat = api.create(title=title, user_ids=[other_uid(api)] * 2).json()["chat"]
    assert (chat["type"], chat["title"]) == ("one_to_one", None)


def test_title_makes_a_group_chat_of_one_user(api: Api) -> None:
    """A group chat with one other user is allowed."""
    chat = api.create(title="just us", user_ids=[other_uid(api)]).json()["chat"]
    assert chat["type"] == "group"


def test_existing_one_to_one_is_reused(api: Api) -> None:
    """A second 1:1 chat with a user is the first one, and its flags stay."""
    first = api.create(user_ids=[other_uid(api)]).json()["chat"]
    second = api.create(user_ids=[other_uid(api)], allow_sending=False, message="again").json()
    assert second["chat"] == first


def test_same_title_twice_makes_two_chats(api: Api) -> None:
    """Titles are not unique."""
    tids = {api.create(title="twin", user_ids=[KNOWN_USER]).json()["chat"]["tid"] for _ in range(2)}
    assert len(tids) == 2


def test_list_becomes_its_users(api: Api) -> None:
    """A list is expanded on creation, each user once, and is no member itself."""
    uids = members(api, FIRST_LIST)
    chat = api.create(user_ids=uids[:1], group_ids=[FIRST_LIST]).json()["chat"]
    assert (chat["user_ids"], chat["group_ids"]) == (uids, [])


def test_two_lists_that_overlap_give_each_user_once(api: Api) -> None:
    """Users of several lists are counted once."""
    both = dict.fromkeys(members(api, FIRST_LIST) + members(api, SECOND_LIST))
    chat = api.create(group_ids=[FIRST_LIST, SECOND_LIST]).json()["chat"]
    assert chat["user_ids"] == list(both)


def test_circle_that_is_not_public_is_refused(api: Api) -> None:
    """Bots may create chats with public circles only."""
    answer = api.create(title="new", group_ids=[PRIVATE_CIRCLE])
    assert error(answer) == (403, "circle_not_public")


@pytest.mark.parametrize("properties", [{}, {"title": "new"}, {"user_ids": [], "group_ids": []}])
def test_chat_without_recipient_is_refused(api: Api, properties: dict[str, Any]) -> None:
    """A chat needs a user or a group."""
    assert error(api.create(**properties)) == (422, "no_recipient")


def test_bot_is_no_recipient(api: Api) -> None:
    """The bot's own id among the users is ignored."""
    assert error(api.create(title="me", user_ids=[bot_uid(api)])) == (422, "no_recipient")


def test_unknown_and_invisible_members_are_named(api: Api) -> None:
    """Ids that the bot cannot see are refused by name, without a word on the good ones."""
    answer = api.create(
        user_ids=["nobody", KNOWN_USER, INVISIBLE_USER],
        group_ids=[INVISIBLE_CIRCLE, PUBLIC_CIRCLE, "0"],
    )
    details = answer.json()["error"]
    del details["message"]
    assert details == {
        "code": "invalid_members",
        "user_ids": ["nobody", INVISIBLE_USER],
        "group_ids": [INVISIBLE_CIRCLE, "0"],
    }


def test_posted_message_comes_back(api: Api) -> None:
    """The answer to a post is the message, from the bot, at the sandbox's time."""
    before = int(api.box.clock() * 1000)
    message = post(api, KNOWN_CHAT, "hi\u0000 🚒").json()["message"]
    assert len(message.pop("mid")) == 22
    assert before <= message.pop("timestamp") <= int(api.box.clock() * 1000)
    assert message == {
        "tid": KNOWN_CHAT,
        "from_user_id": bot_uid(api),
        "message": "hi\u0000 🚒",
        "is_alert": False,
        "alert_type": None,
        "reply_to": None,
        "sender_display_name": None,
        "deleted": False,
        "attachments": [],
        "link_preview": None,
    }


def test_author_comes_beside_the_message(api: Api) -> None:
    """The answer to a post describes its author."""
    users = post(api, KNOWN_CHAT, "hi").json()["users"]
    assert [user["uid"] for user in users] == [bot_uid(api)]


def test_post_in_unknown_chat_is_not_found(api: Api) -> None:
    """There is nothing to post in."""
    assert error(post(api, "nope", "hi")) == (404, "not_found")


def test_post_in_removed_chat_is_not_found(api: Api) -> None:
    """A chat that the bot was removed from is as good as unknown."""
    api.box.remove_chat(KNOWN_CHAT)
    assert error(post(api, KNOWN_CHAT, "hi")) == (404, "not_found")


def test_post_in_closed_chat_is_refused(api: Api) -> None:
    """Nobody can post in a closed chat."""
    tid = next(chat["tid"] for chat in api.chats() if chat["is_closed"])
    assert error(post(api, tid, "hi")) == (409, "chat_closed")


def test_known_user_is_found(api: Api) -> None:
    """A visible user can be fetched by id."""
    assert api.get(f"/v1/bot/users/{KNOWN_USER}/").json()["user"]["uid"] == KNOWN_USER


@pytest.mark.parametrize("path", [f"users/{INVISIBLE_USER}", f"groups/{INVISIBLE_CIRCLE}"])
def test_invisible_is_not_found(api: Api, path: str) -> None:
    """What the bot may not see does not exist for it."""
    assert error(api.get(f"/v1/bot/{path}/")) == (404, "not_found")


def test_group_comes_with_its_members(api: Api) -> None:
    """A group names its members, and each is described, the owner included."""
    answer = api.get(f"/v1/bot/groups/{FIRST_LIST}/").json()
    described = [user["uid"] for user in answer["users"]]
    assert described == answer["user_ids"]
    assert answer["group"]["owner_id"] in described


def test_added_chat_is_listed(api: Api) -> None:
    """What somebody else creates appears in the list as it was told."""
    added = api.box.add_chat("theirs", users=[KNOWN_USER], groups=[FIRST_LIST], is_alert=True)
    listed = api.chats()[-1]
    assert (listed["tid"], listed["title"], listed["group_ids"], listed["is_alert"]) == (
        added.tid,
        "theirs",
        [FIRST_LIST],
        True,
    )


def test_added_chat_accepts_models(api: Api) -> None:
    """Users and groups may be given as objects."""
    model = api.box.add_chat("one", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE])
    again = api.box.add_chat("two", users=model.users, groups=model.groups)
    assert (again.users, again.groups) == (model.users, model.groups)


def test_added_chat_with_unknown_user_is_an_error(api: Api) -> None:
    """A typing error in a test is told."""
    with pytest.raises(LookupError, match="nobody"):
        api.box.add_chat("theirs", users=["nobody"])


def test_second_one_to_one_cannot_be_added(api: Api) -> None:
    """There is one 1:1 chat with a user at most."""
    with pytest.raises(ValueError, match=KNOWN_USER):
        api.box.add_chat(users=[KNOWN_USER])


def test_renamed_chat_keeps_its_place(api: Api) -> None:
    """Another title is all that a renaming changes."""
    before = api.chats()
    api.box.rename_chat(KNOWN_CHAT, "renamed")
    assert api.chats() == [{**before[0], "title": "renamed"}, *before[1:]]


def test_renamed_one_to_one_is_still_the_one(api: Api) -> None:
    """A renaming does not let a second 1:1 chat in."""
    tid = api.create(user_ids=[KNOWN_USER]).json()["chat"]["tid"]
    api.box.rename_chat(tid, "us")
    assert api.create(user_ids=[KNOWN_USER]).json()["chat"]["tid"] == tid


def test_removed_chat_is_listed_no_more(api: Api) -> None:
    """A removed chat leaves the list, and the others stay."""
    before = api.chats()
    api.box.remove_chat(KNOWN_CHAT)
    assert api.chats() == before[1:]


def test_removed_one_to_one_makes_room_for_a_new_one(api: Api) -> None:
    """The 1:1 chat that is gone is not reused."""
    old = api.create(user_ids=[KNOWN_USER]).json()["chat"]["tid"]
    api.box.remove_chat(old)
    assert api.create(user_ids=[KNOWN_USER]).json()["chat"]["tid"] != old


@pytest.mark.parametrize("change", ["rename_chat", "remove_chat"])
def test_unknown_chat_cannot_be_changed(api: Api, change: str) -> None:
    """A typing error in a test is told."""
    arguments = ("nope", "title") if change == "rename_chat" else ("nope",)
    with pytest.raises(LookupError, match="nope"):
        getattr(api.box, change)(*arguments)

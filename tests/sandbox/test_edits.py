"""How the bot changes chats: title, flags, members, administrators, and leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    INVISIBLE_CIRCLE,
    INVISIBLE_USER,
    KNOWN_CHAT,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
    SECOND_CIRCLE,
)
from tests.support.sandbox_api import CHATS, KNOWN, Api, error

if TYPE_CHECKING:
    import requests

MEMBERS = f"{KNOWN}members/"
ADMINS = f"{KNOWN}admins/"
ME = f"{MEMBERS}me/"
EDITS = [
    ("", {"title": "x"}),
    ("members/", {"add_user_ids": [KNOWN_USER]}),
    ("admins/", {"add_user_ids": [KNOWN_USER]}),
]


def chat(api: Api) -> dict[str, Any]:
    """The known chat as it is listed."""
    return next(each for each in api.chats() if each["tid"] == KNOWN_CHAT)


def group_members(api: Api, gid: str) -> list[str]:
    uids: list[str] = api.get(f"/v1/bot/groups/{gid}/").json()["user_ids"]
    return uids


def bad_ids(answer: requests.Response) -> tuple[int, str, list[str], list[str]]:
    details = answer.json()["error"]
    return answer.status_code, details["code"], details["user_ids"], details["group_ids"]


@pytest.mark.parametrize(
    "properties",
    [
        {"title": "night shift"},
        {"title": None},
        {"allow_sending": False},
        {"allow_mute_notifications": False},
        {"is_closed": True},
        {"title": "x", "allow_sending": False, "is_closed": True},
    ],
)
def test_edit_changes_what_it_names(api: Api, properties: dict[str, Any]) -> None:
    """Properties that are not named stay as they were."""
    before = chat(api)
    api.patch(KNOWN, json=properties)
    assert chat(api) == {**before, **properties}


def test_edit_answers_with_the_chat(api: Api) -> None:
    """The answer is the chat as it is listed from then on."""
    after = api.patch(KNOWN, json={"title": "x"}).json()["chat"]
    del after["revision"]
    assert after == chat(api)


def test_closed_chat_can_be_opened(api: Api) -> None:
    """A closed chat can still be changed."""
    api.patch(KNOWN, json={"is_closed": True})
    api.patch(KNOWN, json={"is_closed": False})
    assert chat(api)["is_closed"] is False


def test_edit_makes_an_event_of_each_change(api: Api) -> None:
    """Each property that changes is told on its own, and those that do not are not."""
    now = api.now()
    api.patch(KNOWN, json={"title": "x", "allow_sending": True, "is_closed": True})
    told = {"tid": KNOWN_CHAT, "is_own": True, "editor_id": api.box.bot_uid}
    assert api.since(now) == [
        {"type": "chat_title_changed", **told, "title": "x"},
        {"type": "chat_is_closed_changed", **told, "is_closed": True},
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (KNOWN, {"title": "test", "is_closed": False}),
        (MEMBERS, {"add_user_ids": ["{bot}", "{member}"]}),
        (ADMINS, {"add_user_ids": ["{bot}", "{member}"]}),
    ],
)
def test_edit_that_changes_nothing_leaves_no_trace(api: Api, path: str, body: Any) -> None:
    """What is so already makes no event and keeps the list's validator."""
    names = {"{bot}": api.box.bot_uid, "{member}": chat(api)["user_ids"][0]}
    if "add_user_ids" in body:
        body = {"add_user_ids": [names[uid] for uid in body["add_user_ids"]]}
    now, etag = api.now(), api.get(CHATS).headers["ETag"]
    assert api.patch(path, json=body).status_code == 200
    assert (api.since(now), api.get(CHATS).headers["ETag"]) == ([], etag)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": "x" * 256},
        {"title": 1},
        {"allow_sending": None},
        {"allow_mute_notifications": 1},
        {"is_closed": "true"},
        {"is_alert": True},
    ],
)
def test_senseless_edit_is_refused(api: Api, body: Any) -> None:
    """An edit names at least one property that can be changed, and a value that it can have."""
    assert error(api.patch(KNOWN, json=body)) == (422, "invalid_request")


@pytest.mark.parametrize(("path", "body"), EDITS)
def test_unknown_chat_cannot_be_edited(api: Api, path: str, body: Any) -> None:
    """There is nothing to change."""
    assert error(api.patch(f"{CHATS}nope/{path}", json=body)) == (404, "not_found")


@pytest.mark.parametrize(("path", "body"), EDITS)
def test_only_an_administrator_edits(api: Api, path: str, body: Any) -> None:
    """The bot needs to be an administrator of the chat."""
    tid = api.box.add_chat("theirs", users=[KNOWN_USER]).tid
    assert error(api.patch(f"{CHATS}{tid}/{path}", json=body)) == (403, "not_admin")


@pytest.mark.parametrize(("path", "body"), EDITS)
def test_one_to_one_cannot_be_edited(api: Api, path: str, body: Any) -> None:
    """A 1:1 chat is refused as such, whoever is its administrator."""
    tid = next(each["tid"] for each in api.chats() if each["type"] == "one_to_one")
    assert error(api.patch(f"{CHATS}{tid}/{path}", json=body)) == (409, "one_to_one")


def test_members_are_added_at_the_end(api: Api) -> None:
    """Users and circles follow those that are in the chat."""
    before = chat(api)
    body = {"add_user_ids": [KNOWN_USER] * 2, "add_group_ids": [PUBLIC_CIRCLE]}
    after = api.patch(MEMBERS, json=body).json()["chat"]
    assert (after["user_ids"], after["group_ids"]) == (
        [*before["user_ids"], KNOWN_USER],
        [PUBLIC_CIRCLE],
    )


def test_added_list_becomes_its_users(api: Api) -> None:
    """A list is no member itself."""
    before = chat(api)
    after = api.patch(MEMBERS, json={"add_group_ids": [BOT_LIST]}).json()["chat"]
    everybody = dict.fromkeys(before["user_ids"] + group_members(api, BOT_LIST))
    assert (after["user_ids"], after["group_ids"]) == (list(everybody), [])


def test_removal_wins_over_a_list(api: Api) -> None:
    """Who is removed by name does not come in again with a list that is added at the same time."""
    uid = group_members(api, BOT_LIST)[0]
    api.box.add_members(KNOWN_CHAT, [uid])
    body = {"add_group_ids": [BOT_LIST], "remove_user_ids": [uid]}
    assert uid not in api.patch(MEMBERS, json=body).json()["chat"]["user_ids"]


def test_members_are_removed(api: Api) -> None:
    """Users and circles can be removed, and the others stay."""
    api.box.add_members(KNOWN_CHAT, groups=[PUBLIC_CIRCLE, SECOND_CIRCLE])
    before = chat(api)
    body = {"remove_user_ids": before["user_ids"][:1], "remove_group_ids": [PUBLIC_CIRCLE]}
    after = api.patch(MEMBERS, json=body).json()["chat"]
    assert (after["user_ids"], after["group_ids"]) == (before["user_ids"][1:], [SECOND_CIRCLE])


def test_removed_user_is_no_administrator(api: Api) -> None:
    """With the membership ends what it allowed."""
    admin = chat(api)["admin_ids"][0]
    after = api.patch(MEMBERS, json={"remove_user_ids": [admin]}).json()["chat"]
    assert after["admin_ids"] == [api.box.bot_uid]


def test_removed_user_is_no_administrator_by_a_circle(api: Api) -> None:
    """Who is removed by name is none even if a circle keeps the membership."""
    uid = group_members(api, PUBLIC_CIRCLE)[0]
    api.box.add_members(KNOWN_CHAT, [uid], [PUBLIC_CIRCLE])
    api.box.set_admins(KNOWN_CHAT, [uid], bot=True)
    after = api.patch(MEMBERS, json={"remove_user_ids": [uid]}).json()["chat"]
    assert after["admin_ids"] == [api.box.bot_uid]


def test_administrator_goes_with_the_circle(api: Api) -> None:
    """Who was a member by a circle only is no administrator when the circle is gone."""
    uid = next(u for u in group_members(api, PUBLIC_CIRCLE) if u not in chat(api)["user_ids"])
    api.box.add_members(KNOWN_CHAT, groups=[PUBLIC_CIRCLE])
    api.box.set_admins(KNOWN_CHAT, [uid], bot=True)
    after = api.patch(MEMBERS, json={"remove_group_ids": [PUBLIC_CIRCLE]}).json()["chat"]
    assert after["admin_ids"] == [api.box.bot_uid]


def test_members_that_come_and_go_are_two_events(api: Api) -> None:
    """Who joined and who left is told apart, each with the users and groups."""
    leaver = chat(api)["user_ids"][-1]
    now = api.now()
    body = {
        "add_user_ids": [KNOWN_USER],
        "add_group_ids": [PUBLIC_CIRCLE],
        "remove_user_ids": [leaver],
    }
    api.patch(MEMBERS, json=body)
    told = {"tid": KNOWN_CHAT, "is_own": True, "editor_id": api.box.bot_uid}
    assert api.since(now) == [
        {"type": "chat_joined", **told, "user_ids": [KNOWN_USER], "group_ids": [PUBLIC_CIRCLE]},
        {"type": "chat_left", **told, "user_ids": [leaver], "group_ids": []},
    ]


def test_removed_administrator_is_an_event_too(api: Api) -> None:
    """That an administrator is none any more is told after the removal."""
    admin = chat(api)["admin_ids"][0]
    now = api.now()
    api.patch(MEMBERS, json={"remove_user_ids": [admin]})
    left, changed = api.since(now)
    assert (left["type"], changed["removed_admin_ids"]) == ("chat_left", [admin])


def test_unknown_members_are_named(api: Api) -> None:
    """Ids to add that the bot cannot see, and ids to remove that are no members, are told."""
    answer = api.patch(
        MEMBERS,
        json={
            "add_user_ids": ["nobody", KNOWN_USER, INVISIBLE_USER],
            "add_group_ids": [INVISIBLE_CIRCLE],
            "remove_user_ids": ["stranger", api.box.bot_uid],
            "remove_group_ids": [PUBLIC_CIRCLE],
        },
    )
    assert bad_ids(answer) == (
        422,
        "invalid_members",
        ["nobody", INVISIBLE_USER, "stranger", api.box.bot_uid],
        [INVISIBLE_CIRCLE, PUBLIC_CIRCLE],
    )


def test_member_by_a_circle_cannot_be_removed(api: Api) -> None:
    """Only direct members can be removed one by one."""
    api.box.add_members(KNOWN_CHAT, groups=[PUBLIC_CIRCLE])
    uid = next(u for u in group_members(api, PUBLIC_CIRCLE) if u not in chat(api)["user_ids"])
    answer = api.patch(MEMBERS, json={"remove_user_ids": [uid]})
    assert bad_ids(answer) == (422, "invalid_members", [uid], [])


def test_private_circle_cannot_be_added(api: Api) -> None:
    """Bots may use public circles only."""
    answer = api.patch(MEMBERS, json={"add_group_ids": [PRIVATE_CIRCLE]})
    assert error(answer) == (403, "circle_not_public")


def test_private_circle_that_is_in_may_be_added(api: Api) -> None:
    """Adding who is a member already is no use of it."""
    api.box.add_members(KNOWN_CHAT, groups=[PRIVATE_CIRCLE])
    answer = api.patch(MEMBERS, json={"add_group_ids": [PRIVATE_CIRCLE]})
    assert answer.status_code == 200


def test_refused_member_edit_changes_nothing(api: Api) -> None:
    """All of an edit happens or nothing."""
    before, now = chat(api), api.now()
    api.patch(MEMBERS, json={"add_user_ids": [KNOWN_USER], "add_group_ids": [PRIVATE_CIRCLE]})
    assert (chat(api), api.since(now)) == (before, [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"add_user_ids": [], "remove_group_ids": []},
        {"add_user_ids": "x"},
        {"add_user_ids": [1]},
        {"add_user_ids": ["x"], "remove_user_ids": ["y", "x"]},
        {"add_group_ids": ["x"], "remove_group_ids": ["x"]},
        {"user_ids": ["x"]},
    ],
)
def test_senseless_member_edit_is_refused(api: Api, body: Any) -> None:
    """An edit has at least one id, and none that is both added and removed."""
    assert error(api.patch(MEMBERS, json=body)) == (422, "invalid_request")


def test_administrators_have_no_groups(api: Api) -> None:
    """A group cannot be an administrator."""
    answer = api.patch(ADMINS, json={"add_group_ids": [PUBLIC_CIRCLE]})
    assert error(answer) == (422, "invalid_request")


def test_administrators_come_and_go(api: Api) -> None:
    """A member becomes an administrator, and an administrator a member."""
    before = chat(api)
    old, new = before["admin_ids"][0], before["user_ids"][1]
    after = api.patch(ADMINS, json={"add_user_ids": [new], "remove_user_ids": [old]}).json()
    assert after["chat"]["admin_ids"] == [api.box.bot_uid, new]


def test_administrators_are_one_event(api: Api) -> None:
    """One event says who became an administrator and who is none any more."""
    before = chat(api)
    old, new = before["admin_ids"][0], before["user_ids"][1]
    now = api.now()
    api.patch(ADMINS, json={"add_user_ids": [new], "remove_user_ids": [old]})
    assert api.since(now) == [
        {
            "type": "chat_admins_changed",
            "tid": KNOWN_CHAT,
            "is_own": True,
            "editor_id": api.box.bot_uid,
            "added_admin_ids": [new],
            "removed_admin_ids": [old],
        }
    ]


def test_member_by_a_circle_can_be_administrator(api: Api) -> None:
    """Any kind of membership will do."""
    api.box.add_members(KNOWN_CHAT, groups=[PUBLIC_CIRCLE])
    uid = next(u for u in group_members(api, PUBLIC_CIRCLE) if u not in chat(api)["user_ids"])
    after = api.patch(ADMINS, json={"add_user_ids": [uid]}).json()["chat"]
    assert after["admin_ids"][-1] == uid


def test_bot_can_give_up_the_administration(api: Api) -> None:
    """The bot removes itself, and may change nothing any more."""
    api.patch(ADMINS, json={"remove_user_ids": [api.box.bot_uid]})
    answer = api.patch(ADMINS, json={"add_user_ids": [api.box.bot_uid]})
    assert error(answer) == (403, "not_admin")


def test_wrong_administrators_are_named(api: Api) -> None:
    """Ids to add that are no members and ids to remove that are no administrators are told."""
    plain = chat(api)["user_ids"][1]
    answer = api.patch(ADMINS, json={"add_user_ids": [KNOWN_USER], "remove_user_ids": [plain]})
    assert bad_ids(answer) == (422, "invalid_members", [KNOWN_USER, plain], [])


def test_left_chat_is_gone(api: Api) -> None:
    """The bot leaves, and the chat is as good as unknown."""
    assert api.delete(ME).json() == {}
    assert error(api.patch(KNOWN, json={"title": "x"})) == (404, "not_found")


def test_one_to_one_can_be_left(api: Api) -> None:
    """Any chat can be left."""
    tid = next(each["tid"] for each in api.chats() if each["type"] == "one_to_one")
    assert api.delete(f"{CHATS}{tid}/members/me/").status_code == 200


def test_leaving_is_told(api: Api) -> None:
    """For the bot the chat is deleted, by itself."""
    now = api.now()
    api.delete(ME)
    bot = api.box.bot_uid
    assert api.since(now) == [
        {
            "type": "chat_deleted",
            "tid": KNOWN_CHAT,
            "is_own": True,
            "editor_id": bot,
            "user_ids": [bot],
            "group_ids": [],
        }
    ]


def test_unknown_chat_cannot_be_left(api: Api) -> None:
    """There is nothing to leave."""
    assert error(api.delete(f"{CHATS}nope/members/me/")) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", KNOWN, {"title": "x"}),
        ("PATCH", MEMBERS, {"add_user_ids": [KNOWN_USER]}),
        ("PATCH", ADMINS, {"remove_user_ids": ["{admin}"]}),
        ("DELETE", ME, None),
        ("PATCH", f"/v1/bot/groups/{BOT_LIST}/members/", {"add_user_ids": [KNOWN_USER]}),
    ],
)
def test_each_write_is_repeated_under_its_key(api: Api, method: str, path: str, body: Any) -> None:
    """The same key gets the same answer, and nothing happens again."""
    if path == ADMINS:
        body = {"remove_user_ids": chat(api)["admin_ids"][:1]}
    headers = {"Idempotency-Key": "k"}
    first = api.request(method, path, json=body, headers=headers)
    now = api.now()
    second = api.request(method, path, json=body, headers=headers)
    assert (first.status_code, second.text, second.headers["Idempotency-Replayed"]) == (
        200,
        first.text,
        "true",
    )
    assert api.since(now) == []

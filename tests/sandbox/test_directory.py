"""People, circles and lists: page by page, their pictures, and the bot's own lists."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    FIRST_LIST,
    INVISIBLE_CIRCLE,
    INVISIBLE_USER,
    KNOWN_USER,
    PUBLIC_CIRCLE,
)
from tests.support.sandbox_api import Api, error

if TYPE_CHECKING:
    from collections.abc import Iterator

USERS = "/v1/bot/users/"
GROUPS = "/v1/bot/groups/"
OWN = f"{GROUPS}{BOT_LIST}/members/"


def pages(api: Api, path: str, what: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list."""
    cursor = None
    while True:
        document = api.get(path, params={**query, "cursor": cursor}).json()
        yield document[what]
        cursor = document["next_cursor"]
        if cursor is None:
            return


def everybody(api: Api, **query: Any) -> list[dict[str, Any]]:
    """All users that are listed."""
    return [user for page in pages(api, USERS, "users", **query) for user in page]


def full_name(user: dict[str, Any]) -> str:
    return f"{user['first_name']} {user['last_name']}"


def members(api: Api) -> list[str]:
    """The users of the bot's own list."""
    uids: list[str] = api.get(f"{GROUPS}{BOT_LIST}/").json()["user_ids"]
    return uids


def test_users_are_those_whom_the_bot_sees(api: Api) -> None:
    """Neither the bot itself nor anybody invisible is listed."""
    uids = {user["uid"] for user in everybody(api)}
    assert len(uids) == 55
    assert uids.isdisjoint({api.box.bot_uid, INVISIBLE_USER})


def test_users_are_sorted_by_name(api: Api) -> None:
    """Names are in order whatever their case, and equal names by id."""
    listed = [(full_name(user).casefold(), user["uid"]) for user in everybody(api)]
    assert listed == sorted(listed)


@pytest.mark.parametrize("limit", [1, 7, 54, 55, 56])
def test_pages_of_users_have_each_one_once(api: Api, limit: int) -> None:
    """Following the cursor gives what one page would."""
    assert everybody(api, limit=limit) == everybody(api)


@pytest.mark.parametrize(
    "part", ["müller", "MÜLLER", "a", "o'b", " ", "%", "_", "", "nobody", "weiss", "\0", "a b"]
)
def test_users_are_found_by_a_part_of_the_name(api: Api, part: str) -> None:
    """Case does not count, and no character is special."""
    expected = [user for user in everybody(api) if part.casefold() in full_name(user).casefold()]
    assert everybody(api, q=part) == expected


def test_found_users_come_in_pages_too(api: Api) -> None:
    """A part and a cursor go together."""
    assert everybody(api, q="a", limit=2) == everybody(api, q="a")


@pytest.mark.parametrize("path", [USERS, GROUPS])
@pytest.mark.parametrize("limit", ["0", "x", "-1"])
def test_senseless_limit_is_refused(api: Api, path: str, limit: str) -> None:
    """A limit is an integer of at least 1."""
    assert error(api.get(path, params={"limit": limit})) == (422, "invalid_request")


@pytest.mark.parametrize("path", [USERS, GROUPS, "/v1/bot/chats/"])
def test_cursor_of_another_list_is_refused(api: Api, path: str) -> None:
    """Each list has its own cursors."""
    others = {"/v1/bot/chats/": USERS, USERS: GROUPS, GROUPS: "/v1/bot/chats/"}
    cursor = api.get(others[path], params={"limit": 1}).json()["next_cursor"]
    assert error(api.get(path, params={"cursor": cursor})) == (422, "invalid_cursor")


@pytest.mark.parametrize(("path", "kind"), [(USERS, "user"), (GROUPS, "group")])
def test_cursor_of_nobody_is_refused(api: Api, path: str, kind: str) -> None:
    """A place in the order is somebody's."""
    cursor = api.box._world.directory._context.encode_cursor(kind, "nobody")
    assert error(api.get(path, params={"cursor": cursor})) == (422, "invalid_cursor")


def test_groups_are_those_that_the_bot_sees(api: Api) -> None:
    """By title, the bot's own list among them, the invisible circle not."""
    (page,) = pages(api, GROUPS, "groups")
    assert [group["title"] for group in page] == [
        "Alle Pflegekräfte",
        "Football",
        "Krisenstab",
        "Mittagsrunde",
        "Night shift",
        "Rufbereitschaft",
    ]


@pytest.mark.parametrize("limit", [1, 4, 6])
def test_pages_of_groups_have_each_one_once(api: Api, limit: int) -> None:
    """Following the cursor gives what one page would."""
    found = [group for page in pages(api, GROUPS, "groups", limit=limit) for group in page]
    assert [found] == list(pages(api, GROUPS, "groups"))


def test_a_group_is_a_circle_or_a_list(api: Api) -> None:
    """It is never both and never neither. The schema does not say so."""
    (groups,) = pages(api, GROUPS, "groups")
    assert {group["is_circle"] for group in groups} == {True, False}
    assert [group for group in groups if group["is_circle"] is group["is_list"]] == []


def test_owners_come_with_the_groups(api: Api) -> None:
    """A page of groups describes their owners, and nobody else."""
    document = api.get(GROUPS).json()
    owners = {group["owner_id"] for group in document["groups"]} - {None}
    assert sorted(user["uid"] for user in document["users"]) == sorted(owners)


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of a PNG's chunks, whose checksums are right."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place = 8
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        name, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        (checksum,) = struct.unpack(">I", png[place + 8 + size : place + 12 + size])
        assert checksum == zlib.crc32(name + data)
        yield name, data
        place += 12 + size


def test_picture_is_a_png(api: Api) -> None:
    """The known user has a picture of 16 by 16 pixels."""
    answer = api.get(f"{USERS}{KNOWN_USER}/avatar/")
    found = dict(chunks(answer.content))
    assert answer.headers["Content-Type"] == "image/png"
    assert struct.unpack(">2I", found[b"IHDR"][:8]) == (16, 16)
    assert len(zlib.decompress(found[b"IDAT"])) == 16 * (1 + 16 * 3)
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]


def test_some_have_no_picture(api: Api) -> None:
    """Whether there is a picture is told, and asking for none is refused with its own code."""
    uid = next(user["uid"] for user in everybody(api) if not user["has_avatar"])
    assert error(api.get(f"{USERS}{uid}/avatar/")) == (404, "no_avatar")


def test_pictures_differ(api: Api) -> None:
    """One can tell the users apart."""
    uids = [user["uid"] for user in everybody(api) if user["has_avatar"]]
    assert len({api.get(f"{USERS}{uid}/avatar/").content for uid in uids}) == len(uids)


@pytest.mark.parametrize("uid", ["nobody", INVISIBLE_USER])
def test_picture_of_nobody_is_not_found(api: Api, uid: str) -> None:
    """Whom the bot cannot see has no picture for it."""
    assert error(api.get(f"{USERS}{uid}/avatar/")) == (404, "not_found")


def test_own_list_gets_members(api: Api) -> None:
    """New members come last, each once."""
    before = members(api)
    answer = api.patch(OWN, json={"add_user_ids": [before[0], KNOWN_USER, KNOWN_USER]}).json()
    assert answer["user_ids"] == members(api) == [*before, KNOWN_USER]


def test_own_list_loses_members(api: Api) -> None:
    """The others stay in their order, and all may go."""
    before = members(api)
    api.patch(OWN, json={"remove_user_ids": before[1:2]})
    assert members(api) == [before[0], *before[2:]]


def test_empty_list_can_be_filled(api: Api) -> None:
    """The last member may go, and a first one come."""
    api.patch(OWN, json={"remove_user_ids": members(api)})
    api.patch(OWN, json={"add_user_ids": [KNOWN_USER]})
    assert members(api) == [KNOWN_USER]


def test_edited_list_describes_its_members(api: Api) -> None:
    """The answer is that of asking for the list."""
    answer = api.patch(OWN, json={"add_user_ids": [KNOWN_USER]}).json()
    assert answer == api.get(f"{GROUPS}{BOT_LIST}/").json()


def test_wrong_members_of_a_list_are_named(api: Api) -> None:
    """Ids to add that the bot cannot see, and ids to remove that are no members, are told."""
    body = {"add_user_ids": [INVISIBLE_USER, KNOWN_USER], "remove_user_ids": ["stranger"]}
    answer = api.patch(OWN, json=body)
    details = answer.json()["error"]
    assert (answer.status_code, details["code"], details["user_ids"], details["group_ids"]) == (
        422,
        "invalid_members",
        [INVISIBLE_USER, "stranger"],
        [],
    )


@pytest.mark.parametrize(
    ("gid", "status", "code"),
    [
        (PUBLIC_CIRCLE, 403, "circle_managed"),
        (FIRST_LIST, 403, "not_owner"),
        (INVISIBLE_CIRCLE, 404, "not_found"),
        ("0", 404, "not_found"),
    ],
)
def test_other_groups_cannot_be_edited(api: Api, gid: str, status: int, code: str) -> None:
    """The bot edits its own lists only."""
    answer = api.patch(f"{GROUPS}{gid}/members/", json={"add_user_ids": [KNOWN_USER]})
    assert error(answer) == (status, code)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"add_user_ids": []},
        {"add_group_ids": [PUBLIC_CIRCLE]},
        {"add_user_ids": ["x"], "remove_user_ids": ["x"]},
    ],
)
def test_senseless_edit_of_a_list_is_refused(api: Api, body: Any) -> None:
    """A list has users, and an edit at least one."""
    assert error(api.patch(OWN, json=body)) == (422, "invalid_request")

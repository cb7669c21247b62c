"""The changes that make the sandbox's revision grow, and the revision of each response."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._sandbox.world.seed import (
    BOT_LIST,
    KNOWN_CHAT,
    KNOWN_USER,
    PRIVATE_CIRCLE,
    PUBLIC_CIRCLE,
)
from teamwire_sync.testing import sandbox
from tests.support.sandbox_api import CHATS, EVENTS, KNOWN, MESSAGES, UPLOADS, Api
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

HEADER = "Teamwire-Revision"
ADMINS, MEMBERS = f"{KNOWN}admins/", f"{KNOWN}members/"
LIST_MEMBERS = f"/v1/bot/groups/{BOT_LIST}/members/"
ONE_TO_ONE = {"user_ids": [KNOWN_USER]}


def shown(answer: requests.Response) -> int:
    """Return the revision in the header of a response."""
    return int(answer.headers[HEADER])


def now(api: Api) -> int:
    return shown(api.get("/v1/bot/me/"))


def revisions(api: Api) -> dict[str, int]:
    """Return the revisions of the chats, by thread ID."""
    return {chat["tid"]: chat["revision"] for chat in api.get(CHATS).json()["chats"]}


def member(api: Api, place: int = 1) -> str:
    """Return a member of the known chat. The first member is an administrator."""
    chat = next(each for each in api.chats() if each["tid"] == KNOWN_CHAT)
    return str(chat["user_ids"][place])


Act = Callable[[Api], object]

EDITS: dict[str, Act] = {
    "a title": lambda api: api.patch(KNOWN, json={"title": "x"}),
    "no title": lambda api: api.patch(KNOWN, json={"title": None}),
    "a flag": lambda api: api.patch(KNOWN, json={"allow_sending": False}),
    "another flag": lambda api: api.patch(KNOWN, json={"allow_mute_notifications": False}),
    "closed": lambda api: api.patch(KNOWN, json={"is_closed": True}),
    "a new member": lambda api: api.patch(MEMBERS, json={"add_user_ids": [KNOWN_USER]}),
    "a circle": lambda api: api.patch(MEMBERS, json={"add_group_ids": [PUBLIC_CIRCLE]}),
    "one member less": lambda api: api.patch(MEMBERS, json={"remove_user_ids": [member(api)]}),
    "an administrator leaves": lambda api: api.patch(
        MEMBERS, json={"remove_user_ids": [member(api, 0)]}
    ),
    "a new administrator": lambda api: api.patch(ADMINS, json={"add_user_ids": [member(api)]}),
    "one administrator less": lambda api: api.patch(
        ADMINS, json={"remove_user_ids": [member(api, 0)]}
    ),
    "a title by others": lambda api: api.box.rename_chat(KNOWN_CHAT, "x"),
    "an alert by others": lambda api: api.box.change_chat(KNOWN_CHAT, is_alert=True),
    "a member by others": lambda api: api.box.add_members(KNOWN_CHAT, [KNOWN_USER]),
    "one member less by others": lambda api: api.box.remove_members(KNOWN_CHAT, [member(api)]),
    "administrators by others": lambda api: api.box.set_admins(KNOWN_CHAT, [member(api)]),
}
CREATIONS: dict[str, Act] = {
    "a chat": lambda api: api.create(title="x", **ONE_TO_ONE),
    "a chat by others": lambda api: api.box.add_chat("x", users=[KNOWN_USER]),
}
ENDS: dict[str, Act] = {
    "the bot leaves": lambda api: api.delete(f"{MEMBERS}me/"),
    "the bot is removed": lambda api: api.box.remove_chat(KNOWN_CHAT),
}
NO_CHANGES: dict[str, Act] = {
    "the same title": lambda api: api.patch(KNOWN, json={"title": "test"}),
    "the same flag": lambda api: api.patch(KNOWN, json={"is_closed": False}),
    "a member again": lambda api: api.patch(MEMBERS, json={"add_user_ids": [member(api)]}),
    "an administrator again": lambda api: api.patch(
        ADMINS, json={"add_user_ids": [member(api, 0)]}
    ),
    "the same title by others": lambda api: api.box.rename_chat(KNOWN_CHAT, "test"),
    "a member again by others": lambda api: api.box.add_members(KNOWN_CHAT, [member(api)]),
    "an existing one-to-one chat": lambda api: api.create(**ONE_TO_ONE),
    "a message in it": lambda api: api.create(message="hello", **ONE_TO_ONE),
    "a message": lambda api: api.post(MESSAGES, json={"message": "hello"}),
    "a message by others": lambda api: api.box.post_message(KNOWN_CHAT, "hello"),
    "a message read": lambda api: api.box.mark_read(
        KNOWN_CHAT, api.box.post_message(KNOWN_CHAT, "hello")
    ),
    "a message deleted": lambda api: api.box.delete_message(
        KNOWN_CHAT, api.box.post_message(KNOWN_CHAT, "hello")
    ),
    "an upload": lambda api: api.upload(),
    "a list's members": lambda api: api.patch(LIST_MEMBERS, json={"add_user_ids": [KNOWN_USER]}),
    "a refused edit": lambda api: api.patch(MEMBERS, json={"add_user_ids": ["nobody"]}),
    "a refused chat": lambda api: api.create(group_ids=[PRIVATE_CIRCLE]),
    "no such chat": lambda api: api.delete(f"{CHATS}nothing/members/me/"),
    "a listing": lambda api: api.chats(),
    "time": lambda api: api.box.advance(1000),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_the_last_change_of_its_chat_alone(api: Api, name: str) -> None:
    """The chat has the new revision. The other chats keep their revisions."""
    before = revisions(api)
    EDITS[name](api)
    after = revisions(api)
    assert after == {**before, KNOWN_CHAT: now(api)}
    assert after[KNOWN_CHAT] > max(before.values())


@pytest.mark.parametrize("name", CREATIONS)
def test_a_new_chat_has_the_new_revision(api: Api, name: str) -> None:
    """No other chat changes."""
    before = revisions(api)
    CREATIONS[name](api)
    (tid,) = revisions(api).keys() - before.keys()
    assert revisions(api) == {**before, tid: now(api)}
    assert now(api) > max(before.values())


@pytest.mark.parametrize("name", ENDS)
def test_the_end_of_a_chat_is_a_change(api: Api, name: str) -> None:
    """The remaining chats keep their revisions."""
    before, highest = revisions(api), now(api)
    ENDS[name](api)
    assert now(api) > highest
    assert revisions(api) == {tid: before[tid] for tid in before if tid != KNOWN_CHAT}


@pytest.mark.parametrize("name", NO_CHANGES)
def test_other_actions_are_no_change(api: Api, name: str) -> None:
    """Messages, lists, refusals and writes without effect do not change the revision."""
    before = now(api), revisions(api)
    NO_CHANGES[name](api)
    assert (now(api), revisions(api)) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", KNOWN, {"title": "x"}),
        ("PATCH", KNOWN, {"title": "test"}),
        ("PATCH", MEMBERS, {"add_user_ids": [KNOWN_USER]}),
        ("PATCH", ADMINS, {"remove_user_ids": []}),
        ("POST", CHATS, {"title": "x", **ONE_TO_ONE}),
        ("POST", CHATS, ONE_TO_ONE),
    ],
)
def test_a_write_answers_with_the_revision_that_is_listed(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    """It is the chat's own revision, also after changes of other chats."""
    api.box.rename_chat(api.chats()[1]["tid"], "other")
    answer = api.request(method, path, json=body)
    if answer.status_code == 200:
        chat = answer.json()["chat"]
        assert chat["revision"] == revisions(api)[chat["tid"]] <= shown(answer)
    else:
        assert shown(answer) == now(api)


ANSWERS: dict[str, tuple[int, Callable[[Api], requests.Response]]] = {
    "a list": (200, lambda api: api.get(CHATS)),
    "a further page": (
        200,
        lambda api: api.get(
            CHATS, params={"cursor": api.get(f"{CHATS}?limit=1").json()["next_cursor"]}
        ),
    ),
    "messages": (200, lambda api: api.get(MESSAGES)),
    "a message": (200, lambda api: api.post(MESSAGES, json={"message": "x"})),
    "events": (200, lambda api: api.get(EVENTS)),
    "no events": (200, lambda api: api.get(EVENTS, params={"cursor": api.now()})),
    "a user": (200, lambda api: api.get(f"/v1/bot/users/{KNOWN_USER}/")),
    "a picture": (200, lambda api: api.get(f"/v1/bot/users/{KNOWN_USER}/avatar/")),
    "a group": (200, lambda api: api.get(f"/v1/bot/groups/{BOT_LIST}/")),
    "an upload": (200, lambda api: api.post(UPLOADS, params={"name": "x"}, data=b"x")),
    "a content": (200, lambda api: api.get(f"{UPLOADS}{api.upload()}/content/")),
    "not modified": (304, lambda api: api.get(CHATS, headers={"If-None-Match": "*"})),
    "no JSON": (400, lambda api: api.send_json(CHATS, "{")),
    "forbidden": (403, lambda api: api.create(group_ids=[PRIVATE_CIRCLE])),
    "no such chat": (404, lambda api: api.get(f"{CHATS}nothing/messages/")),
    "no chat to leave": (404, lambda api: api.delete(f"{CHATS}nothing/members/me/")),
    "no such path": (404, lambda api: api.get("/v1/bot/nothing/")),
    "no such method": (405, lambda api: api.put(CHATS)),
    "no JSON type": (415, lambda api: api.post(CHATS, data=b"{}")),
    "no such cursor": (422, lambda api: api.get(CHATS, params={"cursor": "x"})),
    "an odd key": (422, lambda api: api.create("", **ONE_TO_ONE)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_each_answer_shows_the_present_revision(api: Api, name: str) -> None:
    """Successes, refusals and responses without a body have the header."""
    api.box.rename_chat(KNOWN_CHAT, "x")
    status, ask = ANSWERS[name]
    answer = ask(api)
    assert (answer.status_code, shown(answer)) == (status, now(api))


@pytest.mark.parametrize("path", [CHATS, "/v1/bot/nothing/", "/health"])
def test_nobody_learns_a_revision_without_the_secret(api: Api, path: str) -> None:
    """A revision would show a stranger when a chat has changed."""
    api.auth = None
    assert HEADER not in api.get(path).headers


def test_a_made_up_failure_shows_no_revision(api: Api) -> None:
    """The failure comes instead of the server's response."""
    api.box.fault("GET", CHATS, status=503)
    assert HEADER not in api.get(CHATS).headers


def test_an_answer_with_a_made_up_body_keeps_its_revision(api: Api) -> None:
    """The server has done the work."""
    api.box.fault("GET", CHATS, body={})
    assert shown(api.get(CHATS)) == now(api)


def test_equal_etags_have_equal_revisions(api: Api) -> None:
    """This holds through changes, other writes, a lag and its end."""
    changes = [EDITS["a title"], EDITS["closed"], *CREATIONS.values()]
    others = [NO_CHANGES["a message by others"], NO_CHANGES["an upload"]]
    seen = set()
    for lag in (None, 5, 0):
        if lag is not None:
            api.box.clear_faults()
            api.box.fault("GET", CHATS, lag=lag)
        for act in (*changes, *others):
            api.box.advance(2)
            act(api)
            answer = api.get(CHATS)
            seen.add((answer.headers["ETag"], shown(answer)))
    assert len(seen) > 5
    assert {len(set(each)) for each in zip(*seen)} == {len(seen)}


def test_a_list_that_is_not_modified_has_its_revision(api: Api) -> None:
    """The client's list is as new as the present one."""
    answer = api.get(CHATS)
    again = api.get(CHATS, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, shown(again)) == (304, shown(answer))


def test_a_list_that_lags_says_which_revision_it_shows(api: Api) -> None:
    """No chat on the list has a newer revision."""
    before = now(api)
    api.box.fault("GET", CHATS, lag=30)
    changed = api.patch(KNOWN, json={"title": "x"}).json()["chat"]["revision"]
    answer = api.get(CHATS)
    assert shown(answer) == before < changed
    assert revisions(api)[KNOWN_CHAT] <= before


def test_a_response_about_one_chat_does_not_lag(api: Api) -> None:
    """Only the list may be behind."""
    api.box.fault("GET", CHATS, lag=30)
    api.box.rename_chat(KNOWN_CHAT, "x")
    answers = [api.get(MESSAGES), api.get(EVENTS), api.patch(KNOWN, json={"is_closed": False})]
    assert {shown(answer) for answer in answers} == {now(api)}
    assert answers[-1].json()["chat"]["revision"] == now(api)


def test_leaving_shows_the_revision_of_the_removal(api: Api) -> None:
    """The event has the same revision."""
    since = api.now()
    answer = api.delete(f"{MEMBERS}me/")
    (event,) = api.get(EVENTS, params={"cursor": since}).json()["events"]
    assert shown(answer) == event["revision"] == now(api)


def test_a_repeated_answer_shows_the_revision_of_the_first(api: Api) -> None:
    """The body of the response is as old as this revision."""
    headers = {"Idempotency-Key": "k"}
    first = api.patch(KNOWN, json={"title": "x"}, headers=headers)
    api.box.rename_chat(KNOWN_CHAT, "y")
    again = api.patch(KNOWN, json={"title": "x"}, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert shown(again) == shown(first) < now(api)


def test_a_repeated_refusal_shows_the_revision_of_the_first(api: Api) -> None:
    """An object that was missing then may exist now."""
    headers = {"Idempotency-Key": "k"}
    path = f"{CHATS}nothing/members/me/"
    first = api.delete(path, headers=headers)
    api.box.rename_chat(KNOWN_CHAT, "y")
    again = api.delete(path, headers=headers)
    assert shown(again) == shown(first) < now(api)


def test_an_event_has_the_revision_of_its_chat_as_it_is_shown(api: Api) -> None:
    """All events of a chat in one response have the same revision."""
    since = api.now()
    api.box.rename_chat(KNOWN_CHAT, "x")
    api.box.change_chat(KNOWN_CHAT, is_alert=True)
    api.post(MESSAGES, json={"message": "x"})
    page = api.get(EVENTS, params={"cursor": since}).json()
    (chat,) = page["chats"]
    assert chat["revision"] == now(api)
    assert {event["revision"] for event in page["events"]} == {now(api)}


def test_a_change_before_the_end_of_a_chat_is_older_than_the_end(api: Api) -> None:
    """The response shows the chat in its last state before the end."""
    since = api.now()
    api.box.rename_chat(KNOWN_CHAT, "x")
    renamed = now(api)
    api.box.remove_chat(KNOWN_CHAT)
    page = api.get(EVENTS, params={"cursor": since}).json()
    assert [event["revision"] for event in page["events"]] == [renamed, now(api)]
    assert page["chats"][0]["revision"] == renamed < now(api)


def test_a_new_start_is_a_new_revision(tmp_path: Path) -> None:
    """The chats keep their revisions."""
    path = tmp_path / "world.db"
    with sandbox(chats=3, path=path) as first, Api(first) as api:
        first.rename_chat(KNOWN_CHAT, "x")
        before = now(api), revisions(api)
    with sandbox(path=path) as second, Api(second) as api:
        assert now(api) > before[0]
        assert revisions(api) == before[1]


def test_a_new_start_is_not_before_the_clock(tmp_path: Path) -> None:
    """A server that has lost its revisions continues with higher ones."""
    path = tmp_path / "world.db"
    with sandbox(chats=3, path=path):
        pass
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE log SET seq = 5")
    with sandbox(path=path) as box, Api(box) as api:
        assert 0 <= box.clock() * 1000 - now(api) < 300_000


def test_a_new_start_is_not_before_what_was_stored(tmp_path: Path) -> None:
    """The clock may have been set back."""
    path, far = tmp_path / "world.db", 2**60
    with sandbox(chats=3, path=path):
        pass
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO log (seq, at, total) VALUES (?, 0, 3)", (far,))
    with sandbox(path=path) as box, Api(box) as api:
        assert now(api) == far + 1


def test_a_new_start_does_not_end_a_lag(tmp_path: Path) -> None:
    """The last change is not on the list yet."""
    path = tmp_path / "world.db"
    with sandbox(chats=3, path=path) as first:
        first.rename_chat(KNOWN_CHAT, "x")
    with sandbox(path=path) as second, Api(second) as api:
        second.fault("GET", CHATS, lag=1000)
        assert api.chats()[0]["title"] == "test"


def test_a_lag_ends_though_the_clock_was_put_back(tmp_path: Path) -> None:
    """The clock may be set back between two starts."""
    path = tmp_path / "world.db"
    with sandbox(chats=3, path=path) as first:
        first.advance(3600)
        first.rename_chat(KNOWN_CHAT, "x")
    with sandbox(path=path) as second, Api(second) as api:
        second.fault("GET", CHATS, lag=10)
        second.advance(20)
        assert api.chats()[0]["title"] == "x"


def test_a_list_shows_all_changes_up_to_its_revision_while_others_write(api: Api) -> None:
    """The list shows these changes and no later ones."""

    def write(title: str) -> Iterator[tuple[int, str, bool]]:
        """Yield the number of each change, its chat, and whether the chat is still there."""
        with Api(api.box) as own:
            chat = own.create(title=title, **ONE_TO_ONE).json()["chat"]
            yield chat["revision"], chat["tid"], True
            path = f"{CHATS}{chat['tid']}/"
            for number in range(8):
                answer = own.patch(path, json={"title": f"{title}{number}"})
                yield answer.json()["chat"]["revision"], chat["tid"], True
            yield shown(own.delete(f"{path}members/me/")), chat["tid"], False

    def read() -> list[tuple[int, dict[str, int]]]:
        with Api(api.box) as own:
            answers = [own.get(CHATS) for _ in range(20)]
        return [
            (shown(each), {chat["tid"]: chat["revision"] for chat in each.json()["chats"]})
            for each in answers
        ]

    before = revisions(api)
    with Threads() as threads:
        readers = [threads.start(read) for _ in range(2)]
        writers = [threads.start(lambda name=name: list(write(name))) for name in "abcdef"]
    changes = sorted(change for writer in writers for change in writer.result())
    for revision, listed in (each for reader in readers for each in reader.result()):
        present = dict(before)
        for number, tid, is_there in changes:
            if number <= revision:
                present.pop(tid, None)
                present.update({tid: number} if is_there else {})
        assert listed == present

"""The changes of the sandbox's list of chats since a revision."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world import queries
from teamwire_sync._sandbox.world.database import Database
from teamwire_sync._sandbox.world.files import Files
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync._sandbox.world.world import World
from teamwire_sync.testing import sandbox
from tests.support.sandbox_api import CHATS, Api, error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import requests

UNKNOWN = 410, "unknown_revision"


class State:
    """The list of chats as a client has it."""

    def __init__(self, api: Api) -> None:
        answer = api.get(CHATS, params={"limit": 1000})
        self.chats: list[dict[str, Any]] = answer.json()["chats"]
        self.revision = int(answer.headers["Teamwire-Revision"])
        self.etag = answer.headers["ETag"]

    def after(self, pages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the chats after these changes."""
        pages = list(pages)
        chats = {chat["tid"]: chat for chat in self.chats}
        for tid in pages[0]["gone"]:
            chats.pop(tid, None)
        for page in pages:
            chats.update({chat["tid"]: chat for chat in page["chats"]})
        return list(chats.values())


def ask(api: Api, since: int | str, if_none_match: str = "", **query: Any) -> requests.Response:
    headers = {"If-None-Match": if_none_match} if if_none_match else {}
    return api.get(CHATS, params={"since": since, **query}, headers=headers)


def changes(api: Api, since: int, limit: int = 1000) -> list[dict[str, Any]]:
    """Return all pages of the changes."""
    pages = [ask(api, since, limit=limit).json()]
    while pages[-1]["next_cursor"] is not None:
        cursor = pages[-1]["next_cursor"]
        pages.append(ask(api, since, limit=limit, cursor=cursor).json())
    return pages


def titles(page: dict[str, Any]) -> list[str | None]:
    return [chat["title"] for chat in page["chats"]]


def shown(answer: requests.Response) -> int:
    return int(answer.headers["Teamwire-Revision"])


class TestChanges:
    def test_there_are_none_after_the_present_revision(self, api: Api) -> None:
        before = State(api)

        assert ask(api, before.revision).json() == {
            "chats": [],
            "users": [],
            "groups": [],
            "gone": [],
            "total": 100,
            "next_cursor": None,
        }

    def test_a_changed_chat_is_one(self, api: Api) -> None:
        before = State(api)
        api.box.rename_chat(KNOWN_CHAT, "x")
        (page,) = changes(api, before.revision)

        assert titles(page) == ["x"]
        assert (page["gone"], page["total"]) == ([], 100)

    def test_a_chat_that_changed_twice_is_there_once(self, api: Api) -> None:
        before = State(api)
        api.box.rename_chat(KNOWN_CHAT, "x")
        api.box.rename_chat(KNOWN_CHAT, "y")

        assert titles(ask(api, before.revision).json()) == ["y"]

    def test_a_new_chat_is_one(self, api: Api) -> None:
        before = State(api)
        api.create(title="x", user_ids=[KNOWN_USER])
        (page,) = changes(api, before.revision)

        assert (titles(page), page["total"]) == (["x"], 101)

    def test_a_removed_chat_is_gone(self, api: Api) -> None:
        before = State(api)
        api.box.rename_chat(KNOWN_CHAT, "x")
        api.delete(f"{CHATS}{KNOWN_CHAT}/members/me/")
        (page,) = changes(api, before.revision)

        assert (page["chats"], page["gone"], page["total"]) == ([], [KNOWN_CHAT], 99)

    def test_a_chat_that_came_back_is_gone_and_is_the_last_one(self, api: Api) -> None:
        before = State(api)
        for _ in range(2):
            api.box.remove_chat(KNOWN_CHAT)
            api.box.restore_chat(KNOWN_CHAT)
        api.box.rename_chat(before.chats[5]["tid"], "x")
        (page,) = changes(api, before.revision)

        assert titles(page) == ["x", "test"]
        assert page["chats"][-1]["tid"] == State(api).chats[-1]["tid"] == KNOWN_CHAT
        assert (page["gone"], page["total"]) == ([KNOWN_CHAT], 100)

    def test_a_change_after_the_return_of_a_chat_does_not_make_it_gone(self, api: Api) -> None:
        api.box.remove_chat(KNOWN_CHAT)
        api.box.restore_chat(KNOWN_CHAT)
        before = State(api)
        api.box.rename_chat(KNOWN_CHAT, "x")
        (page,) = changes(api, before.revision)

        assert (titles(page), page["gone"]) == (["x"], [])

    def test_a_write_without_effect_and_a_message_are_none(self, api: Api) -> None:
        before = State(api)
        api.box.rename_chat(KNOWN_CHAT, "test")
        api.box.post_message(KNOWN_CHAT, "x")
        (page,) = changes(api, before.revision)

        assert (page["chats"], page["gone"]) == ([], [])

    def test_they_come_with_the_users_and_groups_that_they_name(self, api: Api) -> None:
        before = State(api)
        api.box.add_chat("x", users=[KNOWN_USER], groups=[PUBLIC_CIRCLE])
        (page,) = changes(api, before.revision)

        assert [user["uid"] for user in page["users"]] == [KNOWN_USER]
        assert [group["gid"] for group in page["groups"]] == [PUBLIC_CIRCLE]

    def test_they_have_the_headers_of_the_whole_list(self, api: Api) -> None:
        since = State(api).revision
        api.box.rename_chat(KNOWN_CHAT, "x")
        answer, whole = ask(api, since), State(api)

        assert (shown(answer), answer.headers["ETag"]) == (whole.revision, whole.etag)

    def test_a_list_without_since_has_the_number_of_all_chats_alone(self, api: Api) -> None:
        page = api.get(CHATS, params={"limit": 1}).json()

        assert set(page) == {"chats", "users", "groups", "total", "next_cursor"}
        assert page["total"] == 100

    def test_all_chats_can_be_new(self) -> None:
        with sandbox(chats=0) as box, Api(box) as api:
            before = State(api)
            for number in range(3):
                box.add_chat(str(number))
            (page,) = changes(api, before.revision)

            assert (titles(page), page["total"]) == (["0", "1", "2"], 3)

    @pytest.mark.parametrize("limit", [1, 3, 1000])
    @pytest.mark.teamwire_sandbox(chats=8)
    def test_of_any_history_they_make_the_whole_list_of_an_old_one(
        self, api: Api, limit: int
    ) -> None:
        chance = random.Random(limit)  # noqa: S311 - reproducible, not secret
        states = [State(api)]
        removed: list[str] = []
        for number in range(60):
            tids = [chat["tid"] for chat in states[-1].chats]
            act = chance.choice(["add", "rename", "rename", "remove", "restore"])
            if act == "add" or not tids:
                api.box.add_chat(f"new {number}", users=[KNOWN_USER], bot_is_admin=True)
            elif act == "rename":
                api.box.rename_chat(chance.choice(tids), str(number))
            elif act == "restore" and removed:
                api.box.restore_chat(removed.pop())
            else:
                tid = chance.choice(tids)
                if states[-1].chats[tids.index(tid)]["type"] == "group":
                    removed.append(tid)
                api.box.remove_chat(tid)
            states.append(State(api))
            old = chance.choice(states)
            pages = changes(api, old.revision, limit)
            assert old.after(pages) == states[-1].chats
            assert {page["total"] for page in pages} == {len(states[-1].chats)}


class TestPages:
    def test_hold_each_change_once_in_the_order_of_the_list(self, api: Api) -> None:
        before = State(api)
        tids = [chat["tid"] for chat in before.chats]
        for tid in (tids[70], tids[3], tids[40], tids[3], tids[50]):
            api.box.change_chat(tid, title=None)
            api.box.rename_chat(tid, "x")
        found = [
            [chat["tid"] for chat in page["chats"]] for page in changes(api, before.revision, 3)
        ]

        assert found == [[tids[3], tids[40], tids[50]], [tids[70]]]

    def test_name_who_is_gone_on_the_first_alone_and_the_total_on_all(self, api: Api) -> None:
        before = State(api)
        api.box.remove_chat(KNOWN_CHAT)
        for number in range(3):
            api.box.add_chat(str(number))
        found = [(page["gone"], page["total"]) for page in changes(api, before.revision, 1)]

        assert found == [([KNOWN_CHAT], 102), ([], 102), ([], 102)]

    def test_after_the_first_ignore_the_validator(self, api: Api) -> None:
        before = State(api)
        for number in range(2):
            api.box.add_chat(str(number))
        first = ask(api, before.revision, limit=1)
        cursor = first.json()["next_cursor"]
        second = ask(api, before.revision, first.headers["ETag"], limit=1, cursor=cursor)

        assert (second.status_code, titles(second.json())) == (200, ["1"])

    @pytest.mark.parametrize("cursor", ["", "x"])
    def test_need_a_cursor_that_the_server_gave(self, api: Api, cursor: str) -> None:
        answer = ask(api, State(api).revision, cursor=cursor)

        assert error(answer) == (422, "invalid_cursor")

    def test_need_a_cursor_of_the_same_world(self, api: Api) -> None:
        with sandbox() as other, Api(other) as session:
            cursor = session.get(f"{CHATS}?limit=1").json()["next_cursor"]

        assert error(ask(api, State(api).revision, cursor=cursor)) == (422, "invalid_cursor")


class TestSince:
    @pytest.mark.parametrize(
        "since",
        ["", "-1", "+1", " 1", "1 ", "1.0", "1_0", "1e3", "01", "x", "٣", str(2**63), "9" * 5000],
    )
    def test_that_is_no_revision_is_refused(self, api: Api, since: str) -> None:
        assert error(ask(api, since)) == (422, "invalid_request")

    def test_that_was_never_a_revision_is_not_known(self, api: Api) -> None:
        first = State(api).revision
        api.box.rename_chat(KNOWN_CHAT, "x")
        last = State(api).revision
        numbers = (0, 1, first - 1, last + 1, last + 10**9, 2**63 - 1)

        assert {error(ask(api, number)) for number in numbers} == {UNKNOWN}

    def test_that_is_not_known_is_refused_on_later_pages(self, api: Api) -> None:
        cursor = api.get(f"{CHATS}?limit=1").json()["next_cursor"]

        assert error(ask(api, 5, cursor=cursor)) == UNKNOWN

    def test_that_is_not_known_gets_the_present_revision(self, api: Api) -> None:
        assert shown(ask(api, 5)) == State(api).revision

    @pytest.mark.parametrize("pattern", ["{}", "W/{}", '"other", {}', "*"])
    @pytest.mark.parametrize("is_known", [True, False])
    def test_counts_only_if_the_validator_does_not_match(
        self, api: Api, pattern: str, is_known: bool
    ) -> None:
        state = State(api)
        answer = ask(api, state.revision if is_known else 5, pattern.format(state.etag))

        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["ETag"], shown(answer)) == (state.etag, state.revision)


class TestLag:
    def test_hides_the_changes_that_are_not_shown_yet(self, api: Api) -> None:
        before = State(api)
        api.box.rename_chat(KNOWN_CHAT, "x")
        between = State(api).revision
        api.box.advance(60)
        api.box.remove_chat(KNOWN_CHAT)
        api.box.add_chat("new")
        api.box.add_chat("newer")
        api.box.fault("GET", CHATS, lag=30)
        answer = ask(api, before.revision)
        page = answer.json()

        assert (titles(page), page["gone"], page["total"]) == (["x"], [], 100)
        assert shown(answer) == between

    def test_before_the_revision_shows_no_changes_and_its_own_revision(self, api: Api) -> None:
        before = State(api)
        api.box.remove_chat(KNOWN_CHAT)
        api.box.add_chat("new")
        api.box.add_chat("newer")
        after = State(api)
        api.box.fault("GET", CHATS, lag=30)
        answer = ask(api, after.revision)
        page = answer.json()

        assert (answer.status_code, answer.headers["ETag"]) == (200, before.etag)
        assert (page["chats"], page["gone"], page["total"]) == ([], [], 100)
        assert shown(answer) == before.revision < after.revision


class TestRestart:
    def test_keeps_the_changes_before_it(self, tmp_path: Path) -> None:
        path = tmp_path / "world.db"
        with sandbox(chats=5, path=path) as box, Api(box) as api:
            before = State(api)
            box.rename_chat(KNOWN_CHAT, "x")
            box.remove_chat(before.chats[1]["tid"])
        with sandbox(path=path) as box, Api(box) as api:
            pages = changes(api, before.revision)

            assert before.after(pages) == State(api).chats
            assert pages[0]["total"] == 4

    def test_is_no_change(self, tmp_path: Path) -> None:
        path = tmp_path / "world.db"
        with sandbox(chats=5, path=path) as box, Api(box) as api:
            before = State(api)
        with sandbox(path=path) as box, Api(box) as api:
            (page,) = changes(api, before.revision)

            assert (page["chats"], page["gone"], page["total"]) == ([], [], 5)

    def test_with_a_lost_database_knows_no_revision_from_before(self, tmp_path: Path) -> None:
        with sandbox(chats=5, path=tmp_path / "lost.db") as box, Api(box) as api:
            before = State(api)
        with sandbox(chats=5, path=tmp_path / "new.db") as box, Api(box) as api:
            assert error(ask(api, before.revision)) == UNKNOWN

    def test_with_a_backup_knows_no_revision_that_came_after_it(self, tmp_path: Path) -> None:
        path, backup = tmp_path / "world.db", tmp_path / "backup.db"
        with sandbox(chats=5, path=path) as box, Api(box) as api:
            kept = State(api)
        shutil.copy(path, backup)
        with sandbox(path=path) as box, Api(box) as api:
            box.add_chat("x")
            lost = State(api)
        with sandbox(path=backup) as box, Api(box) as api:
            box.add_chat("y")

            assert error(ask(api, lost.revision)) == UNKNOWN
            assert titles(ask(api, kept.revision).json()) == ["y"]


class TestFaults:
    def test_unknown_refuses_since(self, api: Api) -> None:
        since = State(api).revision
        api.box.fault("GET", CHATS, since="unknown")
        answer = ask(api, since)

        assert (error(answer), shown(answer)) == (UNKNOWN, since)

    def test_ignored_sends_the_whole_list(self, api: Api) -> None:
        since = State(api).revision
        api.box.fault("GET", CHATS, since="ignored")

        assert ask(api, since, limit=7).json() == api.get(f"{CHATS}?limit=7").json()

    def test_wrong_total_is_wrong_by_one_on_each_page(self, api: Api) -> None:
        since = State(api).revision
        for number in range(2):
            api.box.add_chat(str(number))
        api.box.fault("GET", CHATS, since="wrong_total")

        assert [page["total"] for page in changes(api, since, 1)] == [103, 103]

    @pytest.mark.parametrize("name", ["unknown", "ignored", "wrong_total"])
    def test_each_leaves_an_unchanged_list_as_it_is(self, api: Api, name: str) -> None:
        state = State(api)
        api.box.fault("GET", CHATS, since=name)

        assert ask(api, state.revision, state.etag).status_code == 304

    @pytest.mark.parametrize("name", ["unknown", "ignored", "wrong_total"])
    def test_each_affects_and_counts_requests_with_since_alone(self, api: Api, name: str) -> None:
        since = State(api).revision
        fault = api.box.fault("GET", CHATS, since=name, times=1)
        found = [
            (api.get(CHATS, params=query).status_code, fault.hits)
            for query in ({}, {"since": since}, {"since": since})
        ]

        assert found == [(200, 0), (410 if name == "unknown" else 200, 1), (200, 1)]

    def test_one_applies_together_with_a_lag(self, api: Api) -> None:
        since = State(api).revision
        api.box.remove_chat(KNOWN_CHAT)
        api.box.fault("GET", CHATS, lag=30)
        api.box.fault("GET", CHATS, since="wrong_total")

        assert ask(api, since).json()["total"] == 101

    def test_another_effect_of_one_affects_requests_with_since_alone(self, api: Api) -> None:
        since = State(api).revision
        api.box.fault("GET", CHATS, since="ignored", headers={"X-New": "1"})

        assert "X-New" not in api.get(CHATS).headers
        assert "X-New" in ask(api, since).headers

    @pytest.mark.parametrize("name", ["", "behind", True, 5])
    def test_other_names_are_refused(self, api: Api, name: Any) -> None:
        with pytest.raises(ValueError, match="since must be 'unknown', 'ignored', 'wrong_total'"):
            api.box.fault("GET", CHATS, since=name)

    def test_the_status_410_has_the_code_of_the_contract(self, api: Api) -> None:
        api.box.fault("GET", CHATS, status=410)

        assert error(api.get(CHATS)) == UNKNOWN

    def test_a_request_with_since_is_recorded_with_it(self, api: Api) -> None:
        api.box.fault("GET", CHATS, since="ignored")
        ask(api, 5, limit=3)

        assert api.box.requests[-1].query == {"since": "5", "limit": "3"}


class Steps:
    """A world with a removed, a changed and a new chat since a revision, and what work costs in it.

    Args:
        chats: The number of the other chats.
    """

    def __init__(self, chats: int) -> None:
        with closing(Database(None)) as database, closing(Files(None)) as files:
            self.world = World(database, files, time.time, chats=chats, seed=0)
            with database.writing() as self.db:
                removed, self.changed = self.create(), self.create()
                self.since = queries.revision(self.db)
                self.remove(removed)
                self.rename("y")
                self.create()
                self.page = self.read(500, self.since)
                self.of = {name: self._count(work) for name, work in WORKS.items()}

    def create(self) -> str:
        members: Any = {"user_ids": [KNOWN_USER], "group_ids": [], "admin_ids": []}
        return self.world.chat_editor.create(self.db, None, None, title="x", **members)

    def rename(self, title: str) -> None:
        chat = queries.require_chat(self.db, self.changed)
        self.world.chat_editor.change(self.db, chat, None, title=title)

    def remove(self, tid: str) -> None:
        self.world.chat_editor.remove_bot(self.db, tid, None)

    def read(self, limit: int, since: int | None = None) -> str:
        return self.world.bot_chats.listing(self.db, None, None).page(limit, None, since)

    def _count(self, work: Callable[[Steps], object]) -> int:
        taken = itertools.count()
        # A falsy value lets SQLite go on.
        self.db.set_progress_handler(lambda: next(taken) < 0, 1)
        work(self)
        self.db.set_progress_handler(None, 1)
        return next(taken)


WORKS: dict[str, Callable[[Steps], object]] = {
    "read the changes": lambda steps: steps.read(500, steps.since),
    "read a page of all chats": lambda steps: queries.listed_chats(steps.db, steps.since, 0, 10),
    "read one change": lambda steps: steps.read(1, steps.since),
    "create": Steps.create,
    "rename": lambda steps: steps.rename("z"),
    "remove": lambda steps: steps.remove(steps.changed),
}


def test_neither_changes_nor_writes_read_the_other_chats() -> None:
    """SQLite executes as many instructions among 3,000 chats as among 30."""
    few, many = Steps(30), Steps(3_000)

    assert few.of == many.of
    assert min(few.of.values()) > 10


def test_the_changes_are_those_that_the_steps_are_counted_for() -> None:
    page = json.loads(Steps(30).page)

    assert (titles(page), len(page["gone"]), page["total"]) == (["y", "x"], 1, 32)

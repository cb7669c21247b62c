"""The sandbox's list of chats: pages, cursors, validators and lag."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.support.sandbox_api import Api

if TYPE_CHECKING:
    import requests


LISTING = "/v1/bot/chats/"


class Listing:
    """The list of chats of a sandbox."""

    def __init__(self, api: Api) -> None:
        self.box = api.box
        self.session = api

    def get(self, if_none_match: str | None = None, **query: Any) -> requests.Response:
        headers = {} if if_none_match is None else {"If-None-Match": if_none_match}
        return self.session.get(LISTING, params=query, headers=headers)

    def pages(self, limit: int) -> list[dict[str, Any]]:
        pages = [self.get(limit=limit).json()]
        while pages[-1]["next_cursor"] is not None:
            pages.append(self.get(limit=limit, cursor=pages[-1]["next_cursor"]).json())
        return pages

    def etag(self) -> str:
        return self.get().headers["ETag"]

    def tids(self) -> list[str]:
        return [chat["tid"] for chat in self.get().json()["chats"]]


@pytest.fixture
def listing(api: Api) -> Listing:
    """The list of chats of a new sandbox."""
    return Listing(api)


@pytest.mark.parametrize("limit", [7, 25, 100])
def test_pages_hold_each_chat_once_in_order(listing: Listing, limit: int) -> None:
    """The pages together are the whole list."""
    paged = [chat["tid"] for page in listing.pages(limit) for chat in page["chats"]]
    assert paged == listing.tids()


def test_chats_that_stay_are_in_a_reading_while_others_come_and_go(listing: Listing) -> None:
    """The cursor is a position, even of a chat that is gone, and not a number of chats."""
    before = listing.tids()
    seen = []
    cursor: dict[str, str] = {}
    for number in range(0, 100, 10):
        page = listing.get(limit=10, **cursor).json()
        seen += [chat["tid"] for chat in page["chats"]]
        cursor = {"cursor": page["next_cursor"]}
        for gone in (number, number + 9):
            listing.box.remove_chat(before[gone])
        listing.box.rename_chat(before[number + 1], "x")
        listing.box.rename_chat(before[99 - number - 2], "y")
        listing.box.add_chat("new")
    assert seen == before


def test_last_full_page_has_no_cursor(listing: Listing) -> None:
    """A list that ends with a full page needs no empty one after it."""
    assert [len(page["chats"]) for page in listing.pages(50)] == [50, 50]


@pytest.mark.teamwire_sandbox(chats=1100)
def test_page_has_500_chats_by_default(listing: Listing) -> None:
    """Without a limit a page is 500 chats."""
    assert len(listing.get().json()["chats"]) == 500


@pytest.mark.teamwire_sandbox(chats=1100)
@pytest.mark.parametrize("limit", ["1000", "1001", "0001001", "9" * 5000])
def test_larger_limit_is_capped(listing: Listing, limit: str) -> None:
    """A page never exceeds 1000 chats, and says that there are more."""
    page = listing.get(limit=limit).json()
    assert (len(page["chats"]), page["next_cursor"] is None) == (1000, False)


@pytest.mark.parametrize("limit", ["", "0", "-1", "1.0", "1_0", " 1", "x", "٣"])
def test_wrong_limit_is_refused(listing: Listing, limit: str) -> None:
    """A limit is an integer of at least 1."""
    answer = listing.get(limit=limit)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    "cursor", ["", "x", "ü", "=", "a" * 5000, base64.urlsafe_b64encode(b"1:1").decode()]
)
def test_cursor_that_nobody_gave_is_refused(listing: Listing, cursor: str) -> None:
    """A garbled cursor is told apart from the end of the list."""
    answer = listing.get(cursor=cursor)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("ordinal", ["0", "-1", "01", "1_0", str(2**63), "9" * 5000])
def test_cursor_of_impossible_position_is_refused(listing: Listing, ordinal: str) -> None:
    """A cursor that was opened and changed does no harm."""
    cursor = listing.get(limit=1).json()["next_cursor"]
    text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    changed = text.rpartition(":")[0] + ":" + ordinal
    encoded = base64.urlsafe_b64encode(changed.encode()).decode().rstrip("=")
    assert listing.get(cursor=encoded).status_code == 422


def test_cursor_of_another_world_is_refused(listing: Listing) -> None:
    """A cursor is good for the server that gave it."""
    cursor = listing.get(limit=1).json()["next_cursor"]
    with sandbox() as other, Api(other) as session:
        answer = session.get(LISTING, params={"cursor": cursor})
    assert answer.status_code == 422


def test_page_describes_whom_its_chats_name(listing: Listing) -> None:
    """Members, administrators and owners of groups come with the page, each once."""
    page = listing.pages(11)[0]
    named = {uid for chat in page["chats"] for uid in (*chat["user_ids"], *chat["admin_ids"])} | {
        group["owner_id"] for group in page["groups"]
    } - {None}
    described = [user["uid"] for user in page["users"]]
    assert (set(described), len(described)) == (named, len(named))


def test_page_describes_its_groups(listing: Listing) -> None:
    """Circles and lists come with the page that names them."""
    page = listing.pages(11)[0]
    assert [group["gid"] for group in page["groups"]] == ["45529", "45601"]


def test_etag_is_the_same_on_every_page(listing: Listing) -> None:
    """The validator is the whole list's."""
    first = listing.get(limit=60)
    second = listing.get(limit=60, cursor=first.json()["next_cursor"])
    assert second.headers["ETag"] == first.headers["ETag"]


def _create(listing: Listing) -> None:
    body = {"title": "new", "user_ids": [KNOWN_USER]}
    listing.session.post(LISTING, json=body)


@pytest.mark.parametrize(
    "change",
    [
        _create,
        lambda listing: listing.box.add_chat("new"),
        lambda listing: listing.box.rename_chat(KNOWN_CHAT, "new"),
        lambda listing: listing.box.remove_chat(KNOWN_CHAT),
    ],
    ids=["create", "add", "rename", "remove"],
)
def test_change_of_the_list_changes_the_etag(listing: Listing, change: Any) -> None:
    """Whoever changes the list ends its validator."""
    before = listing.etag()
    change(listing)
    assert listing.etag() != before


def test_post_leaves_the_etag(listing: Listing) -> None:
    """A message is no change of the list."""
    before = listing.etag()
    listing.session.post(f"{LISTING}{KNOWN_CHAT}/messages/", json={"message": "hi"})
    assert listing.etag() == before


def test_reused_one_to_one_leaves_the_etag(listing: Listing) -> None:
    """Finding the 1:1 chat that exists is no change of the list."""
    before = listing.etag()
    listing.session.post(LISTING, json={"user_ids": [KNOWN_USER]})
    assert listing.etag() == before


def test_equal_worlds_have_different_etags(listing: Listing) -> None:
    """A validator never holds for the world of another run."""
    with sandbox() as other, Api(other) as session:
        answer = session.get(LISTING)
    assert answer.headers["ETag"] != listing.etag()


@pytest.mark.parametrize("pattern", ["{}", "W/{}", '"other", {}', "*"])
def test_known_list_is_not_sent_again(listing: Listing, pattern: str) -> None:
    """A validator that matches, alone or among others, gives 304 with the validator only."""
    etag = listing.etag()
    answer = listing.get(pattern.format(etag))
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)


@pytest.mark.parametrize("tag", ['"other"', '"', ""])
def test_unknown_validator_gets_the_list(listing: Listing, tag: str) -> None:
    """A validator that does not match changes nothing."""
    assert listing.get(tag).status_code == 200


def test_validator_counts_for_the_first_page_only(listing: Listing) -> None:
    """A later page is sent in any case."""
    first = listing.get(limit=60)
    second = listing.get(first.headers["ETag"], limit=60, cursor=first.json()["next_cursor"])
    assert second.status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        _create,
        lambda listing: listing.box.rename_chat(KNOWN_CHAT, "new"),
        lambda listing: listing.box.remove_chat(KNOWN_CHAT),
    ],
    ids=["create", "rename", "remove"],
)
def test_lagging_list_does_not_show_a_change(listing: Listing, change: Any) -> None:
    """Until the lag is over the list and its validator are the old ones."""
    before = listing.get()
    listing.box.fault("GET", LISTING, lag=30)
    change(listing)
    listing.box.advance(25)
    after = listing.get()
    assert (after.text, after.headers["ETag"]) == (before.text, before.headers["ETag"])


def test_lagging_list_shows_a_change_in_the_end(listing: Listing) -> None:
    """After the lag the change is there."""
    listing.box.fault("GET", LISTING, lag=30)
    tid = listing.box.add_chat("new").tid
    listing.box.advance(31)
    assert listing.tids()[-1] == tid


def test_lag_orders_changes(listing: Listing) -> None:
    """Of two changes the one that is older than the lag is shown."""
    listing.box.fault("GET", LISTING, lag=30)
    first = listing.box.add_chat("first").tid
    listing.box.advance(20)
    listing.box.add_chat("second")
    listing.box.advance(20)
    assert listing.tids()[-1] == first


def test_cleared_lag_shows_all(listing: Listing) -> None:
    """Without the fault the list is the present one."""
    fault = listing.box.fault("GET", LISTING, lag=30)
    tid = listing.box.add_chat("new").tid
    fault.clear()
    assert listing.tids()[-1] == tid

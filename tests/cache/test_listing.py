"""From pages to a listing: what changes half-way, what comes twice, and when to stop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest
from attrs import evolve

from teamwire_sync._cache.listing import ListingRequest, Progress
from teamwire_sync._services.paging import read_listing
from teamwire_sync._transport import ChatPage
from teamwire_sync.exceptions import TWServerError
from tests.support.builders import make_chat, make_group, make_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamwire_sync._cache.listing import Listing

NOT_MODIFIED = ChatPage(validator="v1", not_modified=True)


def page(*tids: str, validator: str | None = "v1", is_last: bool = False) -> ChatPage:
    return ChatPage([make_chat(tid) for tid in tids], validator, is_last=is_last)


class Pages:
    """A transport that gives prepared pages, one reading after the other."""

    def __init__(self, *readings: list[ChatPage | Exception]) -> None:
        self.readings = list(readings)
        self.asked: list[tuple[str | None, float | None]] = []
        self.more: list[dict[str, Any]] = []
        self.given = 0

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None, **more: Any
    ) -> Iterator[ChatPage]:
        self.asked.append((validator, deadline))
        self.more.append(more)
        for one in self.readings.pop(0):
            self.given += 1
            if isinstance(one, Exception):
                raise one
            yield one


def read(
    pages: Pages,
    *,
    validator: str | None = None,
    since: int | None = None,
    deadline: float | None = None,
    timeout: float = 600,
    check_needed: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
    attach: Callable[..., None] = lambda *_: None,
) -> Listing | None:
    request = ListingRequest(deadline=deadline, check_needed=check_needed, progress=progress)
    request.validator, request.since = validator, since
    return read_listing(pages, request, timeout=timeout, attach=attach)  # type: ignore[arg-type]


def tids(listing: Listing | None) -> list[str]:
    assert listing is not None
    return list(listing.chats)


class TestPages:
    def test_one_page_is_a_listing(self) -> None:
        listing = read(Pages([page("a", "b", is_last=True)]))

        assert tids(listing) == ["a", "b"]
        assert listing is not None
        assert listing.validator == "v1"

    def test_many_pages_are_one_listing(self) -> None:
        listing = read(Pages([page("a"), page("b"), page("c", is_last=True)]))

        assert tids(listing) == ["a", "b", "c"]

    def test_no_chats_are_a_listing_too(self) -> None:
        assert tids(read(Pages([page(is_last=True)]))) == []

    def test_a_short_or_an_empty_page_is_not_the_end(self) -> None:
        listing = read(Pages([page("a", "b"), page(), page("c"), page("d", "e", is_last=True)]))

        assert tids(listing) == ["a", "b", "c", "d", "e"]

    def test_a_chat_that_comes_twice_counts_once(self) -> None:
        listing = read(Pages([page("a", "b"), page("b", "c", is_last=True)]))

        assert tids(listing) == ["a", "b", "c"]

    def test_of_a_chat_that_comes_twice_the_later_counts(self) -> None:
        later = ChatPage([make_chat("a", "new title")], "v1")
        listing = read(Pages([page("a"), later]))

        assert listing is not None
        assert [chat.title for chat in listing.chats.values()] == ["new title"]

    def test_a_chat_that_comes_twice_is_at_its_later_place(self) -> None:
        """The bot was removed and added again meanwhile, so the chat is behind newer chats."""
        listing = read(Pages([page("a", "b"), page("c", "a", is_last=True)]))

        assert tids(listing) == ["b", "c", "a"]

    def test_a_server_without_validators_has_none(self) -> None:
        pages = Pages([page("a", validator=None), page("b", validator=None, is_last=True)])
        listing = read(pages)

        assert tids(listing) == ["a", "b"]
        assert listing is not None
        assert listing.validator is None
        assert len(pages.asked) == 1

    def test_what_each_page_has_is_attached(self) -> None:
        attached: list[tuple[Any, ...]] = []
        user, group = make_user(), make_group()
        one, other = make_chat("a"), make_chat("b")
        first = ChatPage([one], "v1", is_last=False, users=[user])
        pages = Pages([first, ChatPage([other], "v1", groups=[group])])
        read(pages, attach=lambda *things: attached.append(tuple(map(list, things))))

        assert attached == [([one], [user], []), ([other], [], [group])]

    def test_an_error_on_a_page_is_the_error_of_the_listing(self) -> None:
        pages = Pages([page("a"), TWServerError("down")])

        with pytest.raises(TWServerError, match="down"):
            read(pages)
        assert len(pages.asked) == 1


class TestValidator:
    def test_is_asked_with(self) -> None:
        pages = Pages([NOT_MODIFIED])
        read(pages, validator="v1")

        assert pages.asked[0][0] == "v1"

    def test_chats_that_have_not_changed_are_none(self) -> None:
        assert read(Pages([NOT_MODIFIED]), validator="v1") is None

    def test_chats_that_have_not_changed_are_no_page(self) -> None:
        told: list[object] = []
        read(Pages([NOT_MODIFIED]), validator="v1", progress=lambda *told_: told.append(told_))

        assert told == []

    def test_another_validator_than_the_known_one_is_no_change_half_way(self) -> None:
        pages = Pages([page("a", validator="v2"), page("b", validator="v2", is_last=True)])
        listing = read(pages, validator="v1")

        assert listing is not None
        assert listing.validator == "v2"
        assert len(pages.asked) == 1


CHANGED = [page("a", validator="v1"), page("x", validator="v2", is_last=True)]


class TestChange:
    @pytest.mark.parametrize(
        "second", [page("x", validator="v2"), page("x", validator=None)], ids=["other", "none"]
    )
    def test_a_change_half_way_is_read_again(self, second: ChatPage) -> None:
        pages = Pages([page("a"), second], [page("b", validator="v2", is_last=True)])
        listing = read(pages)

        assert tids(listing) == ["b"]
        assert listing is not None
        assert listing.validator == "v2"

    def test_reading_again_is_unconditional(self) -> None:
        pages = Pages(CHANGED, [page("b", is_last=True)])
        read(pages, validator="v0")

        assert [validator for validator, _ in pages.asked] == ["v0", None]

    def test_reading_stops_where_the_change_shows(self) -> None:
        pages = Pages(
            [page("a"), page("x", validator="v2"), page("y", validator="v2", is_last=True)],
            [page("b", is_last=True)],
        )
        read(pages)

        assert pages.given == 3

    def test_it_is_read_again_twice_at_most(self) -> None:
        pages = Pages(CHANGED, CHANGED, CHANGED, CHANGED)
        read(pages)

        assert len(pages.asked) == 3

    def test_then_the_last_reading_counts_without_a_validator(self) -> None:
        last = [
            page("b", validator="v3"),
            page("c", validator="v4"),
            page("d", validator="v4", is_last=True),
        ]
        listing = read(Pages(CHANGED, CHANGED, last))

        assert tids(listing) == ["b", "c", "d"]
        assert listing is not None
        assert listing.validator is None

    def test_a_last_reading_without_a_change_has_its_validator(self) -> None:
        listing = read(Pages(CHANGED, CHANGED, [page("b", is_last=True)]))

        assert listing is not None
        assert listing.validator == "v1"


def changes(
    *tids: str, gone: Sequence[str] = (), total: int = 9, revision: int = 7, **more: Any
) -> ChatPage:
    return evolve(page(*tids, **more), gone=gone, total=total, revision=revision)


class TestChanges:
    def test_are_asked_for_with_the_revision(self) -> None:
        pages = Pages([changes(is_last=True)])
        read(pages, validator="v0", since=5)

        assert pages.asked[0][0] == "v0"
        assert pages.more == [{"since": 5}]

    def test_are_not_asked_for_without_one(self) -> None:
        pages = Pages([page("a", is_last=True)])
        read(pages)

        assert pages.more == [{}]

    def test_are_a_listing_of_what_changed(self) -> None:
        listing = read(Pages([changes("a", gone=["x"], is_last=True)]), since=0)

        assert listing is not None
        assert (tids(listing), listing.gone, listing.total) == (["a"], ["x"], 9)
        assert (listing.validator, listing.revision) == ("v1", 7)

    def test_may_be_none_at_all(self) -> None:
        listing = read(Pages([changes(is_last=True)]), since=5)

        assert listing is not None
        assert (tids(listing), listing.gone, listing.total) == ([], [], 9)

    def test_may_have_many_pages(self) -> None:
        first = changes("a", "b", gone=["x", "b"])
        listing = read(Pages([first, changes("c", is_last=True)]), since=5)

        assert listing is not None
        assert (tids(listing), listing.gone) == (["a", "b", "c"], ["x", "b"])

    def test_of_a_server_that_knows_none_are_all_chats(self) -> None:
        pages = Pages([page("a"), page("b", is_last=True)])
        listing = read(pages, since=5)

        assert listing is not None
        assert (tids(listing), listing.gone, listing.total) == (["a", "b"], None, None)
        assert len(pages.asked) == 1

    @pytest.mark.parametrize(
        "second",
        [changes("x", validator="v2"), page("x", validator="v2"), page("x")],
        ids=["other changes", "all chats of another moment", "all chats"],
    )
    def test_of_two_moments_end_in_a_reading_of_all_chats(self, second: ChatPage) -> None:
        """The second page may be the first one of all chats, if the revision became too old."""
        first = changes("a", gone=["b"])
        pages = Pages([first, second], [page("b", "c", is_last=True)])
        listing = read(pages, validator="v0", since=5)

        assert listing is not None
        assert (tids(listing), listing.gone) == (["b", "c"], None)
        assert [validator for validator, _ in pages.asked] == ["v0", None]
        assert pages.more == [{"since": 5}, {}]

    @pytest.mark.parametrize("total", [0, 2])
    def test_that_are_fewer_than_all_chats_are_no_listing_of_them(self, total: int) -> None:
        """A server may omit an empty `gone`."""
        part = evolve(page("a", is_last=True), total=total)
        pages = Pages([part], [page("a", "b", is_last=True)])
        listing = read(pages, validator="v0", since=5)

        assert tids(listing) == ["a", "b"]
        assert pages.more == [{"since": 5}, {}]

    def test_of_a_server_that_knows_none_may_have_the_number_of_all_chats(self) -> None:
        pages = Pages([evolve(each, total=2) for each in (page("a"), page("b", is_last=True))])
        listing = read(pages, since=5)

        assert tids(listing) == ["a", "b"]
        assert len(pages.asked) == 1

    def test_nobody_asked_for_are_all_chats(self) -> None:
        listing = read(Pages([changes("a", gone=["x"], is_last=True)]))

        assert listing is not None
        assert (tids(listing), listing.gone) == (["a"], None)

    def test_tell_progress_the_number_of_all_chats(self) -> None:
        told: list[tuple[int, int, int | None]] = []
        pages = Pages([changes("a"), changes("b", is_last=True)])
        read(pages, since=5, progress=lambda *numbers: told.append(numbers))

        assert told == [(1, 9, None), (2, 9, 9)]

    def test_tell_progress_no_negative_number(self) -> None:
        """The number of chats is negative if it can't be decoded."""
        told: list[tuple[int, int, int | None]] = []
        page = evolve(changes(is_last=True), total=-1)
        read(Pages([page]), since=5, progress=lambda *numbers: told.append(numbers))

        assert told == [(1, 0, 0)]

    def test_have_revisions_as_all_chats_have(self) -> None:
        """Of pages of several revisions, the lowest is that of the changes."""
        first = evolve(changes("a", "b", revision=8), revisions=[6, 9])
        listing = read(Pages([first, changes("c", revision=7, is_last=True)]), since=5)

        assert listing is not None
        assert (listing.revision, dict(listing.revisions)) == (7, {"a": 8, "b": 9})

    def test_that_were_asked_for_leave_a_forced_refresh_forced(self) -> None:
        request = ListingRequest(deadline=None, check_needed=lambda: None, is_forced=True, since=5)
        pages: Any = Pages([changes("a"), page("x")], [page("a", is_last=True)])
        read_listing(pages, request, timeout=1, attach=lambda *_: None)

        assert pages.more == [{"refresh": True, "since": 5}, {"refresh": True}]


class TestLoad:
    def test_progress_is_told_pages_and_chats(self) -> None:
        told: list[tuple[int, int, int | None]] = []
        pages = Pages([page("a", "b"), page("b", "c"), page(is_last=True)])
        read(pages, progress=lambda *numbers: told.append(numbers))

        assert told == [(1, 2, None), (2, 3, None), (3, 3, None)]

    def test_progress_is_told_the_number_that_the_server_sent(self) -> None:
        """On the last page, the chats that have arrived are all the chats."""
        told: list[tuple[int, int, int | None]] = []
        pages = [page("a", "b"), page("c"), page("d", is_last=True)]
        read(
            Pages([evolve(each, total=9) for each in pages]),
            progress=lambda *numbers: told.append(numbers),
        )

        assert told == [(1, 2, 9), (2, 3, 9), (3, 4, 4)]

    def test_the_pages_of_all_readings_are_counted(self) -> None:
        request = ListingRequest(deadline=None, check_needed=lambda: None, progress=None)
        pages: Any = Pages(CHANGED, [page("a", is_last=True)])
        read_listing(pages, request, timeout=1, attach=lambda *_: None)

        assert request.pages == 3

    def test_is_asked_before_each_further_page(self) -> None:
        calls: list[int] = []
        pages = Pages([page("a"), page("b"), page("c", is_last=True)])
        read(pages, check_needed=lambda: calls.append(pages.given))

        assert calls == [1, 2]

    def test_nothing_more_is_read_when_nobody_needs_it(self) -> None:
        class Enough(Exception):  # noqa: N818
            pass

        def check_needed() -> None:
            raise Enough

        pages = Pages([page("a"), page("b", is_last=True)])
        with pytest.raises(Enough):
            read(pages, check_needed=check_needed)
        assert pages.given == 1

    def test_what_progress_raises_comes_through(self) -> None:
        def progress(*_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            read(Pages([page("a", is_last=True)]), progress=progress)


class TestDeadline:
    @pytest.fixture(autouse=True)
    def _now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)

    @pytest.mark.parametrize(
        ("timeout", "deadline", "used"),
        [(600, None, 700.0), (600, 105.0, 105.0), (3, 105.0, 103.0)],
        ids=["no deadline", "deadline first", "timeout first"],
    )
    def test_is_the_earlier_of_two(
        self, timeout: float, deadline: float | None, used: float
    ) -> None:
        pages = Pages([page("a", is_last=True)])
        read(pages, timeout=timeout, deadline=deadline)

        assert pages.asked == [(None, used)]

    def test_is_one_for_all_the_readings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pages = Pages(CHANGED, CHANGED, [page("a", is_last=True)])
        times = iter(range(100, 1000, 100))
        monkeypatch.setattr(time, "monotonic", lambda: float(next(times)))
        read(pages, timeout=5)

        assert [deadline for _, deadline in pages.asked] == [105.0] * 3

    def test_is_one_for_changes_and_for_all_chats_after_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = ListingRequest(deadline=None, check_needed=lambda: None, since=5)
        pages: Any = Pages([changes(is_last=True)], [page("a", is_last=True)])
        read_listing(pages, request, timeout=5, attach=lambda *_: None)
        monkeypatch.setattr(time, "monotonic", lambda: 104.0)
        read_listing(pages, request, timeout=5, attach=lambda *_: None)

        assert [deadline for _, deadline in pages.asked] == [105.0] * 2

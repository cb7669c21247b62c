"""Refreshes that ask only for what has changed since the last listing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Callable

import pytest
from attrs import evolve

from teamwire_sync import TWDeliveryUnknownError, TWProtocolError, TWServerError
from teamwire_sync._models.chats import UNREADABLE
from tests.support.builders import make_chat, make_group, make_user
from tests.support.chat_server import by_tid, by_title, change, create, fail_to_create, hear

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import Listing
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer


def titles(cache: ChatCache, *, refresh: bool = True) -> list[str | None]:
    return [chat.title for chat in cache.all(None, refresh=refresh)]


def get(cache: ChatCache, tid: str) -> Chat:
    chat = by_tid(cache, tid)
    assert chat is not None
    return chat


class TestRequest:
    """A fresh view, then what makes it expire, then a look-up."""

    REASONS: tuple[tuple[str, Callable[[ChatCache, Clock], object], str | None], ...] = (
        ("TTL over", lambda cache, clock: clock.advance(300), "v0"),
        ("own write", lambda cache, clock: change(cache, make_chat("t1", "uno")), "v0"),
        ("event", lambda cache, clock: hear(cache, "t1", make_chat("t1", "uno")), "v0"),
        ("404", lambda cache, clock: hear(cache, "t1", None), "v0"),
        ("miss", lambda cache, clock: clock.advance(5.1), "v0"),
        ("refresh", lambda cache, clock: titles(cache), "v0"),
        ("doubt", lambda cache, clock: fail_to_create(cache, TWDeliveryUnknownError("?")), None),
    )

    @pytest.mark.parametrize(
        ("act", "validator"), [each[1:] for each in REASONS], ids=[each[0] for each in REASONS]
    )
    def test_has_the_revision_of_the_last_listing(
        self,
        cache: ChatCache,
        server: ChatServer,
        clock: Clock,
        act: Callable[[ChatCache, Clock], object],
        validator: str | None,
    ) -> None:
        """In doubt, it has no validator."""
        cache.all(None)
        revision = cache.state.view.revision
        act(cache, clock)
        by_title(cache, "ghost")

        assert revision is not None
        assert server.asked_since == [None, revision]
        assert server.asked == [None, validator]

    def test_has_the_revision_of_the_changes_before(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        titles(cache)
        server.put(make_chat("t1", "uno"))
        titles(cache)
        titles(cache)

        assert server.asked_since[2] == server.revisions["t1"]
        assert server.asked[2] == "v1"

    @pytest.mark.parametrize(
        "drop", [lambda cache: cache.invalidate(), lambda cache: cache.on_unauthorized()],
        ids=["invalidate", "401"],
    )  # fmt: skip
    def test_has_none_after_the_listing_was_dropped(
        self, cache: ChatCache, server: ChatServer, drop: Callable[[ChatCache], object]
    ) -> None:
        titles(cache)
        drop(cache)
        titles(cache)

        assert server.asked_since == [None, None]

    def test_has_none_without_revisions(self, cache: ChatCache, server: ChatServer) -> None:
        server.has_revisions = False
        titles(cache)
        titles(cache)

        assert server.asked_since == [None, None]

    def test_has_none_while_a_chat_can_not_be_decoded(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """Once the chat can be decoded, only a listing of all the chats shows it."""
        server.put(make_chat(UNREADABLE, None))
        titles(cache)
        titles(cache)
        server.remove(UNREADABLE)
        titles(cache)
        titles(cache)

        assert server.asked_since[:3] == [None] * 3
        assert server.asked_since[3] is not None


class TestChanges:
    @pytest.fixture(autouse=True)
    def _listed(self, cache: ChatCache) -> None:
        cache.all(None)

    def test_show_what_was_renamed_and_created_and_has_gone(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.put(make_chat("t3", "three"))
        server.put(make_chat("t1", "uno"))
        server.remove("t2")

        assert titles(cache) == ["uno", "three"]
        assert [by_title(cache, title) for title in ("one", "two")] == [(), ()]
        assert cache.info().listings == 1

    def test_show_a_chat_that_was_gone_for_a_time_last(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.remove("t1")
        server.put(make_chat("t1", "one"))

        assert titles(cache) == ["two", "one"]

    def test_may_name_a_chat_that_the_cache_has_never_seen(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.put(make_chat("t3", "three"))
        server.remove("t3")

        assert titles(cache) == ["one", "two"]
        assert cache.info().listings == 1

    def test_leave_the_other_chats_as_they_are(self, cache: ChatCache, server: ChatServer) -> None:
        before = by_tid(cache, "t2")
        server._chats["t2"] = make_chat("t2", "two")  # the same again, without a change
        server.put(make_chat("t1", "uno"))
        titles(cache)

        assert by_tid(cache, "t2") is before

    def test_last_for_the_time_to_live(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        clock.advance(300)
        server.put(make_chat("t1", "uno"))
        titles(cache, refresh=False)
        clock.advance(299)
        titles(cache, refresh=False)

        assert len(server.asked) == 2

    def test_that_are_none_confirm_the_listing_in_doubt(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        fail_to_create(cache, TWDeliveryUnknownError("lost"))

        assert titles(cache, refresh=False) == ["one", "two"]
        assert cache.info().expires_in == 5

    def test_are_older_than_a_fact_of_a_higher_revision(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.put(make_chat("t1", "uno"))
        hear(cache, "t1", make_chat("t1", "newest"))
        server.put(make_chat("t2", "due"))

        assert titles(cache, refresh=False) == ["newest", "due"]

    def test_are_newer_than_a_fact_of_a_lower_revision(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        change(cache, make_chat("t1", "ours"))
        server.put(make_chat("t1", "uno"))

        assert titles(cache) == ["uno", "two"]

    @pytest.mark.parametrize(
        ("more", "gone", "title"),
        [(0, [], "zwei"), (0, ["t2"], "zwei"), (1, [], "zwischen")],
        ids=["older chat", "older end", "newer chat"],
    )
    def test_do_not_undo_a_state_that_is_known_to_be_newer(
        self, cache: ChatCache, server: ChatServer, more: int, gone: list[str], title: str
    ) -> None:
        """The pages of the listing were of two moments, and the changes come from in between."""
        cache.invalidate()
        early, other = server._revision, server.put(make_chat("t2", "zwischen"))
        between = server._revision
        server.put(make_chat("t2", "zwei"))
        late, read = server.revisions["t2"], server.read

        def two_moments(request: Any) -> Any:
            return evolve(read(request), validator=None, revisions={"t2": late}, revision=early)

        cache._source._read = two_moments  # type: ignore[attr-defined]
        titles(cache)
        cache._source._read = read  # type: ignore[attr-defined]
        known = {"t2": late + more} if more else {}
        server.spoil = lambda changes: evolve(
            changes,
            chats={} if gone else {"t2": other},
            gone=gone,
            revisions=known,
            revision=between,
        )

        assert titles(cache) == ["one", title]
        assert cache.state.view.revision_of("t1") == between
        assert cache.state.view.revision_of("t2") == late + more
        assert cache.info().updates == 1


def wrong_total(changes: Listing) -> Listing:
    return evolve(changes, total=(changes.total or 0) + 1)


def no_total(changes: Listing) -> Listing:
    return evolve(changes, total=None)


def behind(changes: Listing) -> Listing:
    return evolve(changes, chats={}, gone=[], revision=0)


def unnumbered(changes: Listing) -> Listing:
    return evolve(changes, revision=None)


def undecodable(changes: Listing) -> Listing:
    """Any chat may be the one that can't be decoded any more, so no old state must stay."""
    total = (changes.total or 0) + 1
    return evolve(changes, chats={UNREADABLE: make_chat(UNREADABLE, None)}, total=total)


SPOILT = {each.__name__: each for each in (wrong_total, no_total, behind, unnumbered, undecodable)}


def test_a_chat_that_came_back_is_read_with_all_chats_after_pages_of_several_states(
    cache: ChatCache, server: ChatServer
) -> None:
    """The last listing has a chat that is new since its revision, so the place is unknown."""
    cache.all(None)
    one, revision = server._chats["t1"], server._revision
    server.remove("t1")
    server.put(one)
    new = server.put(make_chat("t3", "three"))
    confirmed = cache.state.confirmed
    assert confirmed is not None
    mixed = confirmed.listed.changed({"t3": new}, (), {"t3": server._revision}, revision)
    cache.state.confirmed = evolve(confirmed, listed=mixed, validator=None)

    assert titles(cache) == ["two", "one", "three"]


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
class TestChangesThatDoNotFit:
    @pytest.fixture(autouse=True)
    def _spoilt(
        self, cache: ChatCache, server: ChatServer, spoil: Callable[[Listing], Listing]
    ) -> None:
        cache.all(None)
        server.spoil = spoil

    def test_end_in_a_listing_of_all_chats_in_the_same_refresh(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.put(make_chat("t1", "uno"))
        server._chats["t2"] = make_chat("t2", "due")  # a change that the server has lost

        assert titles(cache)[1] == "due"
        assert [bool(each) for each in server.asked_since] == [False, True, False]
        assert server.asked[2] is None
        info = cache.info()
        assert (info.refreshes, info.listings, info.updates) == (2, 2, 0)

    def test_write_one_line(
        self, cache: ChatCache, server: ChatServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server._version += 1
        titles(cache)

        assert [record.levelno for record in caplog.records] == [logging.INFO]

    def test_all_pages_are_counted(self, cache: ChatCache, server: ChatServer) -> None:
        server._version += 1
        server.pages = 3
        titles(cache)

        assert cache.info().pages == 1 + 3 + 3

    def test_a_failure_of_the_second_reading_is_the_failure_of_the_refresh(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server._version += 1

        def fail_later(_request: object) -> None:
            server.error = TWServerError("down")

        server.on_load = fail_later
        with pytest.raises(TWServerError):
            titles(cache)

        assert cache.info().failures == 1
        assert titles(cache, refresh=False) == ["one", "two"]

    def test_are_not_followed_by_a_reading_that_nobody_needs(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server._version += 1

        def write(_request: object) -> None:
            server.on_load, server.spoil = lambda request: None, lambda changes: changes
            create(cache, make_chat("t3", "three"))

        server.on_load = write

        assert titles(cache) == ["one", "two", "three"]
        assert [bool(each) for each in server.asked_since] == [False, True, True]


class TestMeanwhile:
    """Something happens between the request and the response."""

    @pytest.fixture(autouse=True)
    def _changed(self, cache: ChatCache, server: ChatServer) -> None:
        cache.all(None)
        server.put(make_chat("t1", "uno"))

    def during(self, server: ChatServer, act: Callable[[], object]) -> None:
        def on_load(_request: object) -> None:
            server.on_load = lambda request: None
            act()

        server.on_load = on_load

    def test_a_401_drops_the_changes(self, cache: ChatCache, server: ChatServer) -> None:
        self.during(server, cache.on_unauthorized)

        assert titles(cache) == ["uno", "two"]
        assert [each is None for each in server.asked_since] == [True, False, True]

    def test_invalidate_keeps_the_changes_from_being_published(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        self.during(server, cache.invalidate)
        titles(cache)
        titles(cache, refresh=False)

        assert [each is None for each in server.asked_since] == [True, False, True]

    def test_a_loss_does_not_drop_the_chats_that_are_listed_after_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        """The changes did not fit, so all the chats come after the 401."""
        server.spoil = wrong_total
        self.during(server, cache.on_unauthorized)

        assert titles(cache) == ["uno", "two"]
        assert len(server.asked) == 3

    def test_an_event_counts(self, cache: ChatCache, server: ChatServer) -> None:
        self.during(server, lambda: hear(cache, "t1", make_chat("t1", "newest")))

        assert titles(cache) == ["newest", "two"]
        assert len(server.asked) == 2

    def test_an_own_write_counts(self, cache: ChatCache, server: ChatServer) -> None:
        self.during(server, lambda: create(cache, make_chat("t3", "three")))

        assert titles(cache) == ["uno", "two", "three"]
        assert titles(cache, refresh=False) == ["uno", "two", "three"]


class TestReport:
    def test_counts_updates_apart_from_listings(self, cache: ChatCache, server: ChatServer) -> None:
        titles(cache)
        for number in range(3):
            server.put(make_chat("t1", str(number)))
            titles(cache)
        titles(cache)
        info = cache.info()

        assert (info.refreshes, info.listings, info.updates, info.not_modified) == (5, 1, 3, 1)
        assert info.pages == 4

    def test_shows_the_number_of_all_chats(self, cache: ChatCache, server: ChatServer) -> None:
        titles(cache)
        server.put(make_chat("t3"))
        titles(cache)

        assert cache.info().chats == 3


class TestMemory:
    ADA, BOB, EVE = (make_user(uid) for uid in ("u1", "u2", "u3"))

    def changed(self, cache: ChatCache, server: ChatServer, **fields: Any) -> tuple[Chat, Chat]:
        """Return a chat of two users and a group before and after a change."""
        members = {"users": (self.ADA, self.BOB), "groups": (make_group(),), "admins": (self.ADA,)}
        server.put(make_chat("t1", "one", **members))
        titles(cache)
        before = get(cache, "t1")
        server.put(make_chat("t1", **{"title": "uno", **members, **fields}))
        titles(cache)
        return before, get(cache, "t1")

    def test_a_changed_chat_names_the_same_objects_if_they_are_equal(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        groups, admins = (make_group(),), (make_user("u1"),)
        users = (make_user("u3"), make_user("u2"))
        before, after = self.changed(cache, server, users=users, groups=groups, admins=admins)

        assert after.title == "uno"
        assert after.tid is before.tid
        assert after.users[0] is users[0]
        assert after.users[1] is before.users[1]
        assert after.groups[0] is before.groups[0]
        assert after.admins[0] is before.admins[0]

    def test_a_changed_chat_names_users_as_they_are_now(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        users = (make_user("u1", first_name="Augusta"),)
        before, after = self.changed(cache, server, users=users)

        assert [user.first_name for user in after.users] == ["Augusta"]
        assert [user.first_name for user in before.users] == ["Ada", "Ada"]


def test_changes_that_nobody_asked_for_are_a_protocol_error(
    make_cache: Callable[..., ChatCache], server: ChatServer
) -> None:
    cache = make_cache(read=lambda request: evolve(server.read(request), gone=[], total=2))

    with pytest.raises(TWProtocolError):
        cache.all(None)

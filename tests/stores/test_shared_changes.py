"""The server sends only changes. The store writes only these, and other processes read these."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NoReturn

import pytest
from attrs import evolve

from teamwire_sync import TWServerError
from teamwire_sync._cache.listing import Listing
from teamwire_sync._cache.snapshot import ChatSnapshot
from teamwire_sync._stores.base import DamagedError, StoredListing
from tests.stores.conftest import MemoryKit
from tests.support.builders import make_chat, make_user
from tests.support.chat_server import ChatServer, by_tid, by_title, create
from tests.support.store_sharers import Sharers, SpiedSlot, unavailable

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest
    from tests.support.builders import Clock

INTERVAL, TTL = 1, 300
LONG = "title" * 3000


class ChangesServer(ChatServer):
    """A server that sends the changes since a revision.

    Attributes:
        sent: Of each response, what it contained: "304", "changes" or "all".
        floor: The lowest revision after which the server knows the changes.
        newer: Thread IDs of chats of which it shows a newer state than of the others.
    """

    def __init__(self, *chats: Chat) -> None:
        super().__init__(*chats)
        self.sent: list[str] = []
        self.floor = 0
        self.newer: dict[str, int] = {}
        self._went: dict[str, int] = {}

    def remove(self, tid: str) -> None:
        super().remove(tid)
        self._went[tid] = self.revisions[tid]

    def read(self, request: ListingRequest) -> Listing | None:
        listing, since = super().read(request), request.since
        if listing is None:
            self.sent.append("304")
            return None
        assert listing.revision is not None
        whole = Listing(listing.chats, listing.validator, self.newer, listing.revision)
        if since is None or not self.floor <= since <= listing.revision:
            self.sent.append("all")
            return whole
        self.sent.append("changes")
        chats = {tid: chat for tid, chat in whole.chats.items() if self.revisions[tid] > since}
        gone = [tid for tid, revision in self._went.items() if revision > since]
        return Listing(
            chats, whole.validator, self.newer, whole.revision, gone=gone, total=len(whole.chats)
        )


@pytest.fixture
def sharers(kit: MemoryKit, clock: Clock) -> Sharers:
    sharers = Sharers(clock, kit.store)
    sharers.server = ChangesServer(
        make_chat("t1", "one"), make_chat("t2", "two"), make_chat("t3", LONG)
    )
    return sharers


@pytest.fixture
def server(sharers: Sharers) -> ChangesServer:
    assert isinstance(sharers.server, ChangesServer)
    return sharers.server


@pytest.fixture
def slot(sharers: Sharers) -> SpiedSlot:
    return sharers.slot()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, sharers: Sharers) -> list[StoredListing]:
    """The listings and changes that caches have taken from the store."""
    found: list[StoredListing] = []
    sharing = sharers.sharing
    monkeypatch.setattr(
        sharers,
        "sharing",
        lambda slot=None, **settings: sharing(slot, **{**settings, "attach": found.append}),
    )
    return found


def writes(slot: SpiedSlot) -> list[str]:
    return [name for name in slot.calls if name in {"save", "extend"}]


def all_titles(cache: ChatCache) -> list[str | None]:
    return [chat.title and chat.title[:9] for chat in cache.all(None)]


class TestEachStore:
    def test_changes_are_added_to_the_listing(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        cache = sharers.cache(slot)
        cache.all(None)
        server.put(make_chat("t1", "uno"))
        server.remove("t2")
        server.put(make_chat("t4", "four"))
        cache.all(None, refresh=True)

        assert (server.sent, writes(slot)) == (["all", "changes"], ["save", "extend"])
        assert all_titles(sharers.cache()) == ["uno", LONG[:9], "four"]
        assert len(server.sent) == 2

    def test_another_process_takes_over_just_the_changes(
        self, sharers: Sharers, server: ChangesServer, clock: Clock, loaded: list[StoredListing]
    ) -> None:
        writer, other = sharers.cache(), sharers.cache()
        for cache in (writer, other):
            cache.all(None)
        server.put(make_chat("t1", "uno"))
        writer.all(None, refresh=True)
        server.remove("t2")
        create(writer, server.put(make_chat("t4", "four")))
        writer.all(None)
        clock.advance(INTERVAL)

        assert all_titles(other) == ["uno", LONG[:9], "four"]
        assert [(each.gone, [*each.chats]) for each in loaded] == [
            (None, ["t1", "t2", "t3"]), (["t2"], ["t1", "t4"]),
        ]  # fmt: skip
        assert server.sent == ["all", "changes", "changes"]
        assert other.info().store_loads == 2

    def test_what_was_taken_over_is_the_base_of_the_next_request(
        self, sharers: Sharers, server: ChangesServer, clock: Clock
    ) -> None:
        writer, slot = sharers.cache(), sharers.slot()
        other = sharers.cache(slot)
        for cache in (writer, other):
            cache.all(None)
        create(writer, server.put(make_chat("t4", "four")))
        writer.all(None)
        clock.advance(INTERVAL)
        other.all(None)
        server.put(make_chat("t4", "IV"))
        other.all(None, refresh=True)

        assert (server.sent[1:], writes(slot)) == (["changes", "changes"], ["extend"])
        assert all_titles(sharers.cache()) == ["one", "two", LONG[:9], "IV"]

    def test_an_unchanged_listing_is_not_written_again_after_a_write(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        cache = sharers.cache(slot)
        cache.all(None)
        sharers.cache().invalidate()
        cache.all(None, refresh=True)
        sharers.cache().all(None)

        assert (server.sent, writes(slot)) == (["all", "304"], ["save", "extend"])

    def test_a_process_that_was_paused_does_not_change_a_newer_listing(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        paused, other = sharers.cache(slot), sharers.cache()
        for cache in (paused, other):
            cache.all(None)
        server.put(make_chat("t1", "older"))

        def meanwhile() -> None:
            server.put(make_chat("t1", "newer"))
            other.all(None, refresh=True)

        slot.once("extend", meanwhile)
        paused.all(None, refresh=True)

        assert writes(slot) == ["save", "extend", "save"]
        assert all_titles(sharers.cache()) == ["newer", "two", LONG[:9]]


class TestMemory:
    """Facts about all stores. The tests use one of them."""

    @pytest.fixture
    def kit(self) -> MemoryKit:
        return MemoryKit()

    def test_when_the_log_is_full_the_whole_is_written(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        cache = sharers.cache(slot)
        cache.all(None)
        for number in range(6):
            server.put(make_chat("t1", f"{number}" + "x" * 1000))
            cache.all(None, refresh=True)

        assert server.sent == ["all", *["changes"] * 6]
        assert writes(slot) == [
            "save", "extend", "extend", "extend", "save", "extend", "extend", "extend", "save",
        ]  # fmt: skip
        assert all_titles(sharers.cache()) == ["5xxxxxxxx", "two", LONG[:9]]

    def test_a_process_that_takes_changes_over_keeps_its_users(
        self, sharers: Sharers, server: ChangesServer
    ) -> None:
        """Otherwise, each change would bring users of its own, and the memory would grow."""
        ada = make_user()
        server.put(make_chat("t1", "one", users=(ada,)))
        one, other = sharers.cache(), sharers.cache()
        one.all(None)
        before = by_tid(other, "t1")
        server.put(make_chat("t1", "uno", users=(ada,)))
        one.all(None, refresh=True)
        sharers.clock.advance(TTL)
        after = by_tid(other, "t1")

        assert before is not None
        assert after is not None
        assert after.title == "uno"
        assert after.users[0] is before.users[0]
        assert after.users[0] is not ada

    def test_a_whole_listing_is_written_whole(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        cache = sharers.cache(slot)
        cache.all(None)
        server.put(make_chat("t1", "uno"))
        server.floor = 10**9
        cache.all(None, refresh=True)

        assert (server.sent, writes(slot)) == (["all", "all"], ["save", "save"])

    def test_where_single_chats_are_newer_than_the_others_the_whole_is_written(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        cache = sharers.cache(slot)
        cache.all(None)
        server.newer = {"t1": 10**9}
        server.put(make_chat("t2", "dos"))
        cache.all(None, refresh=True)
        other = sharers.cache()
        other.all(None)

        assert (server.sent, writes(slot)) == (["all", "changes"], ["save", "save"])
        assert other.state.confirmed is not None
        assert other.state.confirmed.listed.revision_of("t1") == 10**9

    def test_a_listing_that_could_not_be_stored_is_stored_with_the_next_changes(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot, clock: Clock
    ) -> None:
        cache = sharers.cache(slot)
        cache.all(None)
        slot.before["extend"] = unavailable
        server.put(make_chat("t1", "uno"))
        cache.all(None, refresh=True)
        slot.recover()
        clock.advance(6)
        server.put(make_chat("t2", "dos"))
        cache.all(None, refresh=True)

        assert server.sent == ["all", "changes", "changes"]
        assert all_titles(sharers.cache()) == ["uno", "dos", LONG[:9]]

    def test_damaged_changes_cost_what_has_changed_since_the_part_before_them(
        self, sharers: Sharers, server: ChangesServer, clock: Clock
    ) -> None:
        writer = sharers.cache()
        writer.all(None)
        server.put(make_chat("t1", "uno"))
        writer.all(None, refresh=True)
        ((_, memory_slot),) = sharers.store._slots.items()

        def damaged() -> NoReturn:
            left = memory_slot._parts[0]
            revision = evolve(left.revision, generation="")
            memory_slot._parts = (evolve(left, revision=revision),)
            message = "the snapshot is damaged"
            raise DamagedError(message)

        slot = sharers.slot()
        slot.once("load", damaged)

        assert by_title(sharers.cache(slot), "uno")
        assert server.sent == ["all", "changes", "changes"]

    def test_a_new_process_asks_for_the_changes_since_a_listing_that_a_write_has_outdated(
        self, sharers: Sharers, server: ChangesServer, slot: SpiedSlot
    ) -> None:
        writer = sharers.cache()
        writer.all(None)
        create(writer, server.put(make_chat("t4", "four")))
        writer.close()

        assert by_title(sharers.cache(slot), "four")
        assert (server.sent, writes(slot)) == (["all", "changes"], ["extend"])

    def test_after_its_own_invalidate_a_process_asks_for_all(
        self, sharers: Sharers, server: ChangesServer
    ) -> None:
        cache = sharers.cache()
        cache.all(None)
        cache.invalidate()
        cache.all(None)

        assert server.sent == ["all", "all"]

    def test_a_listing_that_a_write_has_outdated_is_not_served_if_the_server_fails(
        self, sharers: Sharers, server: ChangesServer
    ) -> None:
        writer = sharers.cache()
        writer.all(None)
        create(writer, server.put(make_chat("t4", "four")))
        writer.close()
        server.error = TWServerError("down")

        with pytest.raises(TWServerError):
            by_tid(sharers.cache(stale_if_error=60), "t1")

    def test_who_reads_the_chats_with_changes_has_them_in_both_indexes(
        self, sharers: Sharers, server: ChangesServer
    ) -> None:
        cache = sharers.cache()
        cache.all(None)
        server.put(make_chat("t2", "one"))
        server.put(make_chat("t1", "uno"))
        cache.all(None, refresh=True)
        other = sharers.cache()

        assert [len(by_title(other, title)) for title in ("one", "two", "uno")] == [1, 0, 1]
        assert by_tid(other, "t2") == make_chat("t2", "one")


def rows_of(listed: ChatSnapshot) -> list[tuple[str, str | None]]:
    return [(chat.tid, chat.title) for chat in listed.chats]


def titles_of(listed: ChatSnapshot) -> dict[str, list[str]]:
    return {title: [chat.tid for chat in listed.titled(title) or ()] for title in listed.by_title}


@pytest.mark.parametrize("kit", ["memory", "file"], indirect=True)
@pytest.mark.parametrize("seed", range(8))
def test_after_any_changes_all_processes_have_the_listing_of_the_server(
    seed: int, sharers: Sharers, server: ChangesServer, clock: Clock
) -> None:
    rng = random.Random(seed)  # noqa: S311  the same in each run
    caches = [sharers.cache() for _ in range(3)]
    titles = ["one", "two", "three", "", None]
    for _ in range(60):
        for _ in range(rng.choice([0, 1, 1, 2, 5])):
            tids = [*server.state[0]]
            tid = rng.choice([*tids, f"t{rng.randrange(30)}"])
            if rng.random() < 0.3 and tid in tids and tid != "t3":
                server.remove(tid)
            elif tid != "t3":
                server.put(make_chat(tid, rng.choice(titles)))
        server.floor = rng.choice([0, 0, 0, 10**9])
        server.newer = {"t3": 10**9} if rng.random() < 0.1 else {}
        number = rng.randrange(3)
        if rng.random() < 0.1:
            caches[number] = sharers.cache()
        elif rng.random() < 0.1:
            caches[number].invalidate()
        caches[number].all(None, refresh=True)
        if rng.random() < 0.5:
            caches[rng.randrange(3)].invalidate()
            caches[number].all(None, refresh=True)
        reader = rng.choice([sharers.cache(), caches[(number + 1) % 3]])
        clock.advance(TTL)
        reader.all(None)
        expected = ChatSnapshot.of(server.state[0])
        for cache in (caches[number], reader):
            assert cache.state.confirmed is not None
            listed = cache.state.confirmed.listed
            assert rows_of(listed) == rows_of(expected)
            assert titles_of(listed) == titles_of(expected)
            assert listed.by_tid == expected.by_tid

    assert {"all", "changes"} <= {*server.sent}

"""Writes in doubt, as the other processes of a slot see them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import TWDeliveryUnknownError, TWRateLimitError, TWRequestError, TWServerError
from teamwire_sync._stores.file import FileStore
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, change, create, fail_to_create
from tests.support.forks import exit_status, in_child
from tests.support.store_sharers import Sharers, unavailable
from tests.support.waiting import Gate, Threads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.builders import Clock
    from tests.support.store_sharers import SpiedSlot

# The time-out of a write and `own_write_grace`, as tests/support/caches.py has them.
LASTS = 60 + 30
TTL, RECHECK, INTERVAL = 300, 5, 1


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


@pytest.fixture
def slot(sharers: Sharers) -> SpiedSlot:
    return sharers.slot()


def is_marked(slot: SpiedSlot) -> bool:
    status = slot.status()
    return bool(status.doubt_until > status.now)


def kill_writer(sharers: Sharers) -> None:
    """Kill a process after the server has created a chat, and before the server responds."""
    slot = sharers.slot()
    writing = sharers.cache(slot).writing()
    writing.__enter__()
    sharers.server.put(make_chat("t3", "three"))
    # A killed process does nothing more with the store.
    slot.break_down()


class TestKilledWriters:
    def test_a_new_process_finds_what_the_server_did(self, sharers: Sharers) -> None:
        sharers.cache().all(None)
        kill_writer(sharers)

        assert by_tid(sharers.cache(), "t3") is not None

    def test_a_process_that_runs_finds_it_after_the_check_interval(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        other = sharers.cache()
        other.all(None)
        kill_writer(sharers)
        clock.advance(INTERVAL)

        assert "t3" in {chat.tid for chat in other.all(None)}

    def test_requests_are_unconditional_until_the_mark_ends(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        other = sharers.cache()
        other.all(None)
        kill_writer(sharers)
        for seconds in (INTERVAL, LASTS - INTERVAL - 1, 1):
            clock.advance(seconds)
            other.all(None, refresh=True)

        assert sharers.server.asked == [None, None, None, "v1"]

    def test_a_listing_lasts_as_long_as_a_recheck(self, sharers: Sharers, clock: Clock) -> None:
        kill_writer(sharers)
        other = sharers.cache()
        for seconds in (0, RECHECK - 0.1, 0.1):
            clock.advance(seconds)
            other.all(None)

        assert len(sharers.server.asked) == 2

    def test_a_look_up_that_finds_nothing_lists_at_once(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        kill_writer(sharers)
        other = sharers.cache()
        for _ in range(3):
            by_title(other, "none")
            clock.advance(0.1)

        assert len(sharers.server.asked) >= 3

    @pytest.mark.parametrize("seconds", [LASTS - 1, LASTS, LASTS + 1, TTL - 1])
    def test_a_listing_from_before_the_doubt_does_not_count_after_it(
        self, seconds: float, sharers: Sharers, clock: Clock
    ) -> None:
        sharers.cache().all(None)
        kill_writer(sharers)
        clock.advance(seconds)

        assert "t3" in {chat.tid for chat in sharers.cache().all(None)}

    def test_a_listing_from_the_doubt_does_not_count_after_it(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        kill_writer(sharers)
        sharers.server.remove("t3")
        sharers.cache().all(None)
        sharers.server.put(make_chat("t3", "three"))
        clock.advance(LASTS + 1)

        assert "t3" in {chat.tid for chat in sharers.cache().all(None)}

    def test_after_the_doubt_listings_last_again(self, sharers: Sharers, clock: Clock) -> None:
        kill_writer(sharers)
        clock.advance(LASTS)
        other = sharers.cache()
        other.all(None)
        clock.advance(TTL - 1)
        other.all(None)
        sharers.cache().all(None)

        assert len(sharers.server.asked) == 1

    def test_nothing_stale_is_served(self, sharers: Sharers, clock: Clock) -> None:
        other = sharers.cache(stale_if_error=60)
        other.all(None)
        kill_writer(sharers)
        clock.advance(INTERVAL)
        sharers.server.error = error = TWRateLimitError("no")

        with pytest.raises(type(error)):
            other.all(None)

    def test_a_listing_from_after_the_doubt_is_served_stale(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        kill_writer(sharers)
        clock.advance(LASTS)
        other = sharers.cache(stale_if_error=60)
        other.all(None)
        clock.advance(TTL)
        sharers.server.error = TWServerError("down")

        assert by_tid(other, "t3") is not None

    def test_who_waits_takes_a_listing_that_was_asked_for_since(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        kill_writer(sharers)
        sharers.server.on_load = gate = Gate()
        waits = Gate()
        waits.open()

        def sleep(seconds: float) -> None:
            waits()
            clock.advance(seconds)
            time.sleep(seconds)

        with Threads() as threads:
            first = threads.start(lambda: sharers.cache().all(None))
            gate.wait_arrived()
            rest = [threads.start(lambda: sharers.cache(sleep=sleep).all(None)) for _ in range(4)]
            for _ in rest:
                waits.wait_arrived()
            gate.open()
            found = [each.result() for each in (first, *rest)]

        assert {len(chats) for chats in found} == {3}
        # The first listing was requested before the other look-ups began.
        assert 2 <= len(sharers.server.asked) < 5


class TestMarks:
    def test_a_mark_is_there_while_a_write_is_in_progress(
        self, sharers: Sharers, slot: SpiedSlot
    ) -> None:
        with sharers.cache().writing() as write:
            assert is_marked(slot)
            write.created(make_chat("t3"), None)

        assert not is_marked(slot)

    @pytest.mark.parametrize("error", [TWRequestError("no"), TWRateLimitError("later")])
    def test_a_refused_write_removes_its_mark_and_does_nothing_else(
        self, error: Exception, sharers: Sharers, slot: SpiedSlot
    ) -> None:
        slot.mark("of another", 30)
        before = slot.status()
        fail_to_create(sharers.cache(), error)

        assert slot.status() == before

    def test_the_mark_of_a_write_of_unknown_outcome_stays(
        self, sharers: Sharers, slot: SpiedSlot, clock: Clock
    ) -> None:
        fail_to_create(sharers.cache(), TWDeliveryUnknownError("lost"))
        clock.advance(LASTS - 0.1)
        assert is_marked(slot)
        clock.advance(0.2)

        assert not is_marked(slot)

    def test_a_write_that_can_not_be_done_twice_has_no_mark(
        self, sharers: Sharers, slot: SpiedSlot
    ) -> None:
        with sharers.cache(slot).writing(in_doubt=False) as write:
            write.created(make_chat("t3"), None)

        assert "mark" not in slot.calls

    def test_a_store_that_fails_stops_no_write(
        self, sharers: Sharers, slot: SpiedSlot, caplog: pytest.LogCaptureFixture
    ) -> None:
        slot.break_down()
        cache = sharers.cache(slot)
        create(cache, sharers.server.put(make_chat("t3", "three")))

        assert by_tid(cache, "t3") is not None
        assert [each.levelname for each in caplog.records] == ["WARNING"]

    def test_a_mark_that_could_not_be_removed_is_removed_later(
        self, sharers: Sharers, slot: SpiedSlot, clock: Clock
    ) -> None:
        cache = sharers.cache(slot)
        slot.before["unmark"] = unavailable
        fail_to_create(cache, TWRequestError("no"))
        slot.recover()
        assert is_marked(slot)
        clock.advance(5)
        cache.all(None)

        assert not is_marked(slot)

    def test_one_call_removes_it_and_renews(self, sharers: Sharers, slot: SpiedSlot) -> None:
        create(sharers.cache(slot), make_chat("t3"))

        assert slot.calls == ["mark", "bump_generation"]

    def test_a_forked_child_removes_no_mark_of_its_parent(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        sharers = Sharers(clock, FileStore(tmp_path / "store"))
        slot = sharers.slot()
        writing = sharers.cache().writing()
        writing.__enter__().created(make_chat("t3"), None)
        child = in_child(lambda: writing.__exit__(None, None, None))
        assert exit_status(child) == 0
        assert is_marked(slot)
        writing.__exit__(None, None, None)

        assert not is_marked(slot)


class TestRevisions:
    def test_a_listing_that_lacks_a_write_of_another_process_lasts_as_long_as_a_recheck(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        other = sharers.cache()
        create(sharers.cache(), make_chat("t3"))  # the list does not show it yet
        other.all(None)
        sharers.server.put(make_chat("t3"))
        clock.advance(RECHECK)

        assert "t3" in {chat.tid for chat in other.all(None)}

    def test_a_stored_listing_that_lacks_a_write_lasts_as_long_as_a_recheck(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        create(sharers.cache(), make_chat("t3"))
        sharers.cache().all(None)
        sharers.server.put(make_chat("t3"))
        clock.advance(RECHECK)

        assert "t3" in {chat.tid for chat in sharers.cache().all(None)}

    def test_after_the_grace_such_a_listing_lasts_again(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        change(sharers.cache(), make_chat("t1", "uno"))
        clock.advance(30)
        for _ in range(3):
            sharers.cache().all(None)
            clock.advance(RECHECK + 1)

        assert len(sharers.server.asked) == 1

    def test_without_revisions_a_listing_that_lacks_a_write_lasts(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        sharers.server.has_revisions = False
        create(sharers.cache(), make_chat("t3"), revisions=False)
        for _ in range(3):
            sharers.cache().all(None)
            clock.advance(RECHECK + 1)

        assert len(sharers.server.asked) == 1

    def test_a_paused_process_puts_no_older_listing_over_a_newer_one(
        self, sharers: Sharers, clock: Clock
    ) -> None:
        slot = sharers.slot()

        def go_on_later() -> None:
            sharers.server.put(make_chat("t3", "three"))
            clock.advance(11)  # the lease of the paused process ends
            assert by_tid(sharers.cache(), "t3") is not None

        slot.once("save", go_on_later)
        sharers.cache(slot).all(None)

        assert by_tid(sharers.cache(), "t3") is not None
        assert len(sharers.server.asked) == 2

"""What each place promises, whatever stores it."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from teamwire_sync._stores.base import MAX_AGE, StoredListing
from tests.support.builders import make_chat, make_group, make_user
from tests.support.store_listings import (
    IDENTITY,
    confirm,
    contents,
    failure_of,
    fields,
    save,
    take_lease,
    titles,
)
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from teamwire_sync._stores.base import StoreSlot
    from tests.stores.conftest import MemoryKit

# Real time passes for Redis, and a test may take some of it.
HOUR = 3600.0


class TestPlace:
    def test_a_new_one_has_a_generation_and_nothing_else(self, slot: StoreSlot) -> None:
        status = slot.status()

        assert status.generation
        assert (status.revision, status.failure) == (None, None)

    def test_a_look_keeps_the_generation(self, slot: StoreSlot, other: StoreSlot) -> None:
        assert slot.status().generation == other.status().generation == slot.status().generation

    def test_time_does_not_run_backwards(self, slot: StoreSlot, other: StoreSlot) -> None:
        assert slot.status().now <= other.status().now

    def test_what_is_saved_is_loaded(self, slot: StoreSlot, other: StoreSlot) -> None:
        ada = make_user("u1", first_name="Ådä", extra=(("x", 1),))
        group = make_group("g1", title="図", owner=ada)
        chat = make_chat(
            "t1", "日本 \U0001f600", users=(ada,), groups=(group,), extra=(("y", [1]),)
        )
        status = slot.status()
        revision = slot.save(
            StoredListing({"t1": chat}, 'W/"é"', (ada,), (group,)),
            generation=status.generation,
            asked_at=status.now,
        )
        loaded = other.load(revision)

        assert loaded is not None
        assert dict(loaded.chats) == {"t1": chat}
        assert loaded.chats["t1"].extra == {"y": [1]}
        assert (loaded.validator, *loaded.users, *loaded.groups) == ('W/"é"', ada, group)

    def test_the_order_stays(self, slot: StoreSlot) -> None:
        revision = save(slot, "z", "a", "m")

        assert titles(slot, revision) == ["z", "a", "m"]

    def test_nothing_is_a_listing_too(self, slot: StoreSlot) -> None:
        assert titles(slot, save(slot)) == []

    def test_a_look_gives_the_stamp_of_the_last_one(
        self, slot: StoreSlot, other: StoreSlot
    ) -> None:
        status = slot.status()
        save(slot, "old", status=status)
        revision = save(other, "new", status=status)

        assert slot.status().revision == revision
        assert (revision.generation, revision.asked_at) == (status.generation, status.now)

    def test_one_that_was_replaced_is_not_there(self, slot: StoreSlot, other: StoreSlot) -> None:
        old = save(slot, "old")
        new = save(other, "new")

        assert titles(slot, old) is None
        assert titles(slot, new) == ["new"]

    def test_one_that_never_was_is_not_there(self, slot: StoreSlot) -> None:
        revision = save(slot, "a")

        assert slot.load(evolve(revision, body="0" * 32)) is None

    def test_one_of_an_older_generation_shows_that(self, slot: StoreSlot, other: StoreSlot) -> None:
        status = slot.status()
        generation = other.bump_generation()
        save(slot, "late", status=status)
        now = other.status()

        assert now.generation == generation
        assert now.revision is not None
        assert now.revision.generation == status.generation != generation


class TestConfirm:
    def test_only_the_time_changes(self, slot: StoreSlot, other: StoreSlot) -> None:
        revision = save(slot, "a")
        confirmed = confirm(other, revision, asked_at=revision.asked_at - 1.5)

        assert confirmed == evolve(revision, asked_at=revision.asked_at - 1.5)
        assert slot.status().revision == confirmed

    def test_the_chats_stay(self, slot: StoreSlot) -> None:
        revision = save(slot, "a")
        confirmed = confirm(slot, revision, asked_at=revision.asked_at)

        assert confirmed is not None
        assert titles(slot, confirmed) == ["a"]

    def test_the_generation_is_that_of_the_request(self, slot: StoreSlot, other: StoreSlot) -> None:
        revision = save(slot, "a")
        generation = slot.bump_generation()
        now = slot.status().now
        confirmed = slot.extend(revision, None, generation=generation, asked_at=now)

        assert confirmed == evolve(revision, generation=generation, asked_at=now)
        assert other.status().revision == confirmed

    def test_one_that_was_replaced_is_not_confirmed(
        self, slot: StoreSlot, other: StoreSlot
    ) -> None:
        old = save(slot, "old")
        new = save(other, "new")

        assert confirm(slot, old, asked_at=old.asked_at - 1) is None
        assert slot.status().revision == new

    def test_where_there_is_none_nothing_is_confirmed(self, slot: StoreSlot, store: Any) -> None:
        revision = save(slot, "a")
        store.clear()

        assert confirm(slot, revision, asked_at=revision.asked_at) is None
        assert slot.status().revision is None

    def test_it_lasts_longer(self, slot: StoreSlot, kit: MemoryKit) -> None:
        revision = save(slot, "a")
        kit.let_pass(MAX_AGE - 60)
        confirm(slot, revision, asked_at=slot.status().now)
        kit.let_pass(MAX_AGE - 60)

        assert titles(slot, revision) == ["a"]


class TestFailure:
    def test_it_is_shared(self, slot: StoreSlot, other: StoreSlot) -> None:
        failure = failure_of(slot.status())
        slot.fail(failure)

        assert fields(other.status().failure) == fields(failure)

    def test_the_last_one_counts(self, slot: StoreSlot, other: StoreSlot) -> None:
        first = failure_of(slot.status())
        last = evolve(first, until=first.until + 5)
        slot.fail(first)
        other.fail(last)

        assert fields(slot.status().failure) == fields(last)

    def test_a_listing_removes_it(self, slot: StoreSlot, other: StoreSlot) -> None:
        slot.fail(failure_of(slot.status()))
        save(other, "a")

        assert slot.status().failure is None

    def test_a_listing_that_has_not_changed_removes_it(
        self, slot: StoreSlot, other: StoreSlot
    ) -> None:
        revision = save(slot, "a")
        slot.fail(failure_of(slot.status()))
        confirm(other, revision, asked_at=revision.asked_at)

        assert slot.status().failure is None

    def test_the_listing_stays(self, slot: StoreSlot) -> None:
        revision = save(slot, "a")
        slot.fail(failure_of(slot.status()))

        assert titles(slot, revision) == ["a"]


class TestRenew:
    def test_each_generation_is_another(self, slot: StoreSlot, other: StoreSlot) -> None:
        generations = [slot.status().generation]
        for each in (slot, other, slot):
            generations.append(each.bump_generation())
            assert other.status().generation == generations[-1]
        assert len(set(generations)) == 4

    def test_it_needs_no_look_before(self, slot: StoreSlot, other: StoreSlot) -> None:
        assert slot.bump_generation() == other.status().generation

    def test_the_listing_stays(self, slot: StoreSlot) -> None:
        revision = save(slot, "a")
        slot.bump_generation()

        assert titles(slot, revision) == ["a"]


def lasts(slot: StoreSlot) -> float:
    """Return the seconds until the latest end of a mark."""
    status = slot.status()
    return status.doubt_until - status.now


class TestMarks:
    def test_a_new_place_has_none(self, slot: StoreSlot) -> None:
        assert slot.status().doubt_until == -math.inf

    def test_all_see_the_latest_end(self, slot: StoreSlot, other: StoreSlot) -> None:
        slot.mark("w1", HOUR)
        slot.mark("w2", 60)

        assert HOUR - PATIENCE < lasts(other) <= HOUR

    def test_a_mark_leaves_the_generation(self, slot: StoreSlot, other: StoreSlot) -> None:
        generation = slot.status().generation
        slot.mark("w1", HOUR)

        assert other.status().generation == generation

    def test_only_the_mark_of_the_write_is_removed(self, slot: StoreSlot, other: StoreSlot) -> None:
        slot.mark("w1", HOUR)
        other.mark("w2", 60)
        other.unmark(["w2", "w3"])
        assert lasts(slot) > 60
        other.unmark(["w1"])

        assert slot.status().doubt_until == -math.inf

    def test_a_renewal_removes_the_marks_of_its_writes(
        self, slot: StoreSlot, other: StoreSlot
    ) -> None:
        for each in ("w1", "w2", "w3"):
            slot.mark(each, HOUR)
        slot.bump_generation(ended=["w1"])
        assert lasts(other) > 0
        slot.bump_generation(ended=["w2", "w3"])

        assert other.status().doubt_until == -math.inf

    def test_to_clear_the_place_or_the_store_leaves_the_mark(
        self, slot: StoreSlot, other: StoreSlot, store: Any
    ) -> None:
        slot.mark("w1", HOUR)
        slot.clear()
        store.clear()

        assert lasts(other) > 0

    def test_the_latest_end_stays_after_it_has_passed(
        self, slot: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        slot.mark("w1", 60)
        slot.mark("w2", 120)
        kit.let_pass(HOUR)
        slot.mark("w3", 60)
        slot.unmark(["w3"])

        assert -PATIENCE < lasts(other) - (120 - HOUR) <= 0.1

    def test_of_the_ended_marks_one_is_kept(self, slot: StoreSlot, kit: MemoryKit) -> None:
        for seconds, each in enumerate(("w1", "w2", "w3"), 60):
            slot.mark(each, seconds)
        kit.let_pass(HOUR)
        slot.mark("w4", 60)
        slot.unmark(["w4", "w3"])

        assert slot.status().doubt_until == -math.inf

    def test_those_of_a_clock_that_was_wrong_are_removed(
        self, slot: StoreSlot, kit: MemoryKit
    ) -> None:
        for each in ("w1", "w2"):
            slot.mark(each, HOUR)
        kit.let_pass(-365 * 24 * HOUR)
        slot.mark("w3", 60)

        assert 0 < lasts(slot) <= 60

    def test_another_bot_has_none(self, slot: StoreSlot, stranger: StoreSlot) -> None:
        slot.mark("w1", HOUR)

        assert stranger.status().doubt_until == -math.inf


class TestRevisions:
    def test_a_new_place_has_none(self, slot: StoreSlot) -> None:
        slot.bump_generation(grace=HOUR)

        assert slot.status().written is None

    def test_a_renewal_stores_the_revision_of_the_write(
        self, slot: StoreSlot, other: StoreSlot
    ) -> None:
        slot.bump_generation(revision=10**15, grace=HOUR)
        status = other.status()

        assert status.written is not None
        assert status.written.revision == 10**15
        assert HOUR - PATIENCE < status.written.until - status.now <= HOUR

    def test_the_highest_one_counts(self, slot: StoreSlot, other: StoreSlot) -> None:
        for revision in (2**62, 2**62 + 1, 2**62):
            slot.bump_generation(revision=revision, grace=HOUR)
        slot.bump_generation()
        written = other.status().written

        assert written is not None
        assert written.revision == 2**62 + 1

    @pytest.mark.parametrize("revision", [9, 7])
    def test_one_that_is_not_higher_does_not_make_it_count_longer(
        self, revision: int, slot: StoreSlot, other: StoreSlot
    ) -> None:
        slot.bump_generation(revision=9, grace=HOUR)
        before = slot.status().written
        other.bump_generation(revision=revision, grace=2 * HOUR)

        assert slot.status().written == before

    def test_after_the_grace_the_last_one_counts(
        self, slot: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        slot.bump_generation(revision=9, grace=60)
        kit.let_pass(HOUR)
        slot.bump_generation(revision=7, grace=60)
        written = other.status().written

        assert written is not None
        assert written.revision == 7

    @pytest.mark.parametrize(
        ("revisions", "later", "left"),
        [
            ((9, 8), 0, "old"),
            ((9, 8), -60, "old"),
            ((9, 8), 29, "old"),
            ((9, 8), 30, "new"),
            ((9, 9), -60, "new"),
            ((8, 9), -60, "new"),
            ((2**62 + 1, 2**62), 29, "old"),
            ((None, 8), 0, "new"),
            ((9, None), 0, "new"),
            ((None, 8), -60, "old"),
            ((9, None), -60, "old"),
            ((None, None), -60, "old"),
        ],
    )
    def test_a_listing_replaces_no_listing_of_a_higher_revision(
        self, revisions: tuple[int | None, ...], later: float, left: str, slot: StoreSlot
    ) -> None:
        status = slot.status()
        saved = None
        for title, revision, moment in zip(("old", "new"), revisions, (-HOUR, later - HOUR)):
            listing = evolve(contents(title), revision=revision)
            saved = slot.save(
                listing, generation=status.generation, asked_at=status.now + moment, grace=30
            )
        kept = slot.status().revision

        assert kept is not None
        assert titles(slot, kept) == [left]
        assert saved == (kept if left == "new" else None)

    def test_after_a_clear_any_listing_is_stored(self, slot: StoreSlot, store: Any) -> None:
        status = slot.status()
        listing = evolve(contents("a"), revision=9)
        slot.save(listing, generation=status.generation, asked_at=status.now, grace=30)
        store.clear()
        older = evolve(listing, revision=8)

        assert slot.save(older, generation=status.generation, asked_at=status.now, grace=30)


class TestLease:
    def test_one_has_it(self, slot: StoreSlot, other: StoreSlot) -> None:
        assert take_lease(slot, HOUR) is not None
        assert (take_lease(slot, HOUR), take_lease(other, HOUR)) == (None, None)

    def test_released_it_is_free(self, slot: StoreSlot, other: StoreSlot) -> None:
        lease = take_lease(slot, HOUR)
        assert lease is not None
        lease.release()

        assert take_lease(other, HOUR) is not None

    def test_it_ends_by_itself(self, slot: StoreSlot, other: StoreSlot, kit: MemoryKit) -> None:
        assert take_lease(slot, HOUR) is not None
        kit.let_pass(HOUR + 0.5)

        assert take_lease(other, HOUR) is not None

    def test_extended_it_lasts_as_long_again(
        self, slot: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        lease = take_lease(slot, HOUR)
        assert lease is not None
        kit.let_pass(HOUR * 2 / 3)
        assert lease.extend()
        kit.let_pass(HOUR * 2 / 3)
        assert take_lease(other, HOUR) is None

    def test_a_lost_one_is_not_extended(
        self, slot: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        lease = take_lease(slot, HOUR)
        assert lease is not None
        kit.let_pass(HOUR + 0.5)
        assert take_lease(other, HOUR) is not None

        assert not lease.extend()

    def test_a_lost_one_is_not_released_from_who_has_it(
        self, slot: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        lost = take_lease(slot, HOUR)
        assert lost is not None
        kit.let_pass(HOUR + 0.5)
        taken = take_lease(other, HOUR)
        assert taken is not None
        lost.release()

        assert taken.extend()
        assert take_lease(slot, HOUR) is None

    def test_released_it_is_not_extended(self, slot: StoreSlot, other: StoreSlot) -> None:
        lease = take_lease(slot, HOUR)
        assert lease is not None
        lease.release()

        assert not lease.extend()
        assert take_lease(other, HOUR) is not None

    def test_to_clear_the_place_leaves_it(self, slot: StoreSlot, other: StoreSlot) -> None:
        lease = take_lease(slot, HOUR)
        assert lease is not None
        other.clear()

        assert lease.extend()

    def test_a_renewal_frees_it(self, slot: StoreSlot, other: StoreSlot) -> None:
        assert take_lease(slot, HOUR) is not None
        other.bump_generation()

        assert take_lease(other, HOUR) is not None

    def test_one_from_before_a_renewal_is_lost(self, slot: StoreSlot, other: StoreSlot) -> None:
        lease = take_lease(slot, HOUR)
        assert lease is not None
        other.bump_generation()

        assert not lease.extend()

    def test_of_8_threads_one_has_it(self, slot: StoreSlot, other: StoreSlot) -> None:
        with Threads() as threads:
            each = [threads.start(lambda at=at: take_lease(at, HOUR)) for at in [slot, other] * 4]  # type: ignore[misc]
            leases = [one.result(PATIENCE) for one in each]

        assert sum(lease is not None for lease in leases) == 1


class TestBots:
    def test_they_do_not_see_each_other(self, slot: StoreSlot, stranger: StoreSlot) -> None:
        revision = save(slot, "a")
        slot.fail(failure_of(slot.status()))
        seen = stranger.status()

        assert (seen.revision, seen.failure) == (None, None)
        assert stranger.load(revision) is None
        assert confirm(stranger, revision, asked_at=revision.asked_at) is None

    def test_each_has_a_generation(self, slot: StoreSlot, stranger: StoreSlot) -> None:
        generation = stranger.status().generation

        assert slot.bump_generation() != generation
        assert stranger.status().generation == generation

    def test_each_has_a_lease(self, slot: StoreSlot, stranger: StoreSlot) -> None:
        assert take_lease(slot, 60) is not None
        assert take_lease(stranger, 60) is not None

    def test_to_clear_one_leaves_the_other(self, slot: StoreSlot, stranger: StoreSlot) -> None:
        save(slot, "a")
        revision = save(stranger, "b")
        slot.clear()

        assert titles(stranger, revision) == ["b"]

    def test_to_clear_the_store_counts_them(
        self, slot: StoreSlot, stranger: StoreSlot, store: Any
    ) -> None:
        save(slot, "a")
        save(stranger, "b")

        assert (store.clear(), store.clear()) == (2, 0)


class TestClear:
    @pytest.fixture(params=["place", "store"])
    def cleared(self, request: pytest.FixtureRequest, slot: StoreSlot, store: Any) -> Any:
        return slot if request.param == "place" else store

    def test_nothing_is_left(self, cleared: Any, slot: StoreSlot, other: StoreSlot) -> None:
        revision = save(slot, "a")
        slot.fail(failure_of(slot.status()))
        cleared.clear()
        status = other.status()

        assert (status.revision, status.failure) == (None, None)
        assert other.load(revision) is None

    def test_the_generation_is_another(
        self, cleared: Any, slot: StoreSlot, other: StoreSlot
    ) -> None:
        generation = other.status().generation
        cleared.clear()

        assert other.status().generation != generation

    def test_where_there_is_nothing_it_does_nothing(self, cleared: Any) -> None:
        assert not cleared.clear()

    def test_what_was_asked_for_before_shows_that(
        self, cleared: Any, slot: StoreSlot, other: StoreSlot
    ) -> None:
        status = slot.status()
        cleared.clear()
        save(slot, "late", status=status)
        now = other.status()

        assert now.revision is not None
        assert now.revision.generation != now.generation


class TestAge:
    def test_what_is_too_old_is_gone(self, slot: StoreSlot, kit: MemoryKit) -> None:
        revision = save(slot, "a")
        kit.let_pass(MAX_AGE + 1)

        assert slot.status().revision is None
        assert slot.load(revision) is None

    def test_before_that_it_is_there(self, slot: StoreSlot, kit: MemoryKit) -> None:
        revision = save(slot, "a")
        kit.let_pass(MAX_AGE - 60)
        status = slot.status()

        assert status.revision is not None
        assert status.revision.body == revision.body
        assert status.now - status.revision.asked_at >= MAX_AGE - 60.001

    @pytest.mark.parametrize("ahead", [60, -MAX_AGE - 1], ids=["future", "past"])
    def test_a_listing_of_another_time_is_none(self, ahead: float, slot: StoreSlot) -> None:
        status = slot.status()
        slot.save(contents("a"), generation=status.generation, asked_at=status.now + ahead)

        assert slot.status().revision is None


class TestTogether:
    def test_8_threads_find_each_listing_whole(self, slot: StoreSlot, other: StoreSlot) -> None:
        generation = slot.status().generation

        def work(at: StoreSlot, name: str) -> None:
            for _ in range(10):
                save(at, name, name, status=evolve(at.status(), generation=generation))
                status = at.status()
                # Another may have been saved in between; then there is none.
                assert status.revision is not None
                loaded = titles(at, status.revision)
                assert loaded is None or (len(loaded) == 2 and len(set(loaded)) == 1)

        with Threads() as threads:
            each = [
                threads.start(lambda at=at, name=str(name): work(at, name))  # type: ignore[misc]
                for name, at in enumerate([slot, other] * 4)
            ]
            for one in each:
                one.result(PATIENCE)

    @pytest.mark.parametrize("kit", ["file", "redis"], indirect=True)
    def test_another_process_finds_what_this_one_saved(
        self, kit: MemoryKit, slot: StoreSlot
    ) -> None:
        save(slot, "früh")
        slot.fail(failure_of(slot.status()))
        lease = take_lease(slot, 60)
        code = f"""{kit.source}
slot = store._slot({IDENTITY!r})
status = slot.status()
print(*(ascii(chat.title) for chat in slot.load(status.revision).chats.values()))
print(status.failure.error["status"], slot.take_lease("another", 60), slot.bump_generation())
"""
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        generation = slot.status().generation

        assert lease is not None
        assert done.stdout.split() == ["'fr\\xfch'", "503", "False", generation]

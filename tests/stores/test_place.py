"""What each place promises, whatever stores it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from teamwire_sync._stores.base import MAX_AGE, StoredListing
from tests.support.builders import make_chat, make_group, make_user
from tests.support.store_listings import (
    IDENTITY,
    contents,
    failure_of,
    fields,
    save,
    titles,
)
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from teamwire_sync._stores.base import StoreSlot
    from tests.stores.conftest import MemoryKit

# Real time passes for Redis, and a test may take some of it.
HOUR = 3600.0


class TestPlace:
    def test_a_new_one_has_a_generation_and_nothing_else(self, place: StoreSlot) -> None:
        head = place.look()

        assert head.generation
        assert (head.stamp, head.failure) == (None, None)

    def test_a_look_keeps_the_generation(self, place: StoreSlot, other: StoreSlot) -> None:
        assert place.look().generation == other.look().generation == place.look().generation

    def test_time_does_not_run_backwards(self, place: StoreSlot, other: StoreSlot) -> None:
        assert place.look().now <= other.look().now

    def test_what_is_saved_is_loaded(self, place: StoreSlot, other: StoreSlot) -> None:
        ada = make_user("u1", first_name="Ådä", extra=(("x", 1),))
        group = make_group("g1", title="図", owner=ada)
        chat = make_chat(
            "t1", "日本 \U0001f600", users=(ada,), groups=(group,), extra=(("y", [1]),)
        )
        head = place.look()
        stamp = place.save(
            StoredListing({"t1": chat}, 'W/"é"', (ada,), (group,)),
            generation=head.generation,
            asked_at=head.now,
        )
        loaded = other.load(stamp)

        assert loaded is not None
        assert dict(loaded.chats) == {"t1": chat}
        assert loaded.chats["t1"].extra == {"y": [1]}
        assert (loaded.validator, *loaded.users, *loaded.groups) == ('W/"é"', ada, group)

    def test_the_order_stays(self, place: StoreSlot) -> None:
        stamp = save(place, "z", "a", "m")

        assert titles(place, stamp) == ["z", "a", "m"]

    def test_nothing_is_a_listing_too(self, place: StoreSlot) -> None:
        assert titles(place, save(place)) == []

    def test_a_look_gives_the_stamp_of_the_last_one(
        self, place: StoreSlot, other: StoreSlot
    ) -> None:
        head = place.look()
        save(place, "old", head=head)
        stamp = save(other, "new", head=head)

        assert place.look().stamp == stamp
        assert (stamp.generation, stamp.asked_at) == (head.generation, head.now)

    def test_one_that_was_replaced_is_not_there(self, place: StoreSlot, other: StoreSlot) -> None:
        old = save(place, "old")
        new = save(other, "new")

        assert titles(place, old) is None
        assert titles(place, new) == ["new"]

    def test_one_that_never_was_is_not_there(self, place: StoreSlot) -> None:
        stamp = save(place, "a")

        assert place.load(evolve(stamp, body="0" * 32)) is None

    def test_one_of_an_older_generation_shows_that(
        self, place: StoreSlot, other: StoreSlot
    ) -> None:
        head = place.look()
        generation = other.renew()
        save(place, "late", head=head)
        now = other.look()

        assert now.generation == generation
        assert now.stamp is not None
        assert now.stamp.generation == head.generation != generation


class TestConfirm:
    def test_only_the_time_changes(self, place: StoreSlot, other: StoreSlot) -> None:
        stamp = save(place, "a")
        confirmed = other.confirm(stamp, asked_at=stamp.asked_at - 1.5)

        assert confirmed == evolve(stamp, asked_at=stamp.asked_at - 1.5)
        assert place.look().stamp == confirmed

    def test_the_chats_stay(self, place: StoreSlot) -> None:
        stamp = save(place, "a")
        confirmed = place.confirm(stamp, asked_at=stamp.asked_at)

        assert confirmed is not None
        assert titles(place, confirmed) == ["a"]

    def test_the_generation_is_that_of_the_listing(self, place: StoreSlot) -> None:
        stamp = save(place, "a")
        place.renew()
        confirmed = place.confirm(stamp, asked_at=stamp.asked_at)

        assert confirmed is not None
        assert confirmed.generation == stamp.generation

    def test_one_that_was_replaced_is_not_confirmed(
        self, place: StoreSlot, other: StoreSlot
    ) -> None:
        old = save(place, "old")
        new = save(other, "new")

        assert place.confirm(old, asked_at=old.asked_at - 1) is None
        assert place.look().stamp == new

    def test_where_there_is_none_nothing_is_confirmed(self, place: StoreSlot, store: Any) -> None:
        stamp = save(place, "a")
        store.clear()

        assert place.confirm(stamp, asked_at=stamp.asked_at) is None
        assert place.look().stamp is None

    def test_it_lasts_longer(self, place: StoreSlot, kit: MemoryKit) -> None:
        stamp = save(place, "a")
        kit.let_pass(MAX_AGE - 60)
        place.confirm(stamp, asked_at=place.look().now)
        kit.let_pass(MAX_AGE - 60)

        assert titles(place, stamp) == ["a"]


class TestFailure:
    def test_it_is_shared(self, place: StoreSlot, other: StoreSlot) -> None:
        failure = failure_of(place.look())
        place.fail(failure)

        assert fields(other.look().failure) == fields(failure)

    def test_the_last_one_counts(self, place: StoreSlot, other: StoreSlot) -> None:
        first = failure_of(place.look())
        last = evolve(first, until=first.until + 5)
        place.fail(first)
        other.fail(last)

        assert fields(place.look().failure) == fields(last)

    def test_a_listing_removes_it(self, place: StoreSlot, other: StoreSlot) -> None:
        place.fail(failure_of(place.look()))
        save(other, "a")

        assert place.look().failure is None

    def test_a_listing_that_has_not_changed_removes_it(
        self, place: StoreSlot, other: StoreSlot
    ) -> None:
        stamp = save(place, "a")
        place.fail(failure_of(place.look()))
        other.confirm(stamp, asked_at=stamp.asked_at)

        assert place.look().failure is None

    def test_the_listing_stays(self, place: StoreSlot) -> None:
        stamp = save(place, "a")
        place.fail(failure_of(place.look()))

        assert titles(place, stamp) == ["a"]


class TestRenew:
    def test_each_generation_is_another(self, place: StoreSlot, other: StoreSlot) -> None:
        generations = [place.look().generation]
        for each in (place, other, place):
            generations.append(each.renew())
            assert other.look().generation == generations[-1]
        assert len(set(generations)) == 4

    def test_it_needs_no_look_before(self, place: StoreSlot, other: StoreSlot) -> None:
        assert place.renew() == other.look().generation

    def test_the_listing_stays(self, place: StoreSlot) -> None:
        stamp = save(place, "a")
        place.renew()

        assert titles(place, stamp) == ["a"]


class TestLease:
    def test_one_has_it(self, place: StoreSlot, other: StoreSlot) -> None:
        assert place.lease(HOUR) is not None
        assert (place.lease(HOUR), other.lease(HOUR)) == (None, None)

    def test_released_it_is_free(self, place: StoreSlot, other: StoreSlot) -> None:
        lease = place.lease(HOUR)
        assert lease is not None
        lease.release()

        assert other.lease(HOUR) is not None

    def test_it_ends_by_itself(self, place: StoreSlot, other: StoreSlot, kit: MemoryKit) -> None:
        assert place.lease(HOUR) is not None
        kit.let_pass(HOUR + 0.5)

        assert other.lease(HOUR) is not None

    def test_extended_it_lasts_as_long_again(
        self, place: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        lease = place.lease(HOUR)
        assert lease is not None
        kit.let_pass(HOUR * 2 / 3)
        assert lease.extend()
        kit.let_pass(HOUR * 2 / 3)
        assert other.lease(HOUR) is None

    def test_a_lost_one_is_not_extended(
        self, place: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        lease = place.lease(HOUR)
        assert lease is not None
        kit.let_pass(HOUR + 0.5)
        assert other.lease(HOUR) is not None

        assert not lease.extend()

    def test_a_lost_one_is_not_released_from_who_has_it(
        self, place: StoreSlot, other: StoreSlot, kit: MemoryKit
    ) -> None:
        lost = place.lease(HOUR)
        assert lost is not None
        kit.let_pass(HOUR + 0.5)
        taken = other.lease(HOUR)
        assert taken is not None
        lost.release()

        assert taken.extend()
        assert place.lease(HOUR) is None

    def test_released_it_is_not_extended(self, place: StoreSlot, other: StoreSlot) -> None:
        lease = place.lease(HOUR)
        assert lease is not None
        lease.release()

        assert not lease.extend()
        assert other.lease(HOUR) is not None

    def test_to_clear_the_place_leaves_it(self, place: StoreSlot, other: StoreSlot) -> None:
        lease = place.lease(HOUR)
        assert lease is not None
        other.clear()

        assert lease.extend()

    def test_a_renewal_frees_it(self, place: StoreSlot, other: StoreSlot) -> None:
        assert place.lease(HOUR) is not None
        other.renew()

        assert other.lease(HOUR) is not None

    def test_one_from_before_a_renewal_is_lost(self, place: StoreSlot, other: StoreSlot) -> None:
        lease = place.lease(HOUR)
        assert lease is not None
        other.renew()

        assert not lease.extend()

    def test_of_8_threads_one_has_it(self, place: StoreSlot, other: StoreSlot) -> None:
        with Threads() as threads:
            each = [threads.start(lambda at=at: at.lease(HOUR)) for at in [place, other] * 4]  # type: ignore[misc]
            leases = [one.result(PATIENCE) for one in each]

        assert sum(lease is not None for lease in leases) == 1


class TestBots:
    def test_they_do_not_see_each_other(self, place: StoreSlot, stranger: StoreSlot) -> None:
        stamp = save(place, "a")
        place.fail(failure_of(place.look()))
        seen = stranger.look()

        assert (seen.stamp, seen.failure) == (None, None)
        assert stranger.load(stamp) is None
        assert stranger.confirm(stamp, asked_at=stamp.asked_at) is None

    def test_each_has_a_generation(self, place: StoreSlot, stranger: StoreSlot) -> None:
        generation = stranger.look().generation

        assert place.renew() != generation
        assert stranger.look().generation == generation

    def test_each_has_a_lease(self, place: StoreSlot, stranger: StoreSlot) -> None:
        assert place.lease(60) is not None
        assert stranger.lease(60) is not None

    def test_to_clear_one_leaves_the_other(self, place: StoreSlot, stranger: StoreSlot) -> None:
        save(place, "a")
        stamp = save(stranger, "b")
        place.clear()

        assert titles(stranger, stamp) == ["b"]

    def test_to_clear_the_store_counts_them(
        self, place: StoreSlot, stranger: StoreSlot, store: Any
    ) -> None:
        save(place, "a")
        save(stranger, "b")

        assert (store.clear(), store.clear()) == (2, 0)


class TestClear:
    @pytest.fixture(params=["place", "store"])
    def cleared(self, request: pytest.FixtureRequest, place: StoreSlot, store: Any) -> Any:
        return place if request.param == "place" else store

    def test_nothing_is_left(self, cleared: Any, place: StoreSlot, other: StoreSlot) -> None:
        stamp = save(place, "a")
        place.fail(failure_of(place.look()))
        cleared.clear()
        head = other.look()

        assert (head.stamp, head.failure) == (None, None)
        assert other.load(stamp) is None

    def test_the_generation_is_another(
        self, cleared: Any, place: StoreSlot, other: StoreSlot
    ) -> None:
        generation = other.look().generation
        cleared.clear()

        assert other.look().generation != generation

    def test_where_there_is_nothing_it_does_nothing(self, cleared: Any) -> None:
        assert not cleared.clear()

    def test_what_was_asked_for_before_shows_that(
        self, cleared: Any, place: StoreSlot, other: StoreSlot
    ) -> None:
        head = place.look()
        cleared.clear()
        save(place, "late", head=head)
        now = other.look()

        assert now.stamp is not None
        assert now.stamp.generation != now.generation


class TestAge:
    def test_what_is_too_old_is_gone(self, place: StoreSlot, kit: MemoryKit) -> None:
        stamp = save(place, "a")
        kit.let_pass(MAX_AGE + 1)

        assert place.look().stamp is None
        assert place.load(stamp) is None

    def test_before_that_it_is_there(self, place: StoreSlot, kit: MemoryKit) -> None:
        stamp = save(place, "a")
        kit.let_pass(MAX_AGE - 60)
        head = place.look()

        assert head.stamp is not None
        assert head.stamp.body == stamp.body
        assert head.now - head.stamp.asked_at >= MAX_AGE - 60.001

    @pytest.mark.parametrize("ahead", [60, -MAX_AGE - 1], ids=["future", "past"])
    def test_a_listing_of_another_time_is_none(self, ahead: float, place: StoreSlot) -> None:
        head = place.look()
        place.save(contents("a"), generation=head.generation, asked_at=head.now + ahead)

        assert place.look().stamp is None


class TestTogether:
    def test_8_threads_find_each_listing_whole(self, place: StoreSlot, other: StoreSlot) -> None:
        generation = place.look().generation

        def work(at: StoreSlot, name: str) -> None:
            for _ in range(10):
                save(at, name, name, head=evolve(at.look(), generation=generation))
                head = at.look()
                # Another may have been saved in between; then there is none.
                assert head.stamp is not None
                loaded = titles(at, head.stamp)
                assert loaded is None or (len(loaded) == 2 and len(set(loaded)) == 1)

        with Threads() as threads:
            each = [
                threads.start(lambda at=at, name=str(name): work(at, name))  # type: ignore[misc]
                for name, at in enumerate([place, other] * 4)
            ]
            for one in each:
                one.result(PATIENCE)

    @pytest.mark.parametrize("kit", ["file", "redis"], indirect=True)
    def test_another_process_finds_what_this_one_saved(
        self, kit: MemoryKit, place: StoreSlot
    ) -> None:
        save(place, "früh")
        place.fail(failure_of(place.look()))
        lease = place.lease(60)
        code = f"""{kit.source}
place = store._place({IDENTITY!r})
head = place.look()
print(*(ascii(chat.title) for chat in place.load(head.stamp).chats.values()))
print(head.failure.error["status"], place.lease(60), place.renew())
"""
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        generation = place.look().generation

        assert lease is not None
        assert done.stdout.split() == ["'fr\\xfch'", "503", "None", generation]

"""Kept: what came by another way, and what is to be asked for anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync._cache.expiring_cache import ExpiringCache
from teamwire_sync._cache.single_flight import Flight
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from tests.support.builders import Clock


class Source:
    """Gives a new object for each question, and nothing for "ghost"."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []
        self.before_answer: Callable[[], object] = lambda: None

    def load(self, key: str, deadline: float | None) -> list[str] | None:
        self.asked.append((key, deadline))
        number = len(self.asked)
        self.before_answer()
        return None if key == "ghost" else [f"answer {number}"]


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def kept(source: Source, clock: Clock) -> ExpiringCache[list[str]]:
    return ExpiringCache(source.load, clock=clock, ttl=300, ttl_of_none=5)


class TestPut:
    def test_what_was_put_is_not_asked_for(
        self, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        one, other = ["one"], ["other"]
        kept.put([("a", one), ("b", other)], 1000.0)

        assert kept.get("a", None) is one
        assert kept.get("b", None) is other
        assert source.asked == []

    def test_its_time_counts_from_when_it_was_asked_for(
        self, kept: ExpiringCache[list[str]], source: Source, clock: Clock
    ) -> None:
        counts = []
        kept.put([("a", ["put"])], clock() - 100)
        for step in (199.999, 0.001):
            clock.advance(step)
            kept.get("a", None)
            counts.append(len(source.asked))

        assert counts == [0, 1]

    def test_what_came_too_late_is_not_kept(
        self, kept: ExpiringCache[list[str]], source: Source, clock: Clock
    ) -> None:
        kept.put([("a", ["put"])], clock() - 300)

        assert kept.get("a", None) == ["answer 1"]

    def test_it_takes_the_place_of_what_was_kept(
        self, kept: ExpiringCache[list[str]], clock: Clock
    ) -> None:
        for key in ("a", "ghost"):
            kept.get(key, None)
        kept.put([("a", ["put"]), ("ghost", ["found"])], clock())

        assert (kept.get("a", None), kept.get("ghost", None)) == (["put"], ["found"])

    def test_nothing_is_kept_where_nothing_is_to_be(self, source: Source, clock: Clock) -> None:
        kept = ExpiringCache(source.load, clock=clock, ttl=0, ttl_of_none=5)
        kept.put([("a", ["put"])], clock())

        assert kept.get("a", None) == ["answer 1"]

    def test_no_more_than_4096_are_kept(
        self, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        kept.put(((str(number), ["put"]) for number in range(5000)), 1000.0)
        kept.get("4999", None)
        assert source.asked == []

        kept.get("0", None)
        assert source.asked == [("0", None)]


class TestForget:
    @pytest.mark.parametrize("key", ["a", "ghost"])
    def test_it_is_asked_for_anew(
        self, key: str, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        kept.get(key, None)
        kept.discard(key)
        kept.get(key, None)

        assert source.asked == [(key, None)] * 2

    def test_the_others_stay(self, kept: ExpiringCache[list[str]], source: Source) -> None:
        kept.get("a", None)
        kept.discard("b")
        kept.get("a", None)

        assert len(source.asked) == 1

    def test_a_question_under_way_answers_who_asked_it_and_nobody_after(
        self, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        gate = Gate()
        source.before_answer = gate
        with Threads() as threads:
            asking = threads.start(lambda: kept.get("a", None))
            gate.wait_arrived()
            kept.discard("a")
            gate.open()

            assert asking.result(PATIENCE) == ["answer 1"]
        assert kept.get("a", None) == ["answer 2"]

    def test_it_does_not_take_the_place_of_a_newer_answer(
        self, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        gate = Gate()
        source.before_answer = gate
        with Threads() as threads:
            asking = threads.start(lambda: kept.get("a", None))
            gate.wait_arrived()
            kept.discard("a")
            source.before_answer = lambda: None
            assert kept.get("a", None) == ["answer 2"]
            gate.open()
            asking.result(PATIENCE)

        assert kept.get("a", None) == ["answer 2"]

    def test_one_who_waited_for_it_asks_anew(
        self, kept: ExpiringCache[list[str]], source: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, waiting = Gate(), Gate()
        waiting.open()
        real = Flight.wait

        def wait(flight: Flight[object], deadline: float | None) -> object:
            waiting()
            return real(flight, deadline)

        monkeypatch.setattr(Flight, "wait", wait)
        source.before_answer = gate
        with Threads() as threads:
            first = threads.start(lambda: kept.get("a", None))
            gate.wait_arrived()
            second = threads.start(lambda: kept.get("a", None))
            waiting.wait_arrived()
            kept.discard("a")
            gate.wait_arrived()
            gate.open()

            assert first.result(PATIENCE) == ["answer 1"]
            assert second.result(PATIENCE) == ["answer 2"]


def test_after_a_fork_it_starts_empty(kept: ExpiringCache[list[str]], source: Source) -> None:
    kept.put([("a", ["put"])], 1000.0)
    kept.after_fork()

    assert kept.get("a", None) == ["answer 1"]


class TestOtherThan:
    def test_what_is_kept_is_not_good_enough(
        self, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        old = kept.get("a", None)
        new = kept.get("a", None, old)

        assert new is not old
        assert kept.get("a", None) is new
        assert len(source.asked) == 2

    def test_what_is_newer_is(self, kept: ExpiringCache[list[str]], source: Source) -> None:
        """Of many who find the same wanting, the first has it asked for anew, for all of them."""
        old = kept.get("a", None)
        new = kept.get("a", None, old)

        assert kept.get("a", None, old) is new
        assert len(source.asked) == 2

    def test_it_stays_for_others_meanwhile(
        self, kept: ExpiringCache[list[str]], source: Source
    ) -> None:
        old = kept.get("a", None)
        source.before_answer = gate = Gate()
        with Threads() as threads:
            asking = threads.start(lambda: kept.get("a", PATIENCE, old))
            gate.wait_arrived()

            assert kept.get("a", None) is old
            gate.open()
            assert asking.result(PATIENCE) is not old


class TestSignals:
    def test_an_exception_in_a_change_drops_the_entries_and_the_cache_works(self) -> None:
        """The exception may come when cachetools has changed half of its data."""
        asked: list[str] = []
        cache = ExpiringCache(
            lambda key, _: asked.append(key), clock=lambda: 0.0, ttl=300, ttl_of_none=300
        )
        cache.get("a", None)

        def interrupted(items: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            cache._change(interrupted)
        for _ in range(2):
            cache.get("a", None)

        assert asked == ["a", "a"]

    def test_what_a_handler_drops_in_a_change_is_dropped(self) -> None:
        asked: list[str] = []
        cache = ExpiringCache(
            lambda key, _: asked.append(key), clock=lambda: 0.0, ttl=300, ttl_of_none=300
        )
        cache.get("a", None)
        cache._change(lambda items: cache.discard("a"))
        cache.get("a", None)

        assert asked == ["a", "a"]

    def test_an_entry_expires_though_an_exception_has_stopped_the_clock_of_cachetools(self) -> None:
        now, asked = [0.0], []
        cache = ExpiringCache(
            lambda key, _: asked.append(key), clock=lambda: now[0], ttl=300, ttl_of_none=300
        )
        cache._items.timer.__enter__()
        cache._change(lambda items: items.timer.__enter__())
        cache.get("a", None)
        now[0] = 301
        cache.get("a", None)

        assert asked == ["a", "a"]

    def test_a_handler_within_its_lock_does_not_wait_for_another_thread(self) -> None:
        gate = Gate()
        cache: ExpiringCache[object] = ExpiringCache(
            lambda key, _: gate(), clock=lambda: 0.0, ttl=300, ttl_of_none=300
        )
        with Threads(1) as threads:
            threads.start(lambda: cache.get("a", None))
            gate.wait_arrived()
            with cache._lock, pytest.raises(RuntimeError, match="would wait for itself"):
                cache.get("a", None)
            gate.open()

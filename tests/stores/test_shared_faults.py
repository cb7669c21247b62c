"""What comes between: writes, 401, Ctrl-C, forks and look-ups inside of look-ups, with a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from teamwire_sync import TWClosedError, TWTimeoutError
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, create
from tests.support.store_listings import take_lease
from tests.support.store_sharers import Sharers
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.builders import Clock


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture
def sharers(clock: Clock) -> Sharers:
    return Sharers(clock)


@pytest.fixture
def another_leads(sharers: Sharers) -> Iterator[Any]:
    """The lease of another process, that lists the chats."""
    lease = take_lease(sharers.slot(), 1000)
    yield lease
    lease.release()


class TestWaitingForAnotherProcess:
    @pytest.mark.usefixtures("another_leads")
    def test_a_call_ends_at_its_deadline(self, sharers: Sharers) -> None:
        with pytest.raises(TWTimeoutError, match="another process"):
            by_tid(sharers.cache(), "t1", 0.05)

    @pytest.mark.usefixtures("another_leads")
    def test_close_ends_it(self, sharers: Sharers) -> None:
        sleeps = Gate()
        cache = sharers.cache(sleep=sleeps)
        with Threads() as threads:
            found = threads.start(lambda: by_tid(cache, "t1"))
            sleeps.wait_arrived()
            cache.close()
            sleeps.open()

        assert isinstance(found.exception(), TWClosedError)

    @pytest.mark.usefixtures("another_leads")
    def test_an_own_write_ends_it_as_well(self, sharers: Sharers) -> None:
        """Who waited goes on for what counts now."""
        sleeps = Gate()
        cache = sharers.cache(sleep=sleeps)
        with Threads() as threads:
            found = threads.start(lambda: by_tid(cache, "t3", PATIENCE))
            sleeps.wait_arrived()
            create(cache, sharers.server.put(make_chat("t3", "three")))
            slot = sharers.slot()
            sharers.cache(_FreeForAll(slot)).all(None)
            sleeps.open()

        assert found.result() is not None

    def test_who_is_interrupted_leaves_nobody_waiting(
        self, sharers: Sharers, another_leads: Any
    ) -> None:
        steps = iter([interrupt, another_leads.release])
        cache = sharers.cache(sleep=lambda _: next(steps)())
        with pytest.raises(KeyboardInterrupt):
            by_tid(cache, "t1")

        assert by_tid(cache, "t1", PATIENCE) is not None
        assert cache.info().joined == 0

    def test_who_waits_takes_over_when_the_leader_gives_up(
        self, sharers: Sharers, another_leads: Any
    ) -> None:
        cache = sharers.cache(sleep=lambda _: another_leads.release())

        assert by_tid(cache, "t1") is not None
        assert len(sharers.server.asked) == 1

    @pytest.mark.usefixtures("another_leads")
    def test_who_has_waited_as_long_as_a_listing_may_take_lists(self, sharers: Sharers) -> None:
        cache = sharers.cache(patience=5, sleep=sharers.clock.advance)
        before = sharers.clock()

        assert by_tid(cache, "t1") is not None
        assert sharers.clock() - before == pytest.approx(5, abs=0.2)

    @pytest.mark.usefixtures("another_leads")
    def test_pauses_grow_to_a_tenth_of_a_second(self, sharers: Sharers) -> None:
        slept = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 9:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            by_tid(sharers.cache(sleep=sleep), "t1")

        assert slept[0] == 0.01
        assert slept == sorted(slept)
        assert slept[-1] == 0.1


class _FreeForAll:
    """A place that everybody may ask the server for."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __getattr__(self, name: str) -> Any:
        return getattr(self._slot, name)

    def lease(self, seconds: float) -> Any:
        class Free:
            def extend(self) -> bool:
                return True

            def release(self) -> None:
                pass

        return Free()


class TestALeaderThatIsInterrupted:
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("of a callback")])
    def test_the_lease_is_free_when_the_listing_is_cut_off(
        self, sharers: Sharers, error: BaseException
    ) -> None:
        sharers.server.error = error
        with pytest.raises(type(error)):
            by_tid(sharers.cache(), "t1")

        assert take_lease(sharers.slot(), 10) is not None

    @pytest.mark.parametrize("method", ["load", "save"])
    def test_the_lease_is_free_when_it_uses_the_place(self, sharers: Sharers, method: str) -> None:
        sharers.cache().all(None)
        sharers.clock.advance(300)
        sharers.server.put(make_chat("t3", "three"))
        slot = sharers.slot()
        slot.before[method] = interrupt
        with pytest.raises(KeyboardInterrupt):
            sharers.cache(slot).all(None)

        assert take_lease(sharers.slot(), 10) is not None

    def test_nobody_waits_for_what_is_being_stored(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        cache = sharers.cache(slot)
        slot.before["save"] = saving = Gate()
        with Threads() as threads:
            leader = threads.start(lambda: cache.all(None))
            saving.wait_arrived()
            assert by_tid(cache, "t1", PATIENCE) is not None
            saving.open()
            leader.result()

    def test_what_could_not_be_stored_is_shown_all_the_same(self, sharers: Sharers) -> None:
        slot = sharers.slot()
        slot.before["save"] = interrupt
        cache = sharers.cache(slot)
        with pytest.raises(KeyboardInterrupt):
            cache.all(None)

        assert by_tid(cache, "t1") is not None
        assert len(sharers.server.asked) == 1

    def test_who_is_interrupted_as_it_looks_leaves_the_next_look_to_others(
        self, sharers: Sharers
    ) -> None:
        slot = sharers.slot()
        cache, writer = sharers.cache(slot), sharers.cache()
        cache.all(None)
        sharers.clock.advance(1)
        slot.before["status"] = interrupt
        with pytest.raises(KeyboardInterrupt):
            cache.all(None)
        del slot.before["status"]
        create(writer, sharers.server.put(make_chat("t3", "three")))
        sharers.clock.advance(1)

        assert "t3" in {chat.tid for chat in cache.all(None)}


class TestLookUpsInside:
    def progress(self, cache: Any, *before: Any) -> Any:
        def look_up(*_: object) -> None:
            for each in before:
                each()
            by_title(cache, "one")

        return look_up

    def test_of_the_same_cache_is_an_error_at_once(self, sharers: Sharers) -> None:
        cache = sharers.cache()
        with pytest.raises(RuntimeError, match="runs inside another look-up"):
            cache.all(None, progress=self.progress(cache))

    @pytest.mark.parametrize("case", ["of another cache", "after a write"])
    def test_none_waits_for_its_own_lease(self, sharers: Sharers, case: str) -> None:
        def wait(_: float) -> NoReturn:
            pytest.fail("waits for itself")

        cache = sharers.cache(sleep=wait)
        inner, before = (sharers.cache(sleep=wait), ()) if case == "of another cache" else (
            cache, (cache.invalidate,)
        )  # fmt: skip
        try:
            cache.all(None, progress=self.progress(inner, *before))
        except RuntimeError:
            return


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
class TestFork:
    def test_a_child_does_not_wait_for_a_thread_of_its_parent(self, sharers: Sharers) -> None:
        cache = sharers.cache()
        sharers.server.on_load = gate = Gate()
        with Threads() as threads:
            listing = threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    sharers.server.on_load = lambda _: None
                    code = 0 if by_tid(cache, "t1", 1) else 2
                finally:
                    os._exit(code)
            gate.open()
            listing.result()
        _, status = os.waitpid(child, 0)

        assert status == 0


class TestClocks:
    def test_an_own_listing_gets_no_younger_when_the_store_s_clock_is_set_back(
        self, sharers: Sharers
    ) -> None:
        cache = sharers.cache()
        cache.all(None)
        sharers.clock.advance(300)
        sharers.ahead = -200
        cache.all(None)

        assert len(sharers.server.asked) == 2

    @pytest.mark.parametrize("seconds", [-100, 300])
    def test_a_listing_whose_age_makes_no_sense_is_not_used(
        self, sharers: Sharers, seconds: float
    ) -> None:
        sharers.cache().all(None)
        sharers.ahead = seconds
        sharers.cache().all(None)

        assert len(sharers.server.asked) == 2

    def test_a_look_up_that_looks_each_time_is_a_hit_too(self, sharers: Sharers) -> None:
        cache = sharers.cache(interval=0)
        for _ in range(3):
            by_tid(cache, "t1")

        assert cache.info().hits == 2

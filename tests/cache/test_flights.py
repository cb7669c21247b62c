"""Many threads, one request; failures, and the end."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    TWClosedError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.waiting import is_held_here
from tests.support.builders import Clock, make_chat
from tests.support.chat_server import by_tid, create
from tests.support.interrupts import interrupt_at
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    from types import FrameType

    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest
    from tests.support.chat_server import ChatServer


class TestSingleFlight:
    def test_all_who_need_a_refresh_make_one(self, cache: ChatCache, server: ChatServer) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            found = [threads.start(lambda: by_tid(cache, "t1")) for _ in range(64)]
            wait_until(lambda: cache.info().joined == 63)
            gate.open()

        assert len({id(each.result()) for each in found}) == 1
        assert len(server.asked) == 1

    def test_a_refresh_that_came_while_a_look_up_read_the_clock_is_not_made_again(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        def meanwhile() -> float:
            # The first time, the look-up finds nothing fresh. The second time, it is about to ask.
            if next(reads):
                cache.state.clock = clock
                cache.all(None)
            return clock()

        reads = count()
        cache.state.clock = meanwhile
        cache.all(None)

        assert len(server.asked) == 1

    def test_they_fail_together_each_with_an_error_of_its_own(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = gate = Gate()
        server.error = TWServerError("down", status=503)
        with Threads() as threads:
            found = [threads.start(lambda: by_tid(cache, "t1")) for _ in range(64)]
            wait_until(lambda: cache.info().joined == 63)
            gate.open()

        errors = [each.exception() for each in found]
        assert {(type(error), str(error)) for error in errors} == {(TWServerError, "down")}
        assert len({id(error) for error in errors}) == 64
        assert len(server.asked) == 1

    def test_who_leads_and_is_interrupted_leaves_the_work_to_a_waiter(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = gate = Gate()
        server.error = KeyboardInterrupt()
        with Threads() as threads:
            leader = threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            waiter = threads.start(lambda: by_tid(cache, "t1"))
            wait_until(lambda: cache.info().joined == 1)
            server.error = None
            gate.open()

        assert isinstance(leader.exception(), KeyboardInterrupt)
        assert waiter.result() is not None

    def test_who_leads_in_haste_fails_alone(
        self, cache: ChatCache, server: ChatServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate, now = Gate(), Clock()
        monkeypatch.setattr(time, "monotonic", now)

        def late(load: ListingRequest) -> None:
            gate()
            if load.deadline is not None:
                now.advance(10)

        server.on_load = late
        server.error = TWTimeoutError("no time left")
        with Threads() as threads:
            hasty = threads.start(lambda: by_tid(cache, "t1", timeout=10))
            gate.wait_arrived()
            patient = threads.start(lambda: by_tid(cache, "t1"))
            wait_until(lambda: cache.info().joined == 1)
            server.error = None
            gate.open()

        assert isinstance(hasty.exception(), TWTimeoutError)
        assert patient.result() is not None

    def test_a_waiter_gives_up_at_its_own_timeout(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()

            with pytest.raises(TWTimeoutError, match="timeout of this call"):
                by_tid(cache, "t1", timeout=0.01)

            gate.open()

    def test_a_look_up_within_its_own_load_is_a_runtime_error(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = lambda load: by_tid(cache, "t1")

        with pytest.raises(RuntimeError, match="progress callback"):
            by_tid(cache, "t1")

    def test_writes_and_new_look_ups_keep_no_waiter_waiting(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        loads = count()
        arrived, end = Gate(), Gate()
        arrived.open()

        def outdate(_: ListingRequest) -> None:
            number = next(loads)
            arrived()
            if number == 3:
                end()
                return
            # All outdated look-ups, and the waiter, wait for this load.
            wait_until(lambda: cache.info().joined == (number + 1) * (number + 2) // 2)
            create(cache, make_chat(f"t{number + 3}"))
            look_up(number + 1)

        def look_up(number: int) -> None:
            threads.start(lambda: cache.all(None))
            # The new look-up leads the next load, before the waiting look-ups start again.
            wait_until(lambda: len(server.asked) == number + 1)

        server.pages, server.on_load = 2, outdate
        with Threads() as threads:
            try:
                threads.start(lambda: cache.all(None))
                arrived.wait_arrived()
                waiter = threads.start(lambda: cache.all(None))
                assert waiter.result(PATIENCE)
            finally:
                end.open()

    def test_what_a_progress_callback_raises_reaches_its_caller_alone(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        def progress(*numbers: object) -> None:
            raise LookupError(*numbers)

        with pytest.raises(LookupError):
            cache.all(None, progress=progress)

        assert by_tid(cache, "t1") is not None


class TestInterrupts:
    def test_ctrl_c_at_any_call_of_who_leads_leaves_nobody_waiting(
        self, make_cache: Callable[..., ChatCache]
    ) -> None:
        files = ("_cache/state.py", "_cache/single_flight.py")
        for number in itertools.count(1):
            cache = make_cache()
            # The tracing is that of the thread.
            with Threads(1) as threads:
                look_up = partial(by_tid, cache, "t1")
                work = threads.start(partial(interrupt_at, number, files, look_up))
            assert by_tid(cache, "t1", timeout=PATIENCE) is not None, f"after call {number}"
            if not work.result():
                break

        assert number > 12

    def test_a_clock_that_fails_leaves_nobody_waiting(self, cache: ChatCache, clock: Clock) -> None:
        calls = itertools.count()

        def fail_at_the_third_call() -> float:
            return 1 / 0 if next(calls) == 2 else clock()

        cache.state.clock = fail_at_the_third_call
        with pytest.raises(ZeroDivisionError):
            by_tid(cache, "t1")

        assert by_tid(cache, "t1") is not None


class TestForcedRefresh:
    def test_it_does_not_take_what_was_asked_for_before_it(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            early = threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            new = server.put(make_chat("t3"))
            forced = [threads.start(lambda: cache.all(None, refresh=True)) for _ in range(8)]
            wait_until(lambda: cache.info().joined == 8)
            gate.open()

        assert new not in early.result()
        assert all(new in each.result() for each in forced)
        assert 2 <= len(server.asked) <= 3

    @pytest.fixture
    def forced(self, server: ChatServer) -> list[bool]:
        """Whether each listing is one that no cache in between may answer."""
        forced: list[bool] = []
        server.on_load = lambda request: forced.append(request.is_forced)
        return forced

    def test_no_cache_in_between_may_answer_it(
        self, cache: ChatCache, forced: list[bool], clock: Clock
    ) -> None:
        for refresh in (False, True, False):
            cache.all(None, refresh=refresh)
            clock.advance(300)

        assert forced == [False, True, False]

    def test_no_cache_in_between_may_answer_a_flight_that_it_joins(
        self, cache: ChatCache, server: ChatServer, forced: list[bool]
    ) -> None:
        """Another thread may begin the flight just before it, after the call has begun."""
        cache.state.require_newer()
        cache.all(None)

        assert forced == [True]

    def test_no_cache_in_between_may_answer_another_try(
        self, cache: ChatCache, server: ChatServer, forced: list[bool], clock: Clock
    ) -> None:
        server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            cache.all(None, refresh=True)
        server.error = None
        for _ in range(2):
            clock.advance(300)
            cache.all(None)

        assert forced == [True, True, False]

    def test_no_cache_in_between_may_answer_one_that_began_during_another(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        forced: list[bool] = []

        def on_load(request: ListingRequest) -> None:
            forced.append(request.is_forced)
            if len(forced) == 1:
                cache.state.require_newer()

        server.on_load = on_load
        cache.all(None, refresh=True)
        clock.advance(300)
        cache.all(None)

        assert forced == [True, True]


class TestHaste:
    @pytest.fixture
    def cache(
        self, cache: ChatCache, server: ChatServer, monkeypatch: pytest.MonkeyPatch
    ) -> ChatCache:
        """A server that takes all the time of any caller who sets a time-out."""
        now = Clock()
        monkeypatch.setattr(time, "monotonic", now)
        server.error = TWTimeoutError("no answer")
        server.on_load = lambda _: now.advance(10)
        return cache

    def hurry(self, cache: ChatCache) -> None:
        with pytest.raises(TWTimeoutError):
            by_tid(cache, "t1", timeout=10)

    def test_others_in_as_much_haste_do_not_ask_again_at_once(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        for _ in range(10):
            self.hurry(cache)

        assert len(server.asked) == 1
        assert cache.info().failures == 1

    def test_who_has_more_time_asks(self, cache: ChatCache, server: ChatServer) -> None:
        self.hurry(cache)
        server.error = None

        assert by_tid(cache, "t1") is not None

    def test_after_the_cool_down_they_ask_again(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        self.hurry(cache)
        clock.advance(1)
        self.hurry(cache)

        assert len(server.asked) == 2


class TestCoolDown:
    @pytest.mark.parametrize(
        ("error", "seconds"),
        [
            (TWServerError("down"), 1),
            (TWRateLimitError("slower", retry_after=7), 7),
            (TWRateLimitError("slower", retry_after=0.1), 1),
            (TWRateLimitError("slower", retry_after=1e9), 3600),
        ],
        ids=["one second", "longer when the server asks", "not shorter", "an hour at most"],
    )
    def test_no_request_follows_a_failure_until_it_is_over(
        self, cache: ChatCache, server: ChatServer, clock: Clock, error: Exception, seconds: float
    ) -> None:
        server.error = error
        for _ in range(10):
            with pytest.raises(type(error)):
                by_tid(cache, "t1")
        clock.advance(seconds - 0.01)
        with pytest.raises(type(error)):
            by_tid(cache, "t1")
        assert len(server.asked) == 1

        clock.advance(0.01)
        server.error = None

        assert by_tid(cache, "t1") is not None

    def test_each_look_up_in_it_raises_an_error_of_its_own(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.error = TWServerError("down", status=503)
        errors = []
        for _ in range(5):
            with pytest.raises(TWServerError) as caught:
                by_tid(cache, "t1")
            errors.append(caught.value)

        assert len({id(error) for error in errors}) == 5
        assert all(vars(error) == vars(errors[0]) for error in errors)

    @pytest.mark.parametrize(
        "end",
        [
            lambda cache: cache.invalidate(),
            lambda cache: cache.all(None, refresh=True),
            lambda cache: create(cache, make_chat("t9")),
        ],
        ids=["invalidate", "refresh", "a write"],
    )
    def test_it_is_ended_by_whoever_knows_better(
        self, cache: ChatCache, server: ChatServer, end: Callable[[ChatCache], object]
    ) -> None:
        server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            by_tid(cache, "t1")
        server.error = None

        end(cache)

        assert by_tid(cache, "t1") is not None

    def test_a_hit_does_not_notice_it(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        by_tid(cache, "t1")
        clock.advance(6)
        server.error = TWServerError("down")
        by_tid(cache, "ghost")

        assert by_tid(cache, "t1") is not None
        assert (cache.info().hits, cache.info().stale_serves) == (1, 0)


class TestLock:
    def test_who_looks_up_while_a_load_is_held_gives_up_in_time(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        cache.all(None)
        server.on_load = gate = Gate()
        with Threads() as threads:
            threads.start(lambda: cache.all(None, refresh=True))
            gate.wait_arrived()
            threads.start(lambda: by_tid(cache, "t1")).result(PATIENCE / 2)
            forced = threads.start(lambda: cache.all(deadline_of(0.01), refresh=True))

            assert isinstance(forced.exception(PATIENCE / 2), TWTimeoutError)

            gate.open()

    def test_look_ups_call_no_python_under_it(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        """A signal's handler may come in any Python function, and close the Connection there."""
        state, called = cache.state, []
        by_tid(cache, "ghost")

        def note(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and is_held_here(state._lock):
                called.append(frame.f_code.co_name)

        def watched(call: Callable[[], object]) -> None:
            sys.setprofile(note)
            try:
                call()
            except TWServerError:
                pass
            finally:
                sys.setprofile(None)

        watched(lambda: by_tid(cache, "ghost"))
        watched(cache.info)
        clock.advance(400)
        server.error = TWServerError("down")
        with pytest.raises(TWServerError):
            by_tid(cache, "t1")
        watched(lambda: by_tid(cache, "t1"))

        assert called == []
        assert len(server.asked) == 2

    def test_it_is_free_while_others_have_the_word(
        self, cache: ChatCache, server: ChatServer, clock: Clock
    ) -> None:
        """The clock, the server, a progress callback and a logging handler may take any time."""
        held = {}

        def note(name: str) -> None:
            held[name] = held.get(name, False) or is_held_here(cache.state._lock)

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                note("logging")

        def read_clock() -> float:
            note("clock")
            return clock()

        cache.state.clock = read_clock
        server.on_load = lambda load: note("load")
        logger = logging.getLogger("teamwire_sync")
        handler = Handler()
        logger.addHandler(handler)
        try:
            cache.all(None, progress=lambda *_: note("progress"))
            clock.advance(6)
            server.error = TWServerError("down")
            by_tid(cache, "ghost")
        finally:
            logger.removeHandler(handler)
        create(cache, make_chat("t3"))
        cache.info()

        assert held == dict.fromkeys(["clock", "load", "progress", "logging"], False)

    def test_a_handler_within_it_does_not_wait_for_another_thread(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = gate = Gate()
        with Threads(1) as threads:
            threads.start(lambda: cache.all(None))
            gate.wait_arrived()
            with cache.state._lock, pytest.raises(RuntimeError, match="would wait for itself"):
                cache.all(None)
            gate.open()

    def test_a_handler_within_it_may_use_the_cache(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        with cache.state._lock:
            cache.all(None, refresh=True)
            create(cache, make_chat("t3"))
            cache.info()
            cache.invalidate()
            cache.close()


class TestClose:
    def test_look_ups_raise_afterwards(self, cache: ChatCache) -> None:
        cache.all(None)
        cache.close()

        with pytest.raises(TWClosedError):
            by_tid(cache, "t1")

    def test_it_wakes_those_who_wait(self, cache: ChatCache, server: ChatServer) -> None:
        server.on_load = gate = Gate()
        with Threads() as threads:
            threads.start(lambda: by_tid(cache, "t1"))
            gate.wait_arrived()
            waiter = threads.start(lambda: by_tid(cache, "t1"))
            wait_until(lambda: cache.info().joined == 1)

            cache.close()

            assert isinstance(waiter.exception(timeout=PATIENCE / 2), TWClosedError)
            gate.open()

    def test_a_load_that_ends_after_it_leaves_nothing_behind(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.on_load = lambda load: cache.close()
        with pytest.raises(TWClosedError):
            cache.all(None)

        assert cache.state.view.chats == ()

    def test_a_load_that_it_interrupts_is_no_failure(
        self, cache: ChatCache, server: ChatServer
    ) -> None:
        server.error = TWClosedError("closed")

        with pytest.raises(TWClosedError):
            by_tid(cache, "t1")

        assert cache.info().failures == 0

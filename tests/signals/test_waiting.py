"""Gates and limits, also after an exception at any moment."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._internal import waiting
from teamwire_sync._internal.waiting import (
    Gate,
    Limit,
    Ticket,
    is_held_here,
    is_inside,
    new_lock,
    run_in_thread,
    start,
)
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# No thread waits for this time: the watchdog ends the test before.
FOR_EVER = 10 * PATIENCE


@pytest.fixture
def threads() -> Iterator[Threads]:
    with Threads(8) as started:
        yield started


def of_other_thread() -> Ticket:
    ticket = Ticket()
    ticket.thread = -id(ticket)
    return ticket


class TestGate:
    def test_lets_all_waiting_threads_pass_when_it_opens(self, threads: Threads) -> None:
        gate = Gate()
        waits = [threads.start(lambda: gate.wait(None)) for _ in range(4)]
        gate.open()

        assert [wait.result(PATIENCE) for wait in waits] == [True] * 4

    def test_stays_open(self) -> None:
        gate = Gate()
        gate.open()
        gate.open()

        assert [gate.wait(None), gate.wait(0)] == [True, True]

    @pytest.mark.parametrize("seconds", [-1, 0, 0.01])
    def test_keeps_no_thread_longer_than_the_timeout(self, seconds: float) -> None:
        assert not Gate().wait(seconds)

    def test_takes_a_timeout_of_any_length(self, threads: Threads) -> None:
        gate = Gate()
        wait = threads.start(lambda: gate.wait(10 * threading.TIMEOUT_MAX))
        gate.open()

        assert wait.result(PATIENCE)

    def test_lets_threads_pass_though_an_exception_came_before_the_first_was_woken(
        self, threads: Threads
    ) -> None:
        gate = Gate()
        wait = threads.start(lambda: gate.wait(None))
        gate.is_open = True

        assert wait.result(PATIENCE)

    def test_lets_threads_pass_though_an_exception_ended_the_thread_that_was_woken(
        self, threads: Threads
    ) -> None:
        """This thread has taken the lock, and does not wake the next thread."""
        gate = Gate()
        wait = threads.start(lambda: gate.wait(None))
        gate.is_open = True
        gate._lock.release()
        gate._lock.acquire(blocking=False)

        assert wait.result(PATIENCE)


class TestLimit:
    def test_lets_no_more_through_than_its_size(self) -> None:
        limit, tickets = Limit(2), [Ticket() for _ in range(3)]

        assert [limit.acquire(ticket, 0) for ticket in tickets] == [True, True, False]

    def test_has_all_places_again_when_all_are_released(self) -> None:
        limit = Limit(2)
        for _ in range(10):
            ticket = Ticket()
            assert limit.acquire(ticket, 0)
            limit.release(ticket)
        tickets = [Ticket() for _ in range(3)]

        assert [limit.acquire(ticket, 0) for ticket in tickets] == [True, True, False]

    def test_releases_a_place_once_only(self) -> None:
        limit, tickets = Limit(1), [Ticket() for _ in range(3)]
        assert limit.acquire(tickets[0], 0)
        limit.release(tickets[0])
        limit.release(tickets[0])

        assert [limit.acquire(ticket, 0) for ticket in tickets[1:]] == [True, False]

    def test_a_call_whose_wait_timed_out_takes_no_place(self) -> None:
        limit, tickets = Limit(1), [Ticket() for _ in range(3)]
        assert limit.acquire(tickets[0], 0)
        assert not limit.acquire(tickets[1], 0)
        limit.release(tickets[1])
        limit.release(tickets[0])

        assert limit.acquire(tickets[2], 0)

    def test_the_next_one_goes_on_when_a_place_is_released(self, threads: Threads) -> None:
        limit = Limit(1)
        first = of_other_thread()
        assert limit.acquire(first, 0)
        ticket = Ticket()
        waits = threads.start(lambda: limit.acquire(ticket, FOR_EVER))
        wait_until(lambda: ticket.gate is not None)
        limit.release(first)

        assert waits.result(PATIENCE)

    def test_waiting_calls_go_on_in_the_order_of_their_start(self, threads: Threads) -> None:
        limit, holder = Limit(1), of_other_thread()
        assert limit.acquire(holder, 0)
        tickets = [of_other_thread() for _ in range(3)]
        waits = []
        for number, ticket in enumerate(tickets):
            waits.append(threads.start(limit.acquire, ticket, FOR_EVER))
            wait_until(lambda number=number: len(limit._queue) == number + 2)
        for ticket, wait in zip([holder, *tickets], waits):
            limit.release(ticket)
            assert wait.result(PATIENCE)

    def test_a_place_is_free_when_its_ticket_is_gone(self) -> None:
        """An exception came before the release, and the frame that had the ticket is gone."""
        limit, ticket = Limit(1), Ticket()
        assert limit.acquire(ticket, 0)
        gone = weakref.ref(ticket)
        del ticket
        gc.collect()

        assert gone() is None
        assert limit.acquire(Ticket(), 0)

    def test_a_waiting_call_notices_that_a_ticket_is_gone(self, threads: Threads) -> None:
        limit, tickets = Limit(1), [of_other_thread()]
        assert limit.acquire(tickets[0], 0)
        ticket = Ticket()
        waits = threads.start(lambda: limit.acquire(ticket, FOR_EVER))
        wait_until(lambda: ticket.gate is not None)
        tickets.clear()

        assert waits.result(PATIENCE)

    def test_a_call_inside_a_call_of_the_same_thread_does_not_wait_for_it(self) -> None:
        limit, tickets = Limit(1), [Ticket(), Ticket()]
        assert limit.acquire(tickets[0], 0)

        with pytest.raises(RuntimeError, match="would wait for itself"):
            limit.acquire(tickets[1], FOR_EVER)

    def test_a_call_within_a_lock_does_not_wait_for_threads_that_may_need_it(self) -> None:
        limit, other = Limit(1), of_other_thread()
        assert limit.acquire(other, 0)

        with new_lock(), pytest.raises(RuntimeError, match="would wait for itself"):
            limit.acquire(Ticket(), FOR_EVER)

    def test_a_call_inside_another_waits_for_other_threads(self, threads: Threads) -> None:
        limit, own, inside = Limit(2), Ticket(), Ticket()
        other = of_other_thread()
        assert limit.acquire(own, 0)
        assert limit.acquire(other, 0)
        waits = threads.start(lambda: limit.acquire(inside, FOR_EVER))
        wait_until(lambda: inside.gate is not None)
        limit.release(other)

        assert waits.result(PATIENCE)

    def test_close_wakes_all_waiting_and_pausing_threads(self, threads: Threads) -> None:
        limit, first = Limit(1), of_other_thread()
        assert limit.acquire(first, 0)
        waits = [
            threads.start(lambda: limit.acquire(of_other_thread(), FOR_EVER)) for _ in range(3)
        ]
        pause = threads.start(lambda: limit.pause(FOR_EVER))
        wait_until(lambda: len(limit._queue) == 4)
        limit.close()

        assert [wait.result(PATIENCE) for wait in waits] == [True] * 3
        assert pause.result(PATIENCE) is None

    def test_no_thread_waits_or_pauses_after_close(self) -> None:
        limit = Limit(1)
        limit.close()
        limit.pause(FOR_EVER)

        assert [limit.acquire(Ticket(), FOR_EVER) for _ in range(3)] == [True] * 3

    def test_a_waiting_call_gets_the_place_though_another_pauses(self, threads: Threads) -> None:
        """A pausing thread must not take the wake-up of a waiting thread."""
        limit, first = Limit(1), of_other_thread()
        assert limit.acquire(first, 0)
        threads.start(lambda: limit.pause(FOR_EVER))
        ticket = Ticket()
        waits = threads.start(lambda: limit.acquire(ticket, FOR_EVER))
        wait_until(lambda: ticket.gate is not None)
        limit.release(first)
        try:
            assert waits.result(PATIENCE)
        finally:
            limit.close()


class TestLocks:
    @pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 itself leaves locks taken")
    def test_no_exception_of_a_signal_handler_leaves_one_taken(self) -> None:
        """Python 3.14 runs a handler between an `__enter__` in C and the block."""

        def stop(*_: object) -> None:
            raise InterruptedError

        def take(lock: Any) -> None:
            signal.setitimer(signal.ITIMER_REAL, 0.0001)
            while True:
                with lock:
                    pass

        before = signal.signal(signal.SIGALRM, stop)
        lock, taken = new_lock(), 0
        for _ in range(300):
            with pytest.raises(InterruptedError):
                take(lock)
            taken += is_held_here(lock)
        signal.signal(signal.SIGALRM, before)

        assert taken == 0

    def test_a_lock_is_held_here_within_its_block_only(self, threads: Threads) -> None:
        lock = new_lock()
        with lock:
            within = is_held_here(lock), threads.start(lambda: is_held_here(lock)).result()

        assert (*within, is_held_here(lock)) == (True, False, False)

    def test_a_lock_that_is_gone_is_forgotten(self) -> None:
        lock = new_lock()
        count = len(waiting._locks)
        del lock
        gc.collect()

        assert len(waiting._locks) < count

    def test_a_lock_from_before_threads_were_replaced_is_held_by_nobody(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = threading.RLock()
        monkeypatch.setattr(threading, "RLock", threading._PyRLock)  # type: ignore[attr-defined]
        with lock:
            assert not is_held_here(lock)

    def test_a_thread_is_inside_within_the_block_of_any_lock_only(self, threads: Threads) -> None:
        lock, _other = new_lock(), new_lock()
        with lock:
            within = is_inside(), threads.start(is_inside).result()

        assert (*within, is_inside()) == (True, False, False)


class TestStart:
    def test_starts_the_thread(self) -> None:
        done = threading.Event()
        thread = threading.Thread(target=done.set, daemon=True)
        start(thread)
        thread.join(PATIENCE)

        assert done.is_set()

    def test_raises_if_the_thread_can_not_be_started(self) -> None:
        thread = threading.Thread(target=int, daemon=True)
        start(thread)
        thread.join(PATIENCE)

        with pytest.raises(RuntimeError, match="started once"):
            start(thread)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="needs threading.gettrace")
@pytest.mark.parametrize("kind", ["trace", "profile"])
def test_a_debugger_or_profiler_follows_a_raw_thread(kind: str) -> None:
    """This includes coverage tools."""
    seen: list[str] = []

    def follow(frame: FrameType, *_: object) -> None:
        seen.append(frame.f_code.co_name)

    def work() -> None:
        done.open()

    done = Gate()
    before = getattr(threading, f"get{kind}")()
    getattr(threading, f"set{kind}")(follow)
    try:
        run_in_thread(work)
        assert done.wait(PATIENCE)
    finally:
        getattr(threading, f"set{kind}")(before)

    assert "work" in seen

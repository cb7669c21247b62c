"""The garbage collector runs less often while a response is decoded, and nobody notices."""

from __future__ import annotations

import gc
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWProtocolError
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._http.responses import Response
from teamwire_sync._http.sessions import RawResponse
from teamwire_sync._internal.collector import with_fewer_collections
from tests.support.forks import exit_status, in_child
from tests.support.points import Tracer
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL = 700


def threshold() -> int:
    return gc.get_threshold()[0]


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(USUAL)
    yield
    gc.set_threshold(*before)
    gc.enable()


@pytest.fixture
def raised() -> int:
    return with_fewer_collections(threshold)


def collections_in(work: Any) -> int:
    count = 0

    def note(phase: str, info: object) -> None:
        nonlocal count
        count += phase == "start"

    gc.callbacks.append(note)
    try:
        work()
    finally:
        gc.callbacks.remove(note)
    return count


def fail() -> None:
    message = "a fault of the page"
    raise TWProtocolError(message)


class Interrupt(BaseException):
    """The exception of a signal handler."""


def interrupt() -> None:
    raise Interrupt


def traced(point: int) -> tuple[int, int]:
    """Return the number of points, and the threshold after an interrupt at the point *point*."""

    def is_ours(name: str) -> bool:
        return name.replace(os.sep, "/").endswith("_internal/collector.py")

    tracer, before = Tracer(is_ours, point, interrupt), sys.gettrace()
    sys.settrace(tracer)
    with suppress(Interrupt):
        with_fewer_collections(int)
    sys.settrace(before)
    return tracer.count, threshold()


class TestCollections:
    def test_the_collector_does_not_run_while_a_page_of_containers_is_made(self) -> None:
        def page() -> list[list[int]]:
            return [[number] for number in range(10_000)]

        with_fewer_collections(page)
        gc.collect()

        assert collections_in(lambda: with_fewer_collections(lambda: page() and None)) <= 1

    def test_a_response_is_decoded_with_the_higher_threshold(self, raised: int) -> None:
        answer = Response(OPERATIONS["get_me"], RawResponse(200, {}, "", b"{}"), True, {}, str, "")

        assert answer.decode(lambda _: threshold()) == raised

    def test_the_collector_is_on_meanwhile(self) -> None:
        assert with_fewer_collections(gc.isenabled)

    def test_the_older_generations_keep_their_thresholds(self) -> None:
        gc.set_threshold(USUAL, 8, 9)

        assert with_fewer_collections(gc.get_threshold)[1:] == gc.get_threshold()[1:]


class TestUsualThreshold:
    def test_comes_back(self) -> None:
        with_fewer_collections(int)

        assert threshold() == USUAL

    def test_comes_back_after_an_error(self) -> None:
        with pytest.raises(TWProtocolError):
            with_fewer_collections(fail)

        assert threshold() == USUAL

    def test_comes_back_after_an_exception_of_a_signal_handler_at_any_point(self) -> None:
        points, _ = traced(0)

        assert {traced(point)[1] for point in range(1, points + 1)} == {USUAL}

    def test_comes_back_at_the_next_response_if_it_was_lost(self, raised: int) -> None:
        gc.set_threshold(raised)
        with_fewer_collections(int)

        assert threshold() == USUAL

    def test_comes_back_if_a_handler_decodes_a_response_inside(self) -> None:
        with_fewer_collections(lambda: with_fewer_collections(int))

        assert threshold() == USUAL

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first", "last"])
    def test_comes_back_if_another_thread_decodes_at_the_same_time(
        self, order: tuple[int, int]
    ) -> None:
        """Whether the thread that began first ends first or last."""
        began, may_end = ([threading.Event(), threading.Event()] for _ in range(2))

        def work(number: int) -> None:
            began[number].set()
            assert may_end[number].wait(PATIENCE)

        with Threads(2) as threads:
            running = []
            for number in (0, 1):
                running.append(threads.start(with_fewer_collections, lambda n=number: work(n)))
                assert began[number].wait(PATIENCE)
            for number in order:
                may_end[number].set()
                running[number].result(PATIENCE)

        assert threshold() == USUAL

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_comes_back_in_a_child_that_another_thread_forks_meanwhile(self) -> None:
        def check() -> None:
            assert (threshold(), gc.isenabled()) == (USUAL, True)

        with Threads(1) as threads:
            forking = threads.start(in_child, check)
            child = with_fewer_collections(lambda: forking.result(PATIENCE))

        assert exit_status(child) == 0

    def test_comes_back_after_a_freeze_meanwhile(self) -> None:
        with_fewer_collections(gc.freeze)
        gc.unfreeze()

        assert threshold() == USUAL


class TestProgramsOwnSettings:
    def test_a_collector_that_is_off_stays_off(self) -> None:
        gc.disable()

        assert (with_fewer_collections(gc.isenabled), gc.isenabled()) == (False, False)

    def test_a_collector_that_is_switched_off_meanwhile_stays_off(self) -> None:
        with_fewer_collections(gc.disable)

        assert not gc.isenabled()

    def test_a_collector_that_is_switched_off_by_its_threshold_stays_off(self) -> None:
        gc.set_threshold(0)

        assert (with_fewer_collections(threshold), threshold()) == (0, 0)

    def test_a_threshold_that_is_higher_stays_as_it_is(self) -> None:
        gc.set_threshold(10**6)

        assert (with_fewer_collections(threshold), threshold()) == (10**6, 10**6)

    @pytest.mark.parametrize("own", [0, 5_000])
    def test_a_threshold_that_is_set_meanwhile_stays_as_it_is(self, own: int) -> None:
        with_fewer_collections(lambda: gc.set_threshold(own))

        assert threshold() == own

    def test_a_threshold_that_was_set_after_another_response_comes_back(self) -> None:
        with_fewer_collections(int)
        gc.set_threshold(5_000)
        with_fewer_collections(int)

        assert threshold() == 5_000

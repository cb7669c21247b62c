"""Connections: who waits for one gets it, whoever else waits for something; a pause needs none."""

from __future__ import annotations

import sys
import threading
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import ConnectionConfig, TWClosedError, TWDeliveryUnknownError, TWError
from teamwire_sync._http import connection_limit as module
from teamwire_sync._http.connection_limit import ConnectionLimit
from tests.support.transport_calls import CONTRACT, Make, answer, call, failure, outcome
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    import responses

    from tests.support.builders import Clock

# Nobody waits for so long: the watchdog ends the test before.
FOR_EVER = 10 * PATIENCE


def waiting(number: int) -> Callable[[], bool]:
    """Whether *number* threads wait in connection_limit.py."""

    def check() -> bool:
        found = 0
        for frame in sys._current_frames().values():
            names, outer = frame.f_code.co_name, frame
            while outer.f_back is not None and not outer.f_code.co_filename.endswith(
                "connection_limit.py"
            ):
                outer = outer.f_back
            found += names == "wait" and outer.f_code.co_filename.endswith("connection_limit.py")
        return found == number

    return check


class TestConnectionLimit:
    def test_there_are_no_more_than_its_size(self) -> None:
        limit = ConnectionLimit(2)

        assert [limit.acquire(0) for _ in range(3)] == [True, True, False]

    def test_all_that_are_given_back_are_taken_again(self) -> None:
        limit = ConnectionLimit(2)
        for _ in range(10):
            assert limit.acquire(0)
            limit.release()

        assert [limit.acquire(0) for _ in range(3)] == [True, True, False]

    def test_whoever_waits_gets_the_one_that_is_given_back_though_another_pauses(self) -> None:
        """What wakes the next one must not be spent on a thread that only lets time pass."""
        limit = ConnectionLimit(1)
        assert limit.acquire(0)
        with Threads(2) as threads:
            try:
                threads.start(lambda: limit.pause(FOR_EVER))
                wait_until(waiting(1))
                taken = threads.start(lambda: limit.acquire(FOR_EVER))
                wait_until(waiting(2))
                limit.release()

                assert taken.result(PATIENCE)
            finally:
                limit.close()

    def test_the_end_wakes_all_who_wait_for_one_and_who_pause(self) -> None:
        limit = ConnectionLimit(1)
        assert limit.acquire(0)
        with Threads(4) as threads:
            takers = [threads.start(lambda: limit.acquire(FOR_EVER)) for _ in range(3)]
            pausing = threads.start(lambda: limit.pause(FOR_EVER))
            wait_until(waiting(4))
            limit.close()

            assert all(taker.result(PATIENCE) for taker in takers)
            assert pausing.result(PATIENCE) is None

    def test_nobody_pauses_after_the_end(self) -> None:
        limit = ConnectionLimit(1)
        limit.close()
        limit.pause(FOR_EVER)

    def test_a_pause_waits_for_the_end_as_long_as_it_is_told_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        event = SimpleNamespace(wait=waits.append)
        seam = {"Event": lambda: event, "TIMEOUT_MAX": 1000, "Condition": threading.Condition}
        monkeypatch.setattr(module, "threading", SimpleNamespace(**seam))
        ConnectionLimit(1).pause(7.5)

        assert waits == [7.5]

    def test_a_call_that_fails_gives_its_own_back(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        wrong = []
        config = ConnectionConfig(pool_size=1, retries=0, total_timeout=0.1)
        hows = [{"status": 503}, {"status": 401}, {"body": OSError(5, "x")}]
        for name, how in product(["get_me", "post_message"], hows):
            transport = make(config, clock=clock)
            for _ in range(3):
                error, tries = outcome(name, transport, server, how)
                if not isinstance(error, TWError) or tries != 1:
                    wrong.append((name, how, error, tries))

        assert wrong == []


class TestPause:
    def test_keeps_no_connection(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        answer(server, "get_me")
        answer(server, "get_user")
        gate = Gate()
        transport = make(ConnectionConfig(pool_size=1), clock=clock, pause=gate)
        with Threads(1) as threads:
            paused = threads.start(lambda: call("get_me", transport))
            gate.wait_arrived()
            try:
                call("get_user", transport)
            finally:
                gate.open()
            paused.result(PATIENCE)

        assert len(server.calls) == 3

    @pytest.mark.parametrize("name", ["get_me", "post_message"])
    def test_ends_when_the_connection_is_closed(
        self, name: str, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=503, headers={"Retry-After": "3600", **CONTRACT})
        transport = make(ConnectionConfig(total_timeout=7200))
        with Threads(1) as threads:
            paused = threads.start(lambda: failure(name, transport))
            wait_until(waiting(1))
            transport.close()

            assert type(paused.result(PATIENCE)) is TWClosedError
        assert len(server.calls) == 1

    def test_of_a_write_in_doubt_ends_in_doubt(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        """A gateway's 504 asks for no pause, so a busy server has to make it long."""
        transport = make(ConnectionConfig(total_timeout=7200))
        answer(server, "post_message", status=504, headers=CONTRACT)
        answer(server, "post_message", status=503, headers={"Retry-After": "3600"})
        with Threads(1) as threads:
            paused = threads.start(lambda: failure("post_message", transport))
            wait_until(lambda: len(server.calls) == 2)
            wait_until(waiting(1))
            transport.close()

            assert type(paused.result(PATIENCE)) is TWDeliveryUnknownError

    def test_lasts_as_long_as_asked_for(
        self, make: Make, server: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[Any] = []
        monkeypatch.setattr(ConnectionLimit, "pause", lambda _, seconds: pauses.append(seconds))
        answer(server, "get_me", status=503, headers={"Retry-After": "7"})
        answer(server, "get_me")
        call("get_me", make(ConnectionConfig()))

        assert pauses == [7.0]

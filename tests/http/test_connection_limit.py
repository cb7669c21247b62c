"""Connections: who waits for one gets it, whoever else waits for something; a pause needs none."""

from __future__ import annotations

import sys
from itertools import product
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import ConnectionConfig, TWClosedError, TWDeliveryUnknownError, TWError
from teamwire_sync._internal.waiting import Limit
from tests.support.transport_calls import CONTRACT, Make, answer, call, failure, outcome
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    import responses

    from tests.support.builders import Clock


def waiting(number: int) -> Callable[[], bool]:
    """Whether *number* threads wait in a Gate."""

    def check() -> bool:
        found = 0
        for frame in sys._current_frames().values():
            code = frame.f_code
            found += code.co_name == "wait" and code.co_filename.endswith("_internal/waiting.py")
        return found == number

    return check


class TestConnectionLimit:
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
        monkeypatch.setattr(Limit, "pause", lambda _, seconds: pauses.append(seconds))
        answer(server, "get_me", status=503, headers={"Retry-After": "7"})
        answer(server, "get_me")
        call("get_me", make(ConnectionConfig()))

        assert pauses == [7.0]

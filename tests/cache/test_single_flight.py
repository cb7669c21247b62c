"""Single flight: what those who wait get, in each way that a flight may end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._cache.single_flight import Abandoned, Flight
from teamwire_sync._internal.deadlines import deadline_of, is_own_timeout
from teamwire_sync.exceptions import (
    TWConnectionError,
    TWDeliveryUnknownError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
)
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future


@pytest.fixture
def others() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def error_of(future: Future[Any]) -> BaseException:
    error = future.exception(timeout=PATIENCE)
    assert error is not None
    return error


class TestWaiting:
    @pytest.mark.parametrize("value", ["chat", None, 0], ids=repr)
    def test_gives_what_has_landed(self, value: object, others: ThreadPoolExecutor) -> None:
        flight: Flight[object] = Flight()
        flight.set_result(value)

        assert others.submit(flight.wait, None).result(PATIENCE) is value

    @pytest.mark.parametrize("end", ["set_result", "set_exception", "abandon"])
    def test_ends_when_the_flight_ends(self, end: str, others: ThreadPoolExecutor) -> None:
        flight: Flight[str] = Flight()
        waits = [others.submit(flight.wait, None) for _ in range(2)]
        argument = {
            "set_result": ("chat",),
            "set_exception": (TWServerError("down"),),
            "abandon": (),
        }[end]
        getattr(flight, end)(*argument)

        outcome = {"set_result": type(None), "set_exception": TWServerError, "abandon": Abandoned}[
            end
        ]
        assert [type(wait.exception(PATIENCE)) for wait in waits] == [outcome] * 2

    def test_a_void_flight_brings_nothing(self, others: ThreadPoolExecutor) -> None:
        flight: Flight[str] = Flight()
        flight.abandon()

        assert isinstance(error_of(others.submit(flight.wait, None)), Abandoned)

    @pytest.mark.parametrize("end", ["set_result", "set_exception"])
    def test_void_changes_nothing_after_the_end(self, end: str, others: ThreadPoolExecutor) -> None:
        flight: Flight[str] = Flight()
        getattr(flight, end)({"set_result": "chat", "set_exception": TWServerError("down")}[end])
        flight.abandon()

        wait = others.submit(flight.wait, None)
        assert (str(wait.exception(PATIENCE)), end) in {
            ("None", "set_result"),
            ("down", "set_exception"),
        }

    def test_the_deadline_ends_it(self, others: ThreadPoolExecutor) -> None:
        wait = others.submit(Flight[str]().wait, time.monotonic() + 0.01)

        assert isinstance(error_of(wait), TWTimeoutError)
        assert "another thread is still waiting" in str(error_of(wait))

    def test_a_deadline_that_is_over_ends_it_at_once(self, others: ThreadPoolExecutor) -> None:
        wait = others.submit(Flight[str]().wait, time.monotonic() - 100)

        assert isinstance(error_of(wait), TWTimeoutError)

    def test_what_is_there_is_given_even_after_the_deadline(
        self, others: ThreadPoolExecutor
    ) -> None:
        flight: Flight[str] = Flight()
        flight.set_result("chat")

        assert others.submit(flight.wait, time.monotonic() - 100).result(PATIENCE) == "chat"

    @pytest.mark.parametrize("landed", [False, True])
    def test_a_leader_does_not_wait_for_itself(self, landed: bool) -> None:
        flight: Flight[str] = Flight()
        if landed:
            flight.set_result("chat")

        with pytest.raises(
            RuntimeError, match=r"itself, as it runs inside another look-up; .* callback"
        ):
            flight.wait(None)


class TestErrors:
    def test_each_who_waits_gets_its_own_copy(self, others: ThreadPoolExecutor) -> None:
        flight: Flight[str] = Flight()
        original = TWRateLimitError("slow down", retry_after=3, status=429)
        flight.set_exception(original)
        errors = [error_of(others.submit(flight.wait, None)) for _ in range(2)]

        assert len({id(error) for error in [original, *errors]}) == 3
        assert [vars(error) for error in errors] == [vars(original)] * 2

    def test_no_traceback_of_the_leader_is_kept(self, others: ThreadPoolExecutor) -> None:
        flight: Flight[str] = Flight()
        with pytest.raises(TWServerError) as caught:
            raise TWServerError("down")  # noqa: EM101  it needs a traceback
        flight.set_exception(caught.value)
        error = error_of(others.submit(flight.wait, None))

        names = []
        trace = error.__traceback__
        while trace is not None:
            names.append(trace.tb_frame.f_code.co_name)
            trace = trace.tb_next
        assert "test_no_traceback_of_the_leader_is_kept" not in names


class TestDeadlines:
    def test_no_timeout_is_no_deadline(self) -> None:
        assert deadline_of(None) is None

    def test_counts_from_now(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)

        assert deadline_of(2.5) == 102.5

    @pytest.mark.parametrize(
        ("error", "deadline", "own"),
        [
            (TWTimeoutError, 99.0, True),
            (TWTimeoutError, 100.0, True),
            (TWTimeoutError, 100.1, False),
            (TWTimeoutError, None, False),
            (TWConnectionError, 99.0, False),
            (TWDeliveryUnknownError, 99.0, False),
        ],
    )
    def test_a_timeout_after_the_own_deadline_is_an_own_timeout(
        self, error: Any, deadline: float | None, own: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)

        assert is_own_timeout(error("late"), deadline) is own

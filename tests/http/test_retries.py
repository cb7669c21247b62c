"""Trying again: after what, when, how often, and what is raised in the end."""

from __future__ import annotations

import logging
import time
from email.utils import formatdate
from itertools import product
from typing import TYPE_CHECKING, Callable

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWError,
    TWRateLimitError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._http.retries import FailedAttempt, Retries
from tests.http.test_network import LASTING, LOST, PASSING
from tests.support.transport_calls import (
    CALLS,
    CONTRACT,
    READS,
    Make,
    Patient,
    Pauses,
    answer,
    call,
    error_body,
    failure,
    outcome,
    wrong_outcomes,
)

if TYPE_CHECKING:
    import responses

    from tests.support.builders import Clock

PASSING_STATUSES = [429, 502, 503, 504]
each_passing_status = pytest.mark.parametrize("status", PASSING_STATUSES)


class TestRead:
    def test_is_tried_again_after_a_status_that_passes(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        firsts = {status: {"status": status, "body": ""} for status in PASSING_STATUSES}

        assert wrong_outcomes(READS, firsts, patient, server, kind=None, tries=2) == []

    def test_is_tried_again_after_the_network_failed(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        firsts = {**PASSING, **LOST}

        assert wrong_outcomes(READS, firsts, patient, server, kind=None, tries=2) == []

    def test_is_not_tried_again_after_any_other_status(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        statuses = [201, 302, 400, 401, 403, 404, 409, 422, 500, 501]
        firsts = {one: {"status": one, "json": error_body("a_code")} for one in statuses}

        assert wrong_outcomes(READS, firsts, patient, server, kind=TWError, tries=1) == []

    def test_is_not_tried_again_after_what_stays_as_it_is(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        """And a write is not either: a certificate, a URL, a CA bundle do not mend themselves."""
        assert wrong_outcomes(CALLS, LASTING, patient, server, kind=TWError, tries=1) == []

    def test_is_not_tried_again_after_an_answer_that_is_not_the_contract(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", body="<html>")
        failure("get_me", patient())

        assert len(server.calls) == 1


class TestNumber:
    @pytest.mark.parametrize("retries", [0, 1, 3, 10])
    def test_of_pauses_is_that_of_retries_and_there_is_one_try_more(
        self, retries: int, patient: Patient, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        failure("get_me", patient(retries=retries, total_timeout=1000))

        assert (len(pauses.taken), len(server.calls)) == (retries, retries + 1)

    def test_of_tries_is_counted_for_each_call_anew(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        transport = patient(retries=1)
        failure("get_me", transport)
        failure("get_me", transport)

        assert len(server.calls) == 4

    @pytest.mark.parametrize(("retries", "end"), [(0, "no reason given"), (2, " (tried 3 times)")])
    def test_of_tries_is_told_where_it_is_not_one(
        self, retries: int, end: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503, headers=CONTRACT)

        assert str(failure("get_me", patient(retries=retries))).endswith(end)

    def test_of_tries_is_told_without_losing_what_the_error_knows(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=429, headers={"Retry-After": "1"}, json=error_body("busy"))
        error = failure("get_me", patient(retries=1))

        assert isinstance(error, TWRateLimitError)
        assert (error.status, error.code, error.retry_after) == (429, "busy", 1.0)

    def test_of_tries_ends_with_the_first_answer(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        for _ in range(3):
            answer(server, "get_me", status=503)
        answer(server, "get_me")
        call("get_me", patient(retries=9))

        assert len(server.calls) == 4

    def test_of_tries_may_end_with_another_error(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        answer(server, "get_me", status=401)

        assert type(failure("get_me", patient())) is TWAuthError


class TestBackoff:
    def pauses_of(
        self, tries: int, clock: Clock, jitter: float, retry_after: float | None = None
    ) -> list[float]:
        pauses = Pauses(clock)
        retries = Retries(tries, clock=clock, pause=pauses, jitter=lambda: jitter)
        error = TWRateLimitError("busy", retry_after=retry_after)
        with pytest.raises(TWRateLimitError):
            retries.run(lambda: FailedAttempt(error, again=True), clock() + 1e6)
        return pauses.taken

    def test_doubles_each_pause_up_to_a_maximum(self, clock: Clock) -> None:
        assert self.pauses_of(8, clock, jitter=1.0) == [0.25, 0.5, 1, 2, 4, 8, 8, 8]

    def test_halves_each_pause_at_most_by_jitter(self, clock: Clock) -> None:
        assert self.pauses_of(7, clock, jitter=0.0) == [0.125, 0.25, 0.5, 1, 2, 4, 4]

    def test_stays_finite_after_thousands_of_tries(self, clock: Clock) -> None:
        assert self.pauses_of(3000, clock, jitter=1.0)[-1] == 8

    def test_differs_between_clients(
        self, patient: Patient, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        transport = patient(retries=1)
        for _ in range(20):
            failure("get_me", transport)

        assert len(set(pauses.taken)) > 1
        assert all(0.125 <= pause <= 0.25 for pause in pauses.taken)

    def test_obeys_a_server_that_asks_for_more(self, clock: Clock) -> None:
        assert self.pauses_of(3, clock, jitter=1.0, retry_after=20.0) == [20, 20, 20]

    def test_is_not_shortened_by_a_server_that_asks_for_less(self, clock: Clock) -> None:
        assert self.pauses_of(3, clock, jitter=1.0, retry_after=0.0) == [0.25, 0.5, 1]


class TestRetryAfter:
    @each_passing_status
    def test_in_seconds_is_obeyed(
        self, status: int, patient: Patient, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=status, headers={"Retry-After": "7"})
        answer(server, "get_me")
        call("get_me", patient())

        assert pauses.taken == [7.0]

    @each_passing_status
    def test_as_a_date_is_obeyed(
        self,
        status: int,
        patient: Patient,
        pauses: Pauses,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
        date = formatdate(1_700_000_030, usegmt=True)
        answer(server, "get_me", status=status, headers={"Retry-After": date})
        answer(server, "get_me")
        call("get_me", patient())

        assert pauses.taken == [30.0]

    def test_beyond_the_budget_raises_at_once(
        self, patient: Patient, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        wrong = []
        kinds = {429: TWRateLimitError, 502: TWServerError, 503: TWServerError}
        for status, value in product(kinds, ["60", "61", "3600", "9" * 300]):
            how = {"status": status, "headers": {"Retry-After": value}}
            error, tries = outcome("get_me", patient(total_timeout=60), server, how)
            wait = getattr(error, "retry_after", None)
            if (type(error), wait, tries) != (kinds[status], float(value), 1):
                wrong.append((status, value, error, wait, tries))

        assert wrong == []
        assert pauses.taken == []

    def test_counts_against_what_is_left_of_the_budget(
        self, patient: Patient, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=429, headers={"Retry-After": "25"})
        error = failure("get_me", patient(total_timeout=60, retries=9))

        assert pauses.taken == [25.0, 25.0]
        assert str(error).endswith("; try again in 25 s (tried 3 times)")

    def test_beyond_the_deadline_of_the_caller_raises_at_once(
        self, patient: Patient, clock: Clock, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=429, headers={"Retry-After": "3"})
        with pytest.raises(TWRateLimitError) as caught:
            patient(total_timeout=60).get_me(deadline=clock() + 2)

        assert (caught.value.retry_after, pauses.taken) == (3.0, [])

    def test_within_the_deadline_of_the_caller_is_obeyed(
        self, patient: Patient, clock: Clock, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=429, headers={"Retry-After": "3"})
        answer(server, "get_me")
        patient(total_timeout=60).get_me(deadline=clock() + 4)

        assert pauses.taken == [3.0]

    def test_within_a_deadline_that_is_later_than_the_budget_raises_at_once(
        self, patient: Patient, clock: Clock, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=429, headers={"Retry-After": "3"})
        with pytest.raises(TWRateLimitError):
            patient(total_timeout=2).get_me(deadline=clock() + 100)

        assert pauses.taken == []


class TestBudget:
    def test_ends_the_tries(
        self, patient: Patient, clock: Clock, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        started = clock()
        failure("get_me", patient(total_timeout=30, retries=1000))

        assert clock() - started < 30

    def test_that_a_pause_overran_ends_them_too(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        """A machine may sleep meanwhile."""
        answer(server, "get_me", status=503)
        transport = make(ConnectionConfig(), clock=clock, pause=lambda _: clock.advance(3600))

        assert isinstance(failure("get_me", transport), TWTimeoutError)
        assert len(server.calls) == 1

    def test_of_a_deadline_that_is_over_sends_nothing(
        self, patient: Patient, clock: Clock, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        with pytest.raises(TWTimeoutError, match="no time left"):
            patient().get_me(deadline=clock())

        assert len(server.calls) == 0

    def test_of_a_listing_holds_for_all_its_pages(
        self, patient: Patient, clock: Clock, server: responses.RequestsMock
    ) -> None:
        answer(server, "list_chats", status=503, headers={"Retry-After": "4"})
        answer(
            server, "list_chats", json={"chats": [], "users": [], "groups": [], "next_cursor": "a"}
        )
        answer(server, "list_chats", status=503, headers={"Retry-After": "4"})
        pages = patient().iter_chat_pages(validator=None, deadline=clock() + 6)
        next(pages)

        with pytest.raises(TWServerError):
            next(pages)
        assert len(server.calls) == 3

    def test_shortens_the_time_out_of_a_later_try(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        answer(server, "get_me")
        config = ConnectionConfig(total_timeout=10, default_timeout=8)
        call("get_me", make(config, clock=clock, pause=lambda _: clock.advance(7)))

        assert [each.request.req_kwargs["timeout"] for each in server.calls] == [8, 3]


class TestLog:
    @pytest.fixture
    def lines(self, caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[int, str]]]:
        caplog.set_level(logging.DEBUG)
        return lambda: [
            (level, text) for name, level, text in caplog.record_tuples if name == "teamwire_sync"
        ]

    Lines = Callable[[], "list[tuple[int, str]]"]

    def test_has_a_line_for_each_pause(
        self, lines: Lines, patient: Patient, server: responses.RequestsMock
    ) -> None:
        headers = {**CONTRACT, "Retry-After": "2"}
        answer(server, "get_me", status=503, headers=headers)
        failure("get_me", patient(retries=2))
        what = "503 for GET /v1/bot/me/: no reason given; trying again in 2.0 s"

        assert lines() == [
            (logging.INFO, f"{what}, 1 of 2 times"),
            (logging.INFO, f"{what}, 2 of 2 times"),
        ]

    @pytest.mark.parametrize("status", [200, 404, 503])
    def test_has_none_without_a_pause(
        self, status: int, lines: Lines, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=status)
        try:
            call("get_me", patient(retries=0))
        except TWError:
            assert status != 200

        assert lines() == []

    def test_has_none_where_the_pause_would_be_too_long(
        self, lines: Lines, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503, headers={"Retry-After": "3600"})
        failure("get_me", patient())

        assert lines() == []

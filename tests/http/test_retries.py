"""Trying again: after what, when, how often, and what is raised in the end."""

from __future__ import annotations

import logging
import sys
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWClosedError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._transports.retries import Failed, Retries
from teamwire_sync._transports.slots import Slots
from tests.http.test_network import LOST, NEVER_LEFT
from tests.support.transport_calls import (
    Make,
    answer,
    call,
    each_call,
    each_read,
    each_write,
    error_body,
    failure,
)
from tests.support.waiting import PATIENCE, Gate, Threads, wait_until

if TYPE_CHECKING:
    import responses

    from teamwire_sync._transports.http import HttpTransport
    from tests.support.builders import Clock

CONTRACT = {"Teamwire-Bot-Contract": "1"}
# What never left, and goes well once the network does, or the next try says that it is closed.
PASSING = ["closed meanwhile", "refused", "no such host", "connect time-out", "proxy"]
LASTING = [why for why in NEVER_LEFT if why not in PASSING]
each_passing_status = pytest.mark.parametrize("status", [429, 502, 503, 504])


class Pauses:
    """Are over at once; the clock shows that they were."""

    def __init__(self, clock: Clock) -> None:
        self.taken: list[float] = []
        self._clock = clock

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self._clock.advance(seconds)


@pytest.fixture
def pauses(clock: Clock) -> Pauses:
    return Pauses(clock)


@pytest.fixture
def patient(make: Make, clock: Clock, pauses: Pauses) -> Callable[..., HttpTransport]:
    """Makes a transport that tries again, without waiting for it."""

    def one(**settings: Any) -> HttpTransport:
        return make(ConnectionConfig(**settings), clock=clock, pause=pauses)

    return one


Patient = Callable[..., "HttpTransport"]


def keeps_contract(transport: HttpTransport, server: responses.RequestsMock) -> None:
    """Have *server* show *transport* that it keeps the contract."""
    answer(server, "get_user", headers=CONTRACT)
    call("get_user", transport)
    server.calls.reset()


class TestRead:
    @each_read
    @each_passing_status
    def test_is_tried_again_after_a_status_that_passes(
        self, name: str, status: int, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=status, body="")
        answer(server, name)
        call(name, patient())

        assert len(server.calls) == 2

    @each_read
    @pytest.mark.parametrize("why", [*PASSING, *LOST])
    def test_is_tried_again_after_the_network_failed(
        self, name: str, why: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body={**NEVER_LEFT, **LOST}[why]())
        answer(server, name)
        call(name, patient())

        assert len(server.calls) == 2

    @each_read
    @pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 404, 409, 422, 500, 501])
    def test_is_not_tried_again_after_any_other_status(
        self, name: str, status: int, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=status, json=error_body("a_code"))
        answer(server, name)
        failure(name, patient())

        assert len(server.calls) == 1

    @each_call
    @pytest.mark.parametrize("why", LASTING)
    def test_is_not_tried_again_after_what_stays_as_it_is(
        self, name: str, why: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        """And a write is not either: a certificate, a URL, a CA bundle do not mend themselves."""
        answer(server, name, body=NEVER_LEFT[why]())
        answer(server, name)
        transport = patient()
        failure(name, transport)

        assert len(server.calls) == 1

    def test_is_not_tried_again_after_an_answer_that_is_not_the_contract(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", body="<html>")
        failure("get_me", patient())

        assert len(server.calls) == 1


class TestNumber:
    @pytest.mark.parametrize("retries", [0, 1, 3, 10])
    def test_of_tries_is_that_of_retries_and_one(
        self, retries: int, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        failure("get_me", patient(retries=retries, total_timeout=1000))

        assert len(server.calls) == retries + 1

    @pytest.mark.parametrize("retries", [0, 1, 3])
    def test_of_pauses_is_that_of_retries(
        self, retries: int, patient: Patient, pauses: Pauses, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        failure("get_me", patient(retries=retries))

        assert len(pauses.taken) == retries

    def test_of_tries_is_counted_for_each_call_anew(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)
        transport = patient(retries=1)
        failure("get_me", transport)
        failure("get_me", transport)

        assert len(server.calls) == 4

    def test_of_tries_is_told(self, patient: Patient, server: responses.RequestsMock) -> None:
        answer(server, "get_me", status=503)

        assert str(failure("get_me", patient(retries=2))).endswith(" (tried 3 times)")

    def test_of_tries_is_not_told_where_it_is_one(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=503)

        assert "tried" not in str(failure("get_me", patient(retries=0)))

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
            retries.run(lambda: Failed(error, again=True), clock() + 1e6)
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

    @pytest.mark.parametrize("value", ["60", "61", "3600", "9" * 300])
    @pytest.mark.parametrize(
        "refusal", [(429, TWRateLimitError), (502, TWServerError), (503, TWServerError)]
    )
    def test_beyond_the_budget_raises_at_once(
        self,
        refusal: tuple[int, type[TWError]],
        value: str,
        patient: Patient,
        pauses: Pauses,
        server: responses.RequestsMock,
    ) -> None:
        status, kind = refusal
        answer(server, "get_me", status=status, headers={"Retry-After": value})
        error = failure("get_me", patient(total_timeout=60))

        assert (type(error), pauses.taken, len(server.calls)) == (kind, [], 1)
        assert error.retry_after == float(value)  # type: ignore[attr-defined]

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
        answer(server, "get_me", status=503, headers={"Retry-After": "2"})
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


class TestKeys:
    def headers(self, server: responses.RequestsMock, name: str) -> list[str | None]:
        return [each.request.headers.get(name) for each in server.calls]

    @each_call
    def test_each_try_carries_the_same_request_id(
        self, name: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=NEVER_LEFT["refused"]())
        failure(name, patient())
        ids = self.headers(server, "X-Request-ID")

        assert (len(ids), len(set(ids))) == (4, 1)
        assert ids[0]

    @each_write
    def test_each_try_of_a_write_carries_the_same_idempotency_key(
        self, name: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=NEVER_LEFT["refused"]())
        failure(name, patient())
        keys = self.headers(server, "Idempotency-Key")

        assert (len(keys), len(set(keys))) == (4, 1)
        assert keys[0]

    @each_write
    def test_each_try_of_a_write_carries_the_same_body(
        self, name: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=NEVER_LEFT["refused"]())
        failure(name, patient())

        assert len({each.request.body for each in server.calls}) == 1

    @each_write
    @pytest.mark.parametrize("header", ["X-Request-ID", "Idempotency-Key"])
    def test_another_call_has_others(
        self, name: str, header: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        transport = patient()
        call(name, transport)
        call(name, transport)

        assert len(set(self.headers(server, header))) == 2

    @each_read
    def test_a_read_has_no_idempotency_key(
        self, name: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, patient())

        assert self.headers(server, "Idempotency-Key") == [None]


class TestWrite:
    @each_write
    @pytest.mark.parametrize("why", PASSING)
    def test_that_never_left_is_tried_again(
        self, name: str, why: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=NEVER_LEFT[why]())
        answer(server, name)
        call(name, patient())

        assert len(server.calls) == 2

    @each_write
    @pytest.mark.parametrize("why", LOST)
    def test_whose_answer_was_lost_is_not_tried_again(
        self, name: str, why: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=LOST[why]())
        answer(server, name)

        assert type(failure(name, patient())) is TWDeliveryUnknownError
        assert len(server.calls) == 1

    @each_write
    @pytest.mark.parametrize("why", LOST)
    def test_whose_answer_was_lost_is_tried_again_once_the_server_has_shown_the_contract(
        self, name: str, why: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        transport = patient()
        keeps_contract(transport, server)
        answer(server, name, body=LOST[why]())
        answer(server, name)
        call(name, transport)

        assert len(server.calls) == 2

    @each_write
    @each_passing_status
    def test_that_the_server_was_too_busy_for_is_not_tried_again(
        self, name: str, status: int, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=status)
        answer(server, name)
        failure(name, patient())

        assert len(server.calls) == 1

    @each_write
    @each_passing_status
    def test_that_the_server_was_too_busy_for_is_tried_again_with_the_contract(
        self, name: str, status: int, patient: Patient, server: responses.RequestsMock
    ) -> None:
        """This very answer may be the first to show it."""
        answer(server, name, status=status, headers=CONTRACT)
        answer(server, name)
        call(name, patient())

        assert len(server.calls) == 2

    @pytest.mark.parametrize("value", ["", "0", "2", "true", "1, 1"])
    def test_is_not_tried_again_with_another_contract(
        self, value: str, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", status=503, headers={"Teamwire-Bot-Contract": value})
        failure("post_message", patient())

        assert len(server.calls) == 1

    def test_is_not_tried_again_because_another_server_keeps_the_contract(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        keeps_contract(patient(), server)
        answer(server, "post_message", status=503)
        failure("post_message", patient())

        assert len(server.calls) == 1

    def test_whose_answer_is_not_the_contract_is_not_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", body="<html>", headers=CONTRACT)

        assert type(failure("post_message", patient())) is TWDeliveryUnknownError
        assert len(server.calls) == 1

    @each_write
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
    def test_that_is_refused_is_not_tried_again(
        self, name: str, status: int, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=status, headers=CONTRACT)
        failure(name, patient())

        assert len(server.calls) == 1


class TestWriteInDoubt:
    """Its first try was lost, and so may have been done."""

    @pytest.fixture
    def transport(self, patient: Patient, server: responses.RequestsMock) -> HttpTransport:
        transport = patient(retries=1)
        keeps_contract(transport, server)
        answer(server, "post_message", body=LOST["reset"]())
        return transport

    @pytest.mark.parametrize(
        "later",
        [
            {"body": NEVER_LEFT["refused"]()},
            {"body": NEVER_LEFT["certificate"]()},
            {"status": 302},
            {"status": 401},
            {"status": 429},
            {"status": 500},
            {"status": 502},
            {"status": 503},
        ],
        ids=["refused", "certificate", "302", "401", "429", "500", "502", "503"],
    )
    def test_stays_so_when_a_later_try_says_nothing_of_it(
        self, later: dict[str, Any], transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", **later)

        assert type(failure("post_message", transport)) is TWDeliveryUnknownError
        assert len(server.calls) == 2

    def test_tells_of_the_doubt_and_of_the_last_try(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", status=429)
        text = str(failure("post_message", transport))

        assert "it may have done POST /v1/bot/chats/t1/messages/ or not; look before" in text
        assert text.endswith(
            " (tried 2 times, the last one: 429 for POST /v1/bot/chats/t1/messages/: "
            "no reason given)"
        )

    def test_tells_once_how_often_it_was_lost(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        text = str(failure("post_message", transport))

        assert text.endswith(" (tried 2 times)")
        assert text.count("tried") == 1

    def test_is_done_when_a_later_try_is(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message")

        assert call("post_message", transport).mid == "m1"

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (400, TWRequestError),
            (403, TWAuthError),
            (404, TWNotFoundError),
            (409, TWRequestError),
            (422, TWRequestError),
        ],
    )
    def test_is_refused_when_a_later_try_is(
        self,
        status: int,
        kind: type[TWError],
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        answer(server, "post_message", status=status, headers=CONTRACT)

        assert type(failure("post_message", transport)) is kind

    def test_stays_so_when_no_connection_gets_free(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        def pause(_: float) -> None:
            assert transport._exchange._slots.take(0)
            clock.advance(59.99)

        transport = make(ConnectionConfig(pool_size=1, total_timeout=60), clock=clock, pause=pause)
        keeps_contract(transport, server)
        answer(server, "post_message", body=LOST["reset"]())
        error = failure("post_message", transport)

        assert type(error) is TWDeliveryUnknownError
        assert "the last one: all 1 connections were busy for 0.01 s)" in str(error)

    def test_stays_so_when_the_time_is_over(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(), clock=clock, pause=lambda _: clock.advance(60))
        keeps_contract(transport, server)
        answer(server, "post_message", body=LOST["reset"]())

        assert type(failure("post_message", transport)) is TWDeliveryUnknownError

    def test_stays_so_when_the_connection_is_closed(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(), pause=lambda _: transport.close())
        keeps_contract(transport, server)
        answer(server, "post_message", body=LOST["reset"]())
        error = failure("post_message", transport)

        assert type(error) is TWDeliveryUnknownError
        assert "the last one: the Connection is closed)" in str(error)

    def test_is_the_first_of_all_the_errors_when_several_tries_were_lost(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        transport = patient(retries=2)
        keeps_contract(transport, server)
        answer(server, "post_message", body=NEVER_LEFT["refused"]())
        answer(server, "post_message", body=LOST["reset"]())
        answer(server, "post_message", body=NEVER_LEFT["refused"]())
        text = str(failure("post_message", transport))

        assert text.startswith("the answer of teamwire.example:443 was lost (Connection reset")
        assert "(tried 3 times, the last one: can't reach" in text


def waiting(number: int) -> Callable[[], bool]:
    """Whether *number* threads wait in slots.py."""

    def check() -> bool:
        found = 0
        for frame in sys._current_frames().values():
            names, outer = frame.f_code.co_name, frame
            while outer.f_back is not None and not outer.f_code.co_filename.endswith("slots.py"):
                outer = outer.f_back
            found += names == "wait" and outer.f_code.co_filename.endswith("slots.py")
        return found == number

    return check


class TestPause:
    def test_keeps_no_slot(self, make: Make, clock: Clock, server: responses.RequestsMock) -> None:
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

    def test_lasts_as_long_as_asked_for(self, make: Make, server: responses.RequestsMock) -> None:
        answer(server, "get_me", status=503, headers={"Retry-After": "1"})
        answer(server, "get_me")
        started = time.monotonic()
        call("get_me", make(ConnectionConfig()))

        assert time.monotonic() - started >= 1


class TestSlots:
    def test_whoever_waits_gets_the_one_that_is_given_back_though_another_pauses(self) -> None:
        slots = Slots(1)
        assert slots.take(0)
        with Threads(2) as threads:
            try:
                threads.start(lambda: slots.pause(3 * PATIENCE))
                wait_until(waiting(1))
                taken = threads.start(lambda: slots.take(3 * PATIENCE))
                wait_until(waiting(2))
                slots.give_back()

                assert taken.result(PATIENCE)
            finally:
                slots.close()

    def test_a_pause_is_over_at_once_after_the_end(self) -> None:
        slots = Slots(1)
        slots.close()
        started = time.monotonic()
        slots.pause(3 * PATIENCE)

        assert time.monotonic() - started < PATIENCE

    def test_nobody_waits_for_a_slot_after_the_end(self) -> None:
        slots = Slots(1)
        assert slots.take(0)
        with Threads(3) as threads:
            waiters = [threads.start(lambda: slots.take(3 * PATIENCE)) for _ in range(3)]
            wait_until(waiting(3))
            slots.close()

            assert all(waiter.result(PATIENCE) for waiter in waiters)

    def test_there_are_no_more_than_its_size(self) -> None:
        slots = Slots(2)

        assert [slots.take(0) for _ in range(3)] == [True, True, False]

    def test_all_that_are_given_back_are_taken_again(self) -> None:
        slots = Slots(2)
        for _ in range(10):
            assert slots.take(0)
            slots.give_back()

        assert [slots.take(0) for _ in range(3)] == [True, True, False]

    @pytest.mark.parametrize("name", ["get_me", "post_message"])
    @pytest.mark.parametrize("how", [{"status": 503}, {"status": 401}, {"body": OSError(5, "x")}])
    def test_a_call_that_fails_gives_its_own_back(
        self, name: str, how: dict[str, Any], make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, name, **how)
        transport = make(ConnectionConfig(pool_size=1, retries=0))
        for _ in range(3):
            failure(name, transport)

        assert len(server.calls) == 3

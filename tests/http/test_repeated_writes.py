"""Writing again: only what is not done twice by it, under one key; and what stays in doubt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWDeliveryUnknownError,
    TWError,
    TWNotFoundError,
    TWProtocolError,
    TWRequestError,
)
from tests.http.test_network import LOST, NEVER_LEFT, PASSING
from tests.support.transport_calls import (
    API,
    CALLS,
    CONTRACT,
    ME,
    WRITES,
    Make,
    Patient,
    answer,
    call,
    error_body,
    failure,
    hear_contract,
    outcome,
    wrong_outcomes,
)
from tests.support.waiting import Gate, Threads

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport
    from tests.support.builders import Clock

BUSY = [429, 502, 503, 504]
UNDER_WAY = {
    "status": 409,
    "json": error_body("in_progress"),
    "headers": {**CONTRACT, "Retry-After": "1"},
}


class TestKeys:
    @pytest.mark.parametrize(
        ("header", "names"), [("X-Request-ID", list(CALLS)), ("Idempotency-Key", WRITES)]
    )
    def test_are_the_same_in_each_try(
        self, header: str, names: list[str], patient: Patient, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name in names:
            outcome(name, patient(retries=3), server, NEVER_LEFT["refused"])
            keys = [each.request.headers.get(header) for each in server.calls]
            if not keys[0] or keys != keys[:1] * 4:
                wrong.append((name, keys))

        assert wrong == []

    def test_come_with_the_same_body_in_each_try(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name in WRITES:
            outcome(name, patient(retries=3), server, NEVER_LEFT["refused"])
            bodies = [each.request.body for each in server.calls]
            if bodies != bodies[:1] * 4:
                wrong.append((name, bodies))

        assert wrong == []


class TestWrite:
    def test_that_never_left_is_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        assert wrong_outcomes(WRITES, PASSING, patient, server, kind=None, tries=2) == []

    def test_whose_answer_was_lost_is_not_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        kind = TWDeliveryUnknownError

        assert wrong_outcomes(WRITES, LOST, patient, server, kind=kind, tries=1) == []

    def test_whose_answer_was_lost_is_tried_again_once_the_server_has_shown_the_contract(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        def make() -> HttpTransport:
            transport = patient()
            hear_contract(transport, server)
            return transport

        assert wrong_outcomes(WRITES, LOST, make, server, kind=None, tries=2) == []

    def test_that_the_server_was_too_busy_for_is_not_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        firsts = {status: {"status": status} for status in BUSY}

        assert wrong_outcomes(WRITES, firsts, patient, server, kind=TWError, tries=1) == []

    def test_that_the_server_was_too_busy_for_is_tried_again_with_the_contract(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        """This very answer may be the first to show it."""
        firsts = {status: {"status": status, "headers": CONTRACT} for status in BUSY}

        assert wrong_outcomes(WRITES, firsts, patient, server, kind=None, tries=2) == []

    @pytest.mark.parametrize(
        ("first", "last", "is_refusal"),
        [
            ({"status": 503, "headers": CONTRACT}, {"status": 503, "headers": CONTRACT}, True),
            ({"status": 503}, {"status": 503, "headers": CONTRACT}, False),
            ({"status": 503, "headers": CONTRACT}, {"status": 503}, False),
            ({"status": 503, "headers": CONTRACT}, {"status": 500, "headers": CONTRACT}, False),
        ],
        ids=["both", "a proxy before", "a proxy after", "500"],
    )
    def test_was_not_done_if_the_server_was_too_busy_each_time(
        self,
        first: dict[str, Any],
        last: dict[str, Any],
        is_refusal: bool,
        patient: Patient,
        server: responses.RequestsMock,
    ) -> None:
        transport = patient(retries=1)
        hear_contract(transport, server)
        for each in (first, last):
            answer(server, "post_message", **each)

        assert failure("post_message", transport)._is_refusal is is_refusal

    def test_that_is_under_way_is_tried_again_with_the_contract(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        wrong = wrong_outcomes(WRITES, {409: UNDER_WAY}, patient, server, kind=None, tries=2)
        assert wrong == []

    def test_that_stays_under_way_is_in_doubt(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        for _ in range(3):
            answer(server, "post_message", **UNDER_WAY)
        error = failure("post_message", patient(retries=2))

        assert (type(error), error.code) == (TWDeliveryUnknownError, "in_progress")
        assert len(server.calls) == 3

    def test_is_refused_if_something_else_says_that_it_is_under_way(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        foreign = {**UNDER_WAY, "headers": {}}
        answer(server, "post_message", **foreign)

        assert type(failure("post_message", patient())) is TWProtocolError

    def test_whose_outcome_the_server_does_not_know_is_not_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        body = error_body("delivery_unknown")
        firsts = {502: {"status": 502, "json": body, "headers": CONTRACT}}
        kind = TWDeliveryUnknownError

        assert wrong_outcomes(WRITES, firsts, patient, server, kind=kind, tries=1) == []

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
        hear_contract(patient(), server)
        answer(server, "post_message", status=503)
        failure("post_message", patient())

        assert len(server.calls) == 1

    def test_whose_answer_is_not_the_contract_is_not_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", body="<html>", headers=CONTRACT)

        assert type(failure("post_message", patient())) is TWDeliveryUnknownError
        assert len(server.calls) == 1

    def test_that_is_refused_is_not_tried_again(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        statuses = [400, 401, 403, 404, 409, 422, 500]
        firsts = {status: {"status": status, "headers": CONTRACT} for status in statuses}

        assert wrong_outcomes(WRITES, firsts, patient, server, kind=TWError, tries=1) == []


class TestWriteInDoubt:
    """Its first try was lost, and so may have been done."""

    @pytest.fixture
    def transport(self, patient: Patient, server: responses.RequestsMock) -> HttpTransport:
        transport = patient(retries=1)
        hear_contract(transport, server)
        answer(server, "post_message", **LOST["reset"])
        return transport

    @pytest.mark.parametrize(
        "later",
        [
            NEVER_LEFT["refused"],
            NEVER_LEFT["certificate"],
            {"status": 302},
            {"status": 401},
            {"status": 429},
            {"status": 500},
            {"status": 502},
            {"status": 503},
            UNDER_WAY,
        ],
        ids=["refused", "certificate", "302", "401", "429", "500", "502", "503", "under way"],
    )
    def test_stays_so_when_a_later_try_says_nothing_of_it(
        self, later: dict[str, Any], transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", **later)

        assert type(failure("post_message", transport)) is TWDeliveryUnknownError
        assert len(server.calls) == 2

    def test_is_not_refused_by_a_server_that_is_too_busy_for_the_last_try(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", status=503, headers=CONTRACT)

        assert not failure("post_message", transport)._is_refusal

    def test_tells_of_the_doubt_and_of_the_last_try(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", status=429, headers=CONTRACT)
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
        body = error_body("not_found")
        answer(server, "post_message", status=status, json=body, headers=CONTRACT)

        assert type(failure("post_message", transport)) is kind

    def test_stays_so_when_no_connection_gets_free(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        """Another call has the only one, and still has it when this one ends."""
        gate = Gate()

        def pause(_: float) -> None:
            threads.start(lambda: call("get_me", transport))
            gate.wait_arrived()
            clock.advance(59.99)

        transport = make(ConnectionConfig(pool_size=1, total_timeout=60), clock=clock, pause=pause)
        hear_contract(transport, server)
        answer(server, "post_message", **LOST["reset"])
        server.add_callback("GET", f"{API}/me/", lambda _: gate() or (200, {}, json.dumps(ME)))
        with Threads(1) as threads:
            try:
                error = failure("post_message", transport)
            finally:
                gate.open()

        assert type(error) is TWDeliveryUnknownError
        assert "the last one: no connection was free for 0.01 s: pool_size is 1)" in str(error)

    def test_stays_so_when_the_time_is_over(
        self, make: Make, clock: Clock, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(), clock=clock, pause=lambda _: clock.advance(60))
        hear_contract(transport, server)
        answer(server, "post_message", **LOST["reset"])

        assert type(failure("post_message", transport)) is TWDeliveryUnknownError

    def test_stays_so_when_the_connection_is_closed(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(), pause=lambda _: transport.close())
        hear_contract(transport, server)
        answer(server, "post_message", **LOST["reset"])
        error = failure("post_message", transport)

        assert type(error) is TWDeliveryUnknownError
        assert "the last one: the Connection is closed)" in str(error)

    def test_is_the_first_of_all_the_errors_when_several_tries_were_lost(
        self, patient: Patient, server: responses.RequestsMock
    ) -> None:
        transport = patient(retries=2)
        hear_contract(transport, server)
        answer(server, "post_message", **NEVER_LEFT["refused"])
        answer(server, "post_message", **LOST["reset"])
        answer(server, "post_message", **NEVER_LEFT["refused"])
        text = str(failure("post_message", transport))

        assert text.startswith("the answer of teamwire.example:443 was lost (Connection reset")
        assert "(tried 3 times, the last one: can't reach" in text


@pytest.mark.parametrize(
    ("status", "headers", "is_refusal"),
    [(503, CONTRACT, True), (503, {}, False), (500, CONTRACT, False)],
)
def test_only_a_server_of_the_contract_refuses_a_write_with_503(
    status: int,
    headers: dict[str, str],
    is_refusal: bool,
    transport: HttpTransport,
    server: responses.RequestsMock,
) -> None:
    answer(server, "edit_chat", status=status, headers=headers)

    assert failure("edit_chat", transport)._is_refusal is is_refusal

"""The upstream's errors, as clients of the gateway get them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamwire_sync import (
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWImageLoadError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
    TWUnsupportedError,
)
from teamwire_sync._gateway.errors import refusal_for
from teamwire_sync._server.errors import refusal_answer

SECRET = "Basic c2VjcmV0 at https://upstream.example"


def refused(error: TWError) -> TWError:
    error._is_refusal = True
    return error


# The error, and status and code of the answer to a read and to a write.
TABLE: list[tuple[TWError, tuple[int, str], tuple[int, str]]] = [
    (TWUnsupportedError("x"), (501, "unsupported"), (501, "unsupported")),
    (TWNotFoundError("x", status=404, code="not_found"), (404, "not_found"), (404, "not_found")),
    (TWImageLoadError("x"), (404, "no_avatar"), (404, "no_avatar")),
    (TWInvalidMembersError("x"), (422, "invalid_members"), (422, "invalid_members")),
    (TWAuthError("x", status=403, code="not_admin"), (403, "not_admin"), (403, "not_admin")),
    (TWAuthError("x", status=403, code="odd"), (403, "forbidden"), (403, "forbidden")),
    (TWAuthError("x"), (403, "forbidden"), (403, "forbidden")),
    (TWRateLimitError("x"), (429, "rate_limited"), (429, "rate_limited")),
    (TWRequestError("x", status=409, code="chat_closed"), *2 * ((409, "chat_closed"),)),
    (TWRequestError("x", status=409, code="not_admin"), *2 * ((409, "conflict"),)),
    (TWRequestError("x", status=418), *2 * ((422, "invalid_request"),)),
    # What only the gateway can mend.
    (TWAuthError(SECRET, status=401, code="unauthorized"), *2 * ((503, "service_unavailable"),)),
    (TWAuthError(SECRET, code="unauthorized"), *2 * ((503, "service_unavailable"),)),
    (TWConfigError(SECRET), *2 * ((503, "service_unavailable"),)),
    (TWClosedError(SECRET), *2 * ((503, "service_unavailable"),)),
    # A write whose TWConnectionError this is was not sent.
    (TWTimeoutError(SECRET), (504, "gateway_timeout"), (503, "service_unavailable")),
    (TWConnectionError(SECRET), *2 * ((503, "service_unavailable"),)),
    (TWServerError(SECRET, status=500), (502, "bad_gateway"), (502, "delivery_unknown")),
    (refused(TWServerError(SECRET)), (502, "bad_gateway"), (503, "service_unavailable")),
    (TWProtocolError(SECRET), (502, "bad_gateway"), (502, "delivery_unknown")),
    (refused(TWProtocolError(SECRET)), (502, "bad_gateway"), (503, "service_unavailable")),
    (TWDeliveryUnknownError(SECRET), (502, "bad_gateway"), (502, "delivery_unknown")),
    (TWError(SECRET), (502, "bad_gateway"), (502, "delivery_unknown")),
]


@pytest.mark.parametrize(("error", "read", "write"), TABLE)
def test_each_error_is_one_of_the_contract(
    error: TWError, read: tuple[int, str], write: tuple[int, str]
) -> None:
    for writes, expected in ((False, read), (True, write)):
        answer = refusal_answer(refusal_for(error, writes=writes))
        told = json.loads(str(answer.body))["error"]

        assert (answer.status, told["code"]) == expected
        assert SECRET not in str(answer.body)


def test_a_client_reads_the_upstreams_reason_once() -> None:
    error = TWRequestError("409 for POST /x/: closed", status=409, method="POST", path="/x/")

    assert str(refusal_for(error, writes=True)) == "closed"


def test_who_is_no_member_is_named() -> None:
    error = TWInvalidMembersError("x", user_ids=["u1"], group_ids=["g1"])
    told = json.loads(str(refusal_answer(refusal_for(error, writes=True)).body))["error"]

    assert (told["user_ids"], told["group_ids"]) == (["u1"], ["g1"])


@pytest.mark.parametrize("kind", [TWRateLimitError, TWServerError])
def test_the_wait_that_the_upstream_asks_for_is_passed_on(kind: Any) -> None:
    answer = refusal_answer(refusal_for(kind("x", retry_after=1.2), writes=False))

    assert answer.headers == {"Retry-After": "2"}


def test_the_log_names_the_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    refusal_for(TWServerError(SECRET, status=500, code="internal_error"), writes=False)

    assert "TWServerError, status 500, internal_error" in caplog.text
    assert SECRET not in caplog.text

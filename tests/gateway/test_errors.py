"""The upstream's errors, as clients of the gateway get them."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
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
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT
from teamwire_sync._server.errors import refusal_answer
from tests.support.gateways import ServedGateway
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

POSTS = f"/v1/bot/chats/{KNOWN_CHAT}/messages/"

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
    (TWServerError(SECRET, status=503), (503, "service_unavailable"), (502, "delivery_unknown")),
    (TWServerError(SECRET, status=504), (504, "gateway_timeout"), (502, "delivery_unknown")),
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


UNABLE, UNKNOWN = (503, "service_unavailable"), (502, "delivery_unknown")
# Status and code of an upstream's response, and those of the gateway to a read and to a write.
STATUSES: list[tuple[tuple[int, str], tuple[int, str], tuple[int, str]]] = [
    *[
        (same, same, same)
        for same in (
            (400, "bad_request"),
            (403, "not_admin"),
            (404, "not_found"),
            (405, "method_not_allowed"),
            (409, "chat_closed"),
            (410, "unknown_revision"),
            (413, "payload_too_large"),
            (415, "unsupported_media_type"),
            (422, "invalid_members"),
            (422, "invalid_request"),
            (429, "rate_limited"),
            (501, "unsupported"),
        )
    ],
    ((301, "moved"), UNABLE, UNABLE),
    ((401, "unauthorized"), UNABLE, UNABLE),
    ((404, "no_such_path"), (502, "bad_gateway"), UNABLE),
    ((408, "http_408"), *2 * ((422, "invalid_request"),)),
    ((409, "in_progress"), (502, "bad_gateway"), UNKNOWN),
    ((500, "internal_error"), (502, "bad_gateway"), UNKNOWN),
    ((501, "http_501"), (502, "bad_gateway"), UNKNOWN),
    ((502, "bad_gateway"), (502, "bad_gateway"), UNKNOWN),
    ((502, "delivery_unknown"), (502, "bad_gateway"), UNKNOWN),
    ((503, "service_unavailable"), UNABLE, UNABLE),
    ((504, "gateway_timeout"), (504, "gateway_timeout"), UNKNOWN),
]


def failed(connection: Connection, box: Sandbox, given: tuple[int, str], *, writes: bool) -> Any:
    """The error of a request whose upstream responds with this status and code."""
    route = ("POST", POSTS) if writes else ("GET", "/v1/bot/users/")
    body = json.dumps({"error": {"code": given[1], "message": "the reason"}})
    box.fault(*route, status=given[0], times=1, body=body, retry_after=7)
    chat, users = connection.chats.at(KNOWN_CHAT), connection.users
    with pytest.raises(TWError) as caught:
        chat.post("hello") if writes else [*users.get_all()]
    return caught.value


@pytest.mark.parametrize("writes", [False, True], ids=["read", "write"])
@pytest.mark.parametrize(("given", "read", "write"), STATUSES)
def test_each_response_of_the_upstream_has_its_error(
    over_http: ServedGateway,
    box: Sandbox,
    given: tuple[int, str],
    read: tuple[int, str],
    write: tuple[int, str],
    *,
    writes: bool,
) -> None:
    """An error about the request is the same one as without a gateway, with the same text."""
    config = ConnectionConfig(retries=0)
    error = failed(over_http.connect(config=config), box, given, writes=writes)
    direct = failed(box.connect(config=config), box, given, writes=writes)
    # An upstream that keeps the contract sends some of them to other operations only.
    over_http.faults.clear()

    assert (error.status, error.code) == (write if writes else read)
    if given == read == write != UNABLE:
        assert (type(error), str(error)) == (type(direct), str(direct))
    if error.status in {429, 503}:
        assert error.retry_after == getattr(direct, "retry_after", None)


@pytest.mark.parametrize(
    "given", [(403, "forbidden"), (404, "not_found"), (422, "invalid_members")]
)
def test_a_client_reads_the_vendors_reason_once(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, given: tuple[int, str]
) -> None:
    with playing("1.8", box, monkeypatch):
        upstream = Connection.from_vendor()._transport
        with closing(ServedGateway(upstream)) as gateway:
            error = failed(gateway.connect(), box, given, writes=True)

    assert (error.status, error.code) == given
    assert str(error).count("the reason") == 1
    assert "chat.post" not in str(error)


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

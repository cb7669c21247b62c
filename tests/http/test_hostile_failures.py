"""Failures that hypothesis spoils: each is the error of its status, in one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamwire_sync import (
    TWAuthError,
    TWConfigError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
)
from teamwire_sync._transports.answers import Answer
from teamwire_sync._transports.sessions import Received
from teamwire_sync._transports.wire import (
    OPERATIONS,
)
from tests.support.builders import (
    pickled,
)

pytest.importorskip("hypothesis", reason="the answers are spoilt by hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.spoiling import VALUES, some, spoilt
from tests.support.whole_models import check_text

BY_STATUS: dict[int, type[TWError]] = {
    **dict.fromkeys((201, 202, 204, 206, 304), TWProtocolError),
    **dict.fromkeys((301, 302, 307, 308), TWConfigError),
    **dict.fromkeys((400, 405, 409, 410, 413, 415, 418, 422, 499), TWRequestError),
    **dict.fromkeys((401, 403), TWAuthError),
    404: TWNotFoundError,
    429: TWRateLimitError,
    **dict.fromkeys((500, 502, 503, 504, 599, 600, 999), TWServerError),
}
ERROR = {
    "error": {"code": "invalid_members", "message": "no", "user_ids": ["u1"], "group_ids": ["g1"]}
}


def failed(status: int, body: bytes, headers: dict[str, str] | None = None) -> TWError:
    received = Received(status, headers or {}, (headers or {}).get("Location", ""), body)
    context = {"method": "GET", "path": "/v1/bot/me/", "status": status, "request_id": "r1"}
    answer = Answer(OPERATIONS["get_me"], received, context, str)
    with pytest.raises(TWError) as caught:
        answer.require_success()
    check_text(caught.value)
    return caught.value


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


class TestFailures:
    @pytest.mark.parametrize("status", BY_STATUS)
    @settings(some, max_examples=60)
    @given(
        body=st.binary(max_size=50)
        | spoilt(ERROR).map(json_bytes)
        | VALUES.map(lambda value: json_bytes({"error": value})),
        headers=st.dictionaries(
            st.sampled_from(["Retry-After", "Location", "Content-Type"]),
            st.text(st.characters(max_codepoint=255))
            | st.sampled_from(
                ["9" * 5000, "Mon, 99 Foo 99999 99:99:99", "http://[::1", "//a:99999"]
            ),
        ),
    )
    def test_a_status_gives_its_class_whatever_comes_with_it(
        self, status: int, body: bytes, headers: dict[str, str]
    ) -> None:
        error = failed(status, body, headers)

        assert isinstance(error, BY_STATUS[status])
        assert type(error) in {BY_STATUS[status], TWInvalidMembersError}
        assert error.status == status
        assert error.code is None or (type(error.code) is str and error.code.isprintable())
        assert (type(pickled(error)), str(pickled(error))) == (type(error), str(error))

    def test_a_long_message_is_cut(self) -> None:
        body = json_bytes({"error": {"message": "x" * 1_000_000}})

        assert len(str(failed(500, body))) < 400

    def test_more_than_a_mebibyte_says_nothing(self) -> None:
        body = json_bytes({"error": {"message": "x" * 2**20}})

        assert str(failed(500, body)) == "500 for GET /v1/bot/me/: no reason given"

"""Failures that hypothesis spoils: each is the error of its status, in one line."""

from __future__ import annotations

import json
import math
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
    TWUnsupportedError,
)
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._http.responses import Response
from teamwire_sync._http.sessions import RawResponse
from tests.support.builders import pickled

pytest.importorskip("hypothesis", reason="the answers are spoilt by hypothesis")

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.spoiling import VALUES, some, spoilt
from tests.support.transport_calls import CONTRACT
from tests.support.whole_models import check_text

BY_STATUS: dict[int, type[TWError]] = {
    **dict.fromkeys((201, 202, 204, 206, 304), TWProtocolError),
    **dict.fromkeys((301, 302, 307, 308), TWConfigError),
    **dict.fromkeys((400, 405, 409, 410, 413, 415, 418, 422, 499), TWRequestError),
    **dict.fromkeys((401, 403), TWAuthError),
    404: TWProtocolError,
    429: TWRateLimitError,
    **dict.fromkeys((500, 502, 503, 504, 599, 600, 999), TWServerError),
}
# By a code in the body.
_BY_CODE = {404: (TWNotFoundError,), 422: (TWInvalidMembersError,), 501: (TWUnsupportedError,)}
ERROR = {
    "error": {"code": "invalid_members", "message": "no", "user_ids": ["u1"], "group_ids": ["g1"]}
}


def failed(status: int, body: bytes, headers: dict[str, str] | None = None) -> TWError:
    headers = {**CONTRACT, **(headers or {})}
    raw = RawResponse(status, headers, headers.get("Location", ""), body)
    context = {"method": "GET", "path": "/v1/bot/me/", "status": status, "request_id": "r1"}
    return Response(
        OPERATIONS["get_me"], raw, True, context, str, "https://teamwire.example"
    ).error()


def is_sound(error: TWError) -> bool:
    """It can be shown and pickled."""
    try:
        check_text(error)
    except AssertionError:
        return False
    again, code = pickled(error), error.code
    same = (type(again), str(again)) == (type(error), str(error))
    return same and (code is None or (type(code) is str and code.isprintable()))


def json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


class TestFailures:
    @some
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
    @example(body=json_bytes({"error": {"code": 10**700}}), headers={})
    @example(body=json_bytes({"error": {"code": math.inf}}), headers={})
    def test_a_status_gives_its_class_whatever_comes_with_it(
        self, body: bytes, headers: dict[str, str]
    ) -> None:
        wrong = []
        for status, kind in BY_STATUS.items():
            error = failed(status, body, headers)
            fits = type(error) in {kind, *_BY_CODE.get(status, ())}
            if not fits or error.status != status or not is_sound(error):
                wrong.append((status, error))

        assert wrong == []

    def test_a_long_message_is_cut(self) -> None:
        error = failed(500, json_bytes({"error": {"message": "x" * 1_000_000}}))

        assert is_sound(error)
        assert len(str(error)) < 400

    def test_more_than_a_mebibyte_says_nothing(self) -> None:
        body = json_bytes({"error": {"message": "x" * 2**20}})

        assert str(failed(500, body)) == "500 for GET /v1/bot/me/: no reason given"

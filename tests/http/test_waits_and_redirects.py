"""Retry-After, and redirects."""

from __future__ import annotations

import math
import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
import responses

from teamwire_sync import (
    TWConfigError,
    TWRateLimitError,
    TWServerError,
)
from tests.support.transport_calls import ME, Make, answer, each_call, failure

if TYPE_CHECKING:
    from teamwire_sync._transports.http import HttpTransport


class TestRetryAfter:
    def wait_of(
        self,
        value: str | None,
        transport: HttpTransport,
        server: responses.RequestsMock,
        status: int = 429,
    ) -> float | None:
        headers = {} if value is None else {"Retry-After": value}
        answer(server, "get_me", status=status, headers=headers)
        error = failure("get_me", transport)
        assert isinstance(error, (TWRateLimitError, TWServerError))
        return error.retry_after

    @pytest.mark.parametrize("status", [429, 500, 503])
    @pytest.mark.parametrize(("value", "seconds"), [("0", 0.0), ("7", 7.0), (" 120 ", 120.0)])
    def test_is_a_number_of_seconds(
        self,
        value: str,
        seconds: float,
        status: int,
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        assert self.wait_of(value, transport, server, status) == seconds

    @pytest.mark.parametrize(("later", "seconds"), [(30, 30.0), (0, 0.0), (-3600, 0.0)])
    def test_is_a_date(
        self,
        later: int,
        seconds: float,
        transport: HttpTransport,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
        value = formatdate(1_700_000_000 + later, usegmt=True)

        assert self.wait_of(value, transport, server) == seconds

    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs time.tzset")
    @pytest.mark.parametrize(
        "value",
        ["Tue Nov 14 22:13:50 2023", "Tue, 14 Nov 2023 22:13:50 -0000"],
        ids=["asctime", "no zone"],
    )
    def test_a_date_without_a_zone_is_in_utc(
        self,
        value: str,
        transport: HttpTransport,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
        try:
            with monkeypatch.context() as patch:
                patch.setenv("TZ", "America/Los_Angeles")
                time.tzset()
                wait = self.wait_of(value, transport, server)
        finally:
            time.tzset()

        assert wait == 30.0

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "soon",
            "-5",
            "1.5",
            "1e3",
            "nan",
            "inf",
            "²",
            "7, 8",
            "Tue, 14 Nov 2023",
            "Tue, 99 Nov 2023 22:13:20 GMT",
            "Tue, 14 Nov 2023 22:13:20 +9999",
            "Tue, 14 Nov 99999999999999999999 22:13:20 GMT",
            "Mon, 01 Jan 0001 00:00:00 +2300",
            "jan ,1 , -0000 00:00:00",
        ],
        ids=ascii,
    )
    def test_garbage_is_no_wait(
        self, value: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        assert self.wait_of(value, transport, server) in {None, 0.0}

    def test_nobody_waits_for_ever(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wait = self.wait_of("9" * 400, transport, server)

        assert wait is None or math.isfinite(wait)

    def test_there_may_be_none(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        assert self.wait_of(None, transport, server) is None

    def test_the_text_says_how_long_to_wait(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=429, headers={"Retry-After": "7"})

        assert str(failure("get_me", transport)).endswith("; try again in 7 s")


class TestRedirects:
    @each_call
    @pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
    def test_are_refused_and_not_followed(
        self, name: str, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        to = "https://login.example/sso?next=/v1/bot"
        answer(server, name, status=status, body="", headers={"Location": to})
        server.add(responses.GET, re.compile("https://login.example/.*"), json=ME)
        error = failure(name, transport)

        assert type(error) is TWConfigError
        assert "redirects to https://login.example, which is not followed" in str(error)
        assert "correct the URL" in str(error)
        assert len(server.calls) == 1

    def test_a_password_in_the_target_is_not_shown(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {"Location": "https://app:passw0rd@login.example/"}
        answer(server, "get_me", status=302, body="", headers=headers)

        assert "https://login.example," in str(failure("get_me", transport))

    @pytest.mark.parametrize(
        "to",
        [
            None,
            "",
            "/login/",
            "https://",
            "http://[oops/",
            "https://login.example:port/",
            "https://login.example:99999/",
            "/login/\xe9",
        ],
        ids=ascii,
    )
    @pytest.mark.parametrize("name", ["get_me", "create_chat"])
    def test_a_target_that_is_none(
        self, name: str, to: str | None, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {} if to is None else {"Location": to}
        answer(server, name, status=302, body="", headers=headers)

        assert type(failure(name, transport)) is TWConfigError

    def test_the_port_of_the_target_is_named(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        """Else it reads as though the server redirected to itself."""
        headers = {"Location": "https://teamwire.example:8443/v1/bot/me/"}
        answer(server, "get_me", status=308, body="", headers=headers)

        assert "https://teamwire.example:8443" in str(failure("get_me", make()))

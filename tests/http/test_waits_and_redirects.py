"""Retry-After, and redirects."""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWConfigError
from tests.support.transport_calls import CALLS, Make, answer, failure, outcome

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport

GARBAGE = [
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
]


# These are no dates, but servers and proxies send them as a number of seconds.
READABLE = {"1.5": 1.5, "7, 8": 7.0}


class TestRetryAfter:
    def wait_of(
        self,
        value: str | None,
        transport: HttpTransport,
        server: responses.RequestsMock,
        status: int = 429,
        date: str | None = None,
    ) -> Any:
        named = {"Retry-After": value, "Date": date}
        headers = {name: text for name, text in named.items() if text is not None}
        how = {"status": status, "headers": headers}
        error, _ = outcome("get_me", transport, server, how)
        return getattr(error, "retry_after", error)

    def test_is_a_number_of_seconds(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        rows = {"0": 0.0, "7": 7.0, " 120 ": 120.0}
        for (value, seconds), status in product(rows.items(), [429, 500, 503]):
            wait = self.wait_of(value, transport, server, status)
            if wait != seconds:
                wrong.append((value, status, wait))

        assert wrong == []

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

    @pytest.mark.parametrize("ahead", [-86_400, -600, 0, 600, 10**9])
    def test_a_date_is_compared_with_the_clock_of_the_server(
        self, ahead: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        now = int(time.time()) + ahead
        dates = [formatdate(each, usegmt=True) for each in (now + 2, now)]

        assert self.wait_of(dates[0], transport, server, date=dates[1]) == 2.0

    @pytest.mark.parametrize("date", [each for each in GARBAGE if "0001" not in each])
    def test_a_date_of_the_server_that_is_garbage_does_not_count(
        self,
        date: str,
        transport: HttpTransport,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
        value = formatdate(1_700_000_030, usegmt=True)

        assert self.wait_of(value, transport, server, date=date) == 30.0

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

    def test_garbage_is_no_wait(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        values = [value for value in GARBAGE if value not in READABLE]
        waits = {value: self.wait_of(value, transport, server) for value in values}

        assert {value: wait for value, wait in waits.items() if wait not in {None, 0.0}} == {}

    @pytest.mark.parametrize(("value", "wait"), READABLE.items())
    def test_a_fraction_or_the_first_of_two_numbers_counts(
        self, value: str, wait: float, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        assert self.wait_of(value, transport, server) == wait

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
    def test_are_refused_and_not_followed(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        text = (
            "the server redirects to https://login.example, but redirects are not followed: "
            "correct the URL"
        )
        headers = {"Location": "https://login.example/sso?next=/v1/bot"}
        wrong = []
        for name, status in product(CALLS, [300, 301, 302, 303, 307, 308]):
            how = {"status": status, "body": "", "headers": headers}
            error, tries = outcome(name, transport, server, how)
            if (type(error), str(error), tries) != (TWConfigError, text, 1):
                wrong.append((name, status, error, tries))

        assert wrong == []

    def test_a_password_in_the_target_is_not_shown(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {"Location": "https://app:passw0rd@login.example/"}
        answer(server, "get_me", status=302, body="", headers=headers)

        assert "https://login.example," in str(failure("get_me", transport))

    def test_a_target_without_the_name_of_a_host_is_another_address(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        text = (
            "the server redirects to another address, but redirects are not followed: "
            "correct the URL"
        )
        wrong = []
        targets = [
            None,
            "",
            "/v1/elsewhere/",
            "?next=1",
            "/login/\xe9",
            "https://",
            "http://[oops/",
        ]
        for name, to in product(["get_me", "create_chat"], targets):
            headers = {} if to is None else {"Location": to}
            how = {"status": 302, "body": "", "headers": headers}
            error, _ = outcome(name, transport, server, how)
            if (type(error), str(error)) != (TWConfigError, text):
                wrong.append((name, to, error))

        assert wrong == []

    @pytest.mark.parametrize("port", ["port", "99999"])
    def test_a_port_that_is_none_is_not_named(
        self, port: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {"Location": f"https://login.example:{port}/"}
        answer(server, "get_me", status=302, body="", headers=headers)

        assert "redirects to https://login.example," in str(failure("get_me", transport))

    def test_the_port_of_the_target_is_named(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        """Else it reads as though the server redirected to itself."""
        headers = {"Location": "https://teamwire.example:8443/v1/bot/me/"}
        answer(server, "get_me", status=308, body="", headers=headers)

        assert "https://teamwire.example:8443" in str(failure("get_me", make()))

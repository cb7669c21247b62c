"""Retry-After, and redirects."""

from __future__ import annotations

import math
import time
from email.utils import formatdate
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from teamwire_sync import ConnectionConfig, TWConfigError
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.transport_calls import (
    CALLS,
    CONTRACT,
    NO_CONTRACT,
    SECRET,
    Make,
    answer,
    failure,
    outcome,
)

if TYPE_CHECKING:
    import responses

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

        assert str(failure("get_me", transport)).endswith(f"; {NO_CONTRACT}; try again in 7 s")


class TestRedirects:
    def test_are_refused_and_not_followed(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {"Location": "https://login.example/sso?next=/v1/bot"}
        wrong = []
        for name, status in product(CALLS, [300, 301, 302, 303, 307, 308]):
            how = {"status": status, "body": "", "headers": headers}
            error, tries = outcome(name, transport, server, how)
            end = f": a redirect to https://login.example; {NO_CONTRACT}"
            text = str(error)
            if (type(error), tries) != (TWConfigError, 1) or not text.endswith(end):
                wrong.append((name, status, error, tries))

        assert wrong == []

    def test_of_the_server_itself_is_about_the_url(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {**CONTRACT, "Location": "https://login.example/"}
        answer(server, "get_me", status=302, body="", headers=headers)

        assert str(failure("get_me", transport)) == (
            "302 for GET /v1/bot/me/: a redirect to https://login.example; redirects are not "
            "followed: correct the URL"
        )

    @pytest.mark.parametrize(
        ("url", "to", "text"),
        [
            ("http://teamwire.example", "https://teamwire.example/v1/bot/me/", "use {}"),
            ("http://TEAMWIRE.example:80", "https://teamwire.example:8443/", "use {}:8443"),
            (
                "http://127.0.0.1:8080",
                "https://127.0.0.1/v1/bot/me/",
                "use https://127.0.0.1, or the host name in the server's certificate",
            ),
            (
                "http://[::1]:8080",
                "https://[::1]:8443/",
                "use https://[::1]:8443, or the host name in the server's certificate",
            ),
        ],
    )
    def test_to_https_says_which_url_to_use(
        self, url: str, to: str, text: str, make: Make, server: responses.RequestsMock
    ) -> None:
        config = ConnectionConfig(allow_insecure_http=True)
        transport = HttpTransport(Credentials("app", SECRET, url), config)
        server.get(f"{url}/v1/bot/me/", status=301, headers={"Location": to})
        error = failure("get_me", transport)

        assert type(error) is TWConfigError
        step = text.format("https://teamwire.example")
        assert str(error).endswith(f"; {step}; {NO_CONTRACT}")

    @pytest.mark.parametrize(
        ("to", "where"),
        [
            ("/login/?next=%2Fv1%2Fbot", "/login/"),
            ("https://teamwire.example/login;jsessionid=1", "/login"),
            ("?next=1", "/"),
            ("/login/\xe9\x1b[2J", "/login/é [2J"),
            ("https://teamwire.example", "/"),
            ("http://teamwire.example/v1/bot/me/", "http://teamwire.example"),
            ("//other.example/login", "https://other.example"),
            ("https://", "/"),
            ("http://[oops/", "another address"),
            ("mailto:admin@teamwire.example", "another address"),
        ],
    )
    def test_the_target_is_named_without_its_query(
        self, to: str, where: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name in ["get_me", "create_chat"]:
            how = {"status": 302, "body": "", "headers": {"Location": to}}
            error, _ = outcome(name, transport, server, how)
            if f": a redirect to {where}; {NO_CONTRACT}" not in str(error):
                wrong.append((name, error))

        assert wrong == []

    @pytest.mark.parametrize("headers", [{}, {"Location": ""}], ids=str)
    def test_without_a_target_is_the_reason_of_its_page(
        self, headers: dict[str, str], transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=302, body="<title>302 Found</title>", headers=headers)
        error = failure("get_me", transport)

        assert type(error) is TWConfigError
        assert str(error) == f"302 for GET /v1/bot/me/: 302 Found; {NO_CONTRACT}"

    @pytest.mark.parametrize("user", ["app:passw0rd@", f"app:{quote(SECRET)}@", ""])
    def test_a_password_or_the_secret_in_the_target_is_not_shown(
        self, user: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """`failure` looks for the Secret."""
        path = f"/{quote(SECRET)}/"
        for host in ["login.example", "teamwire.example"]:
            headers = {"Location": f"https://{user}{host}{path}"}
            error, _ = outcome(
                "get_me", transport, server, {"status": 302, "body": "", "headers": headers}
            )

            assert type(error) is TWConfigError
            assert "passw0rd" not in str(error)

    @pytest.mark.parametrize("port", ["port", "99999"])
    def test_a_port_that_is_none_is_not_named(
        self, port: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        headers = {"Location": f"https://login.example:{port}/"}
        answer(server, "get_me", status=302, body="", headers=headers)

        assert "a redirect to https://login.example;" in str(failure("get_me", transport))

    def test_the_port_of_the_target_is_named(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        """Else it reads as though the server redirected to itself."""
        headers = {"Location": "https://teamwire.example:8443/v1/bot/me/"}
        answer(server, "get_me", status=308, body="", headers=headers)

        assert "a redirect to https://teamwire.example:8443;" in str(failure("get_me", make()))

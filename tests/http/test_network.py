"""What the network did in place of an answer."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from itertools import product
from typing import TYPE_CHECKING, Any, Callable

import pytest
import requests
from urllib3.exceptions import (
    ClosedPoolError,
    ConnectTimeoutError,
    InvalidHeader,
    LocationParseError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from teamwire_sync import (
    ConnectionConfig,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWTimeoutError,
)
from teamwire_sync._http.sockets import mark_unsent
from tests.support.transport_calls import (
    CALLS,
    FIND_OUT,
    READS,
    SECRET,
    WRITES,
    Make,
    answer,
    failure,
    outcome,
    sent,
    wrong_outcomes,
)

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport


def pool_error(reason: Exception | None) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


def refused() -> Exception:
    error = NewConnectionError(None, "no")  # type: ignore[arg-type]
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


def unknown_host() -> Exception:
    why = socket.gaierror(-2, "Name unknown")
    error = NewConnectionError(None, str(why))  # type: ignore[arg-type]
    error.__cause__ = why
    return error


def unreachable_proxy() -> Exception:
    why = OSError(113, "No route")
    mark_unsent(why)
    return requests.exceptions.ProxyError(MaxRetryError(None, "/", ProxyError("no", why)))  # type: ignore[arg-type]


def failing(causes: dict[str, Callable[[], Exception]]) -> dict[str, dict[str, Any]]:
    """What comes in place of an answer."""
    return {why: {"body": cause} for why, cause in causes.items()}


NEVER_LEFT = failing(
    {
        "refused": lambda: pool_error(refused()),
        "no such host": lambda: pool_error(unknown_host()),
        "connect time-out": lambda: requests.ConnectTimeout(
            MaxRetryError(None, "/", ConnectTimeoutError("slow"))  # type: ignore[arg-type]
        ),
        "closed meanwhile": lambda: requests.ConnectionError(
            ClosedPoolError(None, "Pool is closed.")  # type: ignore[arg-type]
        ),
        "proxy": unreachable_proxy,
        "certificate": lambda: requests.exceptions.SSLError(
            MaxRetryError(
                None,  # type: ignore[arg-type]
                "/",
                SSLError(ssl.SSLCertVerificationError(1, "certificate verify failed")),
            )
        ),
        "no host": lambda: requests.exceptions.InvalidURL("URL has an invalid label."),
        "proxy without host": lambda: requests.exceptions.InvalidProxyURL("check proxy URL"),
        "SOCKS without PySocks": lambda: requests.exceptions.InvalidSchema("Missing dependencies"),
        "no CA bundle": lambda: OSError("Could not find a suitable TLS CA certificate bundle"),
        "label too long": lambda: LocationParseError("'x', label empty or too long"),
    }
)
LOST = failing(
    {
        "behind a proxy": lambda: requests.exceptions.ProxyError(
            MaxRetryError(None, "/", ProxyError("no", ConnectionResetError(104, "reset")))  # type: ignore[arg-type]
        ),
        "reset": lambda: requests.ConnectionError(
            ProtocolError(
                "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
            )
        ),
        "no answer": lambda: requests.ReadTimeout(ReadTimeoutError(None, "/", "Read timed out.")),  # type: ignore[arg-type]
        "no rest": lambda: requests.exceptions.ChunkedEncodingError(
            ProtocolError("IncompleteRead(3 bytes read, 7 more expected)")
        ),
        "no rest in time": lambda: requests.ConnectionError(
            ReadTimeoutError(None, "/", "Read timed out.")  # type: ignore[arg-type]
        ),
        "no gzip": lambda: requests.exceptions.ContentDecodingError("incorrect header check"),
        "broken TLS": lambda: requests.exceptions.SSLError(
            MaxRetryError(None, "/", SSLError(ssl.SSLError(1, "bad record mac")))  # type: ignore[arg-type]
        ),
        "two lengths": lambda: requests.exceptions.InvalidHeader(
            InvalidHeader("Content-Length contained multiple unmatching values (1, 2)")
        ),
        "unknown": requests.RequestException,
    }
)
# What never left, and goes well once the network does, or the next try says that it is closed.
_PASSING = ("closed meanwhile", "refused", "no such host", "connect time-out", "proxy")
PASSING = {why: NEVER_LEFT[why] for why in _PASSING}
LASTING = {why: how for why, how in NEVER_LEFT.items() if why not in PASSING}


class TestNoAnswer:
    def test_of_a_read_is_a_connection_error(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        firsts = {**NEVER_LEFT, **LOST}
        kind = (TWConnectionError, TWConfigError)

        assert wrong_outcomes(READS, firsts, make, server, kind=kind, tries=1) == []

    def test_a_write_that_never_left_is_one_too(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        kind = (TWConnectionError, TWConfigError)

        assert wrong_outcomes(WRITES, NEVER_LEFT, make, server, kind=kind, tries=1) == []

    def test_a_write_whose_answer_was_lost_may_have_happened(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name, (why, how) in product(WRITES, LOST.items()):
            _, method, path, _ = CALLS[name]
            error, _ = outcome(name, transport, server, how)
            text = (
                r"the answer of teamwire\.example:443 was lost \(.+\): "
                rf"it may have done {method} /v1/bot{path} or not; {re.escape(FIND_OUT[name])}"
            )
            if type(error) is not TWDeliveryUnknownError or not re.fullmatch(text, str(error)):
                wrong.append((name, why, error))

        assert wrong == []

    @pytest.mark.parametrize(
        "why", ["no answer", "no rest in time", "connect time-out"], ids=lambda why: why
    )
    def test_a_time_out_is_called_so(
        self, why: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", **{**NEVER_LEFT, **LOST}[why])
        error = failure("get_me", transport)

        assert isinstance(error, TWTimeoutError)
        assert str(error) == "no answer from teamwire.example:443 within 10 s"

    @pytest.mark.parametrize(
        ("why", "text"),
        [
            ("refused", "can't reach {}: Connection refused"),
            ("no such host", "can't reach {}: Name unknown"),
            ("reset", "can't reach {}: Connection reset by peer"),
            ("proxy", "can't reach {} through the proxy: No route"),
            ("certificate", "no TLS connection to {}: certificate verify failed"),
            ("no gzip", "can't reach {}: incorrect header check"),
            ("unknown", "can't reach {}: RequestException"),
        ],
    )
    def test_the_text_names_host_port_and_what_the_system_says(
        self, why: str, text: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", **{**NEVER_LEFT, **LOST}[why])

        assert str(failure("get_me", transport)) == text.format("teamwire.example:443")

    def test_the_original_is_kept_as_text(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", **NEVER_LEFT["refused"])

        assert failure("get_me", transport).cause == "ConnectionError: Connection refused"

    def test_the_error_knows_the_request(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_user", **NEVER_LEFT["refused"])
        error = failure("get_user", transport)

        assert (error.method, error.path, error.status) == ("GET", "/v1/bot/users/u1/", None)
        assert error.request_id == sent(server).headers["X-Request-ID"]

    @pytest.mark.parametrize(
        ("url", "named"),
        [
            ("https://teamwire.example", "teamwire.example:443"),
            ("https://teamwire.example:8443", "teamwire.example:8443"),
            ("http://127.0.0.1", "127.0.0.1:80"),
            ("https://[::1]:8443", "[::1]:8443"),
        ],
    )
    def test_host_and_port_are_named(
        self, url: str, named: str, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{url}/v1/bot/me/", body=NEVER_LEFT["refused"]["body"]())

        assert f"can't reach {named}: " in str(failure("get_me", make(url=url)))

    @pytest.mark.parametrize("name", ["get_me", "create_chat"])
    def test_a_server_that_answers_with_the_secret_does_not_make_us_show_it(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """`failure` looks for it: a server may quote the header as its status line."""
        pair = base64.b64encode(f"app:{SECRET}".encode()).decode()
        answer(server, name, body=requests.ConnectionError(ProtocolError(f"Basic {pair} {SECRET}")))

        assert "***" in str(failure(name, transport))

    def test_an_error_that_goes_in_a_circle_ends(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        one, other = OSError("one"), OSError("other")
        one.__cause__, other.__cause__ = other, one
        answer(server, "get_me", body=requests.ConnectionError(one))

        assert "can't reach" in str(failure("get_me", transport))

    @pytest.mark.parametrize("name", ["get_me", "create_chat"])
    def test_a_port_where_nobody_listens(self, name: str, make: Make) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            error = failure(name, make(url=f"http://127.0.0.1:{port}"))

        assert type(error) is TWConnectionError
        assert str(error) == f"can't reach 127.0.0.1:{port}: Connection refused"

    def test_a_server_that_does_not_answer(self, make: Make) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            transport = make(
                ConnectionConfig(default_timeout=0.05, retries=0), url=f"http://127.0.0.1:{port}"
            )
            error = failure("get_me", transport)

        assert str(error) == f"no answer from 127.0.0.1:{port} within 0.05 s"
        assert isinstance(error, TWTimeoutError)

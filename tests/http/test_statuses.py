"""Which error each status is."""

from __future__ import annotations

import base64
import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWDeliveryUnknownError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
)
from tests.support.transport_calls import (
    FIND_OUT,
    SECRET,
    WRITES,
    Make,
    answer,
    error_body,
    failure,
    outcome,
    sent,
    wrong_outcomes,
)

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport

STATUSES: list[tuple[int, type[TWError], type[TWError]]] = [
    (400, TWRequestError, TWRequestError),
    (401, TWAuthError, TWAuthError),
    (403, TWAuthError, TWAuthError),
    (404, TWNotFoundError, TWNotFoundError),
    (405, TWRequestError, TWRequestError),
    (409, TWRequestError, TWRequestError),
    (413, TWRequestError, TWRequestError),
    (415, TWRequestError, TWRequestError),
    (418, TWRequestError, TWRequestError),
    (422, TWRequestError, TWRequestError),
    (429, TWRateLimitError, TWRateLimitError),
    (500, TWServerError, TWServerError),
    (501, TWServerError, TWServerError),
    (502, TWServerError, TWDeliveryUnknownError),
    (503, TWServerError, TWServerError),
    (504, TWServerError, TWDeliveryUnknownError),
    (599, TWServerError, TWServerError),
]
HTML = "<html><body><h1>It works</h1></body></html>"
BODIES = {
    "json": json.dumps(error_body("some_code", "some reason")),
    "html": HTML,
    "empty": "",
    "wrong types": '{"error": {"code": 5, "message": ["x"]}}',
    "string": '{"error": "x"}',
    "deep": "[" * 100_000,
}


class TestStatus:
    def test_of_a_read(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        wrong = []
        for (status, kind, _), (what, body) in product(STATUSES, BODIES.items()):
            error, _ = outcome("get_me", transport, server, {"status": status, "body": body})
            if type(error) is not kind:
                wrong.append((status, what, error))

        assert wrong == []

    def test_of_a_write(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        wrong = []
        for name, (status, _, kind) in product(WRITES, STATUSES):
            error, _ = outcome(name, transport, server, {"status": status, "body": HTML})
            if type(error) is not kind:
                wrong.append((name, status, error))

        assert wrong == []

    def test_the_error_knows_the_request_and_the_answer(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_user", status=409, json=error_body("a_code", "a reason"))
        error = failure("get_user", transport)

        assert (error.status, error.code) == (409, "a_code")
        assert (error.method, error.path) == ("GET", "/v1/bot/users/u1/")
        assert error.request_id == sent(server).headers["X-Request-ID"]
        assert str(error) == "409 for GET /v1/bot/users/u1/: a reason"

    def test_the_path_in_an_error_is_without_the_query(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "list_chats", status=500)
        error = failure("list_chats", make(ConnectionConfig(page_size=3)))

        assert error.path == "/v1/bot/chats/"
        assert "limit" not in str(error)

    def test_the_request_id_is_that_of_the_answer(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=500, headers={"X-Request-ID": "theirs"})

        assert failure("get_me", transport).request_id == "theirs"

    @pytest.mark.parametrize("status", [400, 500])
    def test_a_page_of_a_proxy_is_not_shown(
        self, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=status, body=HTML)
        error = failure("get_me", transport)

        assert str(error) == f"{status} for GET /v1/bot/me/: no reason given"
        assert error.code is None

    @pytest.mark.parametrize("status", [403, 500])
    def test_a_page_is_taken_for_that_of_a_proxy(
        self, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=status, body=HTML, content_type="text/html; charset=utf-8")

        assert "an HTML page, so a proxy sent it" in str(failure("get_me", transport))

    def test_a_reason_is_one_line_of_bounded_length(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=400, json=error_body("x", "a\r\n\tb\n" * 1000))
        text = str(failure("get_me", transport))

        assert text.isprintable()
        assert len(text) < 400

    def test_control_characters_in_a_reason_do_not_reach_the_terminal(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=400, json=error_body("x", "\x1b[2Ja\x07\x00b"))

        assert str(failure("get_me", transport)).isprintable()

    def test_a_server_that_quotes_the_secret_does_not_make_us_show_it(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        """`wrong_outcomes` looks for it."""
        pair = base64.b64encode(f"app:{SECRET}".encode()).decode()
        said = error_body("x", f"can't parse Basic {pair}, that is {SECRET}")
        statuses = [400, 403, 404, 409, 422, 429, 500, 503]
        firsts = {status: {"status": status, "json": said} for status in statuses}

        assert wrong_outcomes(["get_me"], firsts, make, server, kind=TWError, tries=1) == []


class TestRefusals:
    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    def test_401_is_one_line_about_the_credentials(
        self, body: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=401, body=body)

        text = "401: the server does not accept this App ID and Secret"
        assert str(failure("get_me", transport)) == text

    def test_403_gives_the_servers_reason(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", status=403, json=error_body("x", "the chat is closed"))
        text = "403: the bot may not do this (the chat is closed)"

        assert str(failure("post_message", transport)) == text

    def test_a_circle_that_is_not_public(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("circle_not_public", "45529")
        answer(server, "create_chat", status=403, json=body)
        error = failure("create_chat", transport)

        assert isinstance(error, TWAuthError)
        assert "bots can use only circles that are public" in str(error)

    def test_404_without_a_code_asks_about_the_url(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=404, body=HTML)

        assert "does the URL point to the bot API?" in str(failure("get_me", transport))

    def test_404_with_a_code_does_not(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message", status=404, json=error_body("not_found", "no chat"))

        assert "URL" not in str(failure("post_message", transport))

    def test_invalid_members_are_named(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("invalid_members", "x", user_ids=["u8", 5, None], group_ids=["g9"])
        answer(server, "create_chat", status=422, json=body)
        error = failure("create_chat", transport)

        assert isinstance(error, TWInvalidMembersError)
        assert (error.user_ids, error.group_ids) == (("u8",), ("g9",))
        assert str(error) == "unknown, or not visible to the bot: u8, g9"
        assert (error.status, error.code) == (422, "invalid_members")

    @pytest.mark.parametrize("ids", [{}, {"user_ids": "u8"}, {"user_ids": None}, {"user_ids": []}])
    def test_invalid_members_that_are_not_named(
        self, ids: dict[str, Any], transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("invalid_members", "somebody", **ids)
        answer(server, "create_chat", status=422, json=body)
        error = failure("create_chat", transport)

        assert isinstance(error, TWInvalidMembersError)
        assert error.user_ids == ()
        assert str(error) == "unknown, or not visible to the bot: somebody"

    @pytest.mark.parametrize(
        ("status", "kind"), [(500, TWServerError), (502, TWDeliveryUnknownError)]
    )
    def test_invalid_members_are_a_422_and_nothing_else(
        self,
        status: int,
        kind: type[TWError],
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        """The body is not trusted to say that a write did not happen."""
        answer(server, "create_chat", status=status, json=error_body("invalid_members", "x"))

        assert type(failure("create_chat", transport)) is kind

    def test_ids_that_quote_the_secret_or_control_the_terminal_are_not_shown(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        ids = ["\x1b[31mred\nline", SECRET]
        refusal = error_body("invalid_members", "x", user_ids=ids, group_ids=ids)
        answer(server, "create_chat", status=422, json=refusal)

        assert str(failure("create_chat", transport)).isprintable()

    def test_a_code_is_one_short_line(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", status=400, json=error_body("x\n" * 5000, "no"))
        code = failure("get_me", transport).code

        assert code.isprintable()
        assert len(code) <= 64

    def test_a_lost_write_says_how_to_go_on(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name, status in product(WRITES, [502, 504]):
            error, _ = outcome(name, transport, server, {"status": status, "body": HTML})
            if getattr(error, "status", None) != status or FIND_OUT[name] not in str(error):
                wrong.append((name, status, error))

        assert wrong == []

    def test_a_write_that_gets_the_503_page_of_a_proxy_is_in_doubt(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        """It is also what an older installation has for an answer that was lost."""
        page = {"status": 503, "body": HTML, "content_type": "text/html"}
        kind = TWDeliveryUnknownError

        assert wrong_outcomes(WRITES, {"page": page}, make, server, kind=kind, tries=1) == []

    def test_a_write_whose_503_page_says_when_to_come_back_was_turned_away(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        page = {"status": 503, "body": HTML, "content_type": "text/html"}
        wrong = []
        for name in WRITES:
            error, _ = outcome(name, transport, server, {**page, "headers": {"Retry-After": "7"}})
            if type(error) is not TWServerError or error.retry_after != 7:
                wrong.append((name, error))

        assert wrong == []

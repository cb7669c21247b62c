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
    TWConfigError,
    TWDeliveryUnknownError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWUnsupportedError,
)
from tests.support.builders import chat_doc, page_doc
from tests.support.transport_calls import (
    API,
    CALLS,
    CONTRACT,
    FIND_OUT,
    SECRET,
    WRITES,
    Make,
    answer,
    call,
    error_body,
    failure,
    hear_contract,
    outcome,
    sent,
    wrong_outcomes,
)

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport

# Of an answer with the header of the contract: a read, a write.
OWN: dict[int, tuple[type[TWError], type[TWError]]] = {
    **dict.fromkeys((400, 405, 409, 413, 415, 418, 422), (TWRequestError, TWRequestError)),
    **dict.fromkeys((401, 403), (TWAuthError, TWAuthError)),
    # Its code says what is not there. None of BODIES has one that does.
    404: (TWProtocolError, TWProtocolError),
    429: (TWRateLimitError, TWRateLimitError),
    **dict.fromkeys((500, 501, 502, 504, 520, 599), (TWServerError, TWDeliveryUnknownError)),
    503: (TWServerError, TWServerError),
}
# Of one without it, after the contract was heard, and before.
_ODD = dict.fromkeys((400, 403, 404, 405, 408, 413, 418, 422), (TWProtocolError, TWProtocolError))
_ANYBODYS = {
    407: (TWConfigError, TWConfigError),
    429: (TWRateLimitError, TWRateLimitError),
    **dict.fromkeys(
        (500, 501, 502, 503, 504, 520, 524, 599), (TWServerError, TWDeliveryUnknownError)
    ),
}
FOREIGN: dict[int, tuple[type[TWError], type[TWError]]] = {
    **dict.fromkeys((301, 302, 307), (TWProtocolError, TWProtocolError)),
    **_ODD,
    401: (TWProtocolError, TWProtocolError),
    **_ANYBODYS,
}
UNHEARD: dict[int, tuple[type[TWError], type[TWError]]] = {
    **dict.fromkeys((301, 302, 307), (TWConfigError, TWConfigError)),
    **_ODD,
    **dict.fromkeys((401, 403), (TWAuthError, TWAuthError)),
    **_ANYBODYS,
}
WORDS = {"own": (OWN, CONTRACT), "foreign": (FOREIGN, {}), "unheard": (UNHEARD, {})}
each_word = pytest.mark.parametrize("word", WORDS)
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
    @pytest.fixture
    def transport(self, word: str, make: Make, server: responses.RequestsMock) -> HttpTransport:
        transport = make()
        if word == "foreign":
            hear_contract(transport, server)
        return transport

    @each_word
    def test_of_a_read(
        self, word: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        statuses, headers = WORDS[word]
        wrong = []
        for (status, (kind, _)), (what, body) in product(statuses.items(), BODIES.items()):
            how = {"status": status, "body": body, "headers": headers}
            error, _ = outcome("get_me", transport, server, how)
            if type(error) is not kind:
                wrong.append((status, what, error))

        assert wrong == []

    @each_word
    def test_of_each_call(
        self, word: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        statuses, headers = WORDS[word]
        wrong = []
        for name, (status, kinds) in product(CALLS, statuses.items()):
            how = {"status": status, "body": HTML, "headers": headers}
            error, _ = outcome(name, transport, server, how)
            if type(error) is not kinds[name in WRITES]:
                wrong.append((name, status, error))

        assert wrong == []

    @each_word
    def test_says_if_something_in_between_sent_it(
        self, word: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        statuses, headers = WORDS[word]
        wrong = []
        for name, status in product(["get_me", "post_message"], statuses):
            how = {"status": status, "body": HTML, "headers": headers}
            error, _ = outcome(name, transport, server, how)
            assert isinstance(error, TWError)
            if error._is_foreign is not (word == "foreign" and status != 407):
                wrong.append((name, status))

        assert wrong == []

    @each_word
    def test_of_a_write_that_was_not_done_counts_as_refused(
        self, word: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        statuses, headers = WORDS[word]
        wrong = []
        for status in statuses:
            how = {"status": status, "body": HTML, "headers": headers}
            error, _ = outcome("post_message", transport, server, how)
            is_unsure = isinstance(error, (TWProtocolError, TWServerError))
            if is_unsure and not error._is_refusal:  # type: ignore[union-attr]
                wrong.append((status, error))

        assert wrong == []


class TestError:
    def test_the_error_knows_the_request_and_the_answer(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("a_code", "a reason")
        answer(server, "get_user", status=409, json=body, headers=CONTRACT)
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

    def test_a_reason_is_one_line_of_bounded_length(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("x", "a\r\n\tb\n" * 1000)
        answer(server, "get_me", status=400, json=body, headers=CONTRACT)
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
        answer(server, "get_me", status=401, body=body, headers=CONTRACT)

        text = "401: the server does not accept this App ID and Secret"
        assert str(failure("get_me", transport)) == text

    def test_403_gives_the_servers_reason(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("x", "the chat is closed")
        answer(server, "post_message", status=403, json=body, headers=CONTRACT)
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

    @pytest.mark.parametrize("code", [None, "no_such_path", "gone"])
    def test_404_with_another_code_is_about_no_object(
        self, code: str | None, make: Make, server: responses.RequestsMock
    ) -> None:
        first = {"status": 404, "json": error_body(code), "headers": CONTRACT}
        kind = TWProtocolError

        assert wrong_outcomes(CALLS, {code: first}, make, server, kind=kind, tries=1) == []

    def test_a_chat_is_left_if_a_server_without_the_contract_says_so(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        error, _ = outcome("leave_chat", make(), server, {"json": {}})

        assert error is None

    @each_word
    def test_404_is_not_found_if_the_server_itself_says_so(
        self, word: str, make: Make, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name in set(CALLS) - {"get_user", "get_group"}:
            transport = make()
            if word == "foreign":
                hear_contract(transport, server)
            how = {"status": 404, "json": error_body("not_found"), "headers": WORDS[word][1]}
            error, _ = outcome(name, transport, server, how)
            if type(error) is not (TWNotFoundError if word == "own" else TWProtocolError):
                wrong.append((name, error))

        assert wrong == []

    def test_something_in_between_is_named(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        hear_contract(transport, server)
        answer(server, "post_message", status=404, body="default backend - 404")

        assert str(failure("post_message", transport)) == (
            "404 for POST /v1/bot/chats/t1/messages/: default backend - 404; nothing was done; "
            "something between this client and the server sent this response"
        )

    def test_501_of_the_server_says_that_it_can_not_do_this(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        how = {"status": 501, "json": error_body("unsupported", "no"), "headers": CONTRACT}
        kind = TWUnsupportedError

        assert wrong_outcomes(CALLS, {"501": how}, make, server, kind=kind, tries=1) == []

    def test_501_of_something_in_between_says_nothing(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        hear_contract(transport, server)
        answer(server, "post_message", status=501, json=error_body("unsupported", "no"))

        assert type(failure("post_message", transport)) is TWDeliveryUnknownError

    def test_407_names_the_proxy_and_is_not_tried_again(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        def patient() -> HttpTransport:
            transport = make(ConnectionConfig(retries=3), pause=lambda _: None)
            hear_contract(transport, server)
            return transport

        firsts = {"407": {"status": 407, "body": HTML}}
        assert wrong_outcomes(CALLS, firsts, patient, server, kind=TWConfigError, tries=1) == []

    @each_word
    def test_401_of_anything_empties_the_memory(
        self, word: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        told: list[bool] = []
        transport.on_unauthorized = lambda: told.append(True)
        if word == "foreign":
            hear_contract(transport, server)
        answer(server, "get_me", status=401, body=HTML, headers=WORDS[word][1])
        failure("get_me", transport)

        assert told == [True]

    def test_a_picture_that_is_a_page_is_none(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        hear_contract(transport, server)
        server.get(f"{API}/users/u1/avatar/", body=HTML, content_type="text/html")
        with pytest.raises(TWProtocolError, match="something between") as caught:
            transport.get_avatar("u1", deadline=None)

        assert caught.value._is_foreign

    def test_an_answer_whose_encoding_is_a_charset_is_read(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        first = {"headers": {**CONTRACT, "Content-Encoding": "utf-8"}}

        assert wrong_outcomes(CALLS, {"utf-8": first}, make, server, kind=None, tries=1) == []

    @pytest.mark.parametrize("half", [b"\xed\xa0\xbd", b"\xf0\x9f", b"\xe2", b"\xc3"], ids=repr)
    def test_half_of_a_character_costs_no_answer(
        self, half: bytes, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """Programs cut texts after a number of bytes. One such title would block all look-ups."""
        document = page_doc(chat_doc("t1", title="one"), chat_doc("t2", title="cut#"))
        answer(server, "list_chats", body=json.dumps(document).encode().replace(b"#", half))
        (page,) = call("list_chats", transport)

        assert [(chat.title or "").rstrip("\ufffd") for chat in page.chats] == ["one", "cut"]
        assert "\ufffd" in (page.chats[1].title or "")

    def test_an_emoji_in_two_halves_is_whole(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """Some databases store it so (CESU-8)."""
        body = json.dumps(page_doc(chat_doc("t1", title="#")), ensure_ascii=False).encode()
        halves = "\ud83d\ude00".encode("utf-8", "surrogatepass")
        answer(server, "list_chats", body=body.replace(b"#", halves))
        (page,) = call("list_chats", transport)

        assert page.chats[0].title == "\N{GRINNING FACE}"

    def test_texts_in_another_encoding_are_refused(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """A program that does not find a title creates the chat again."""
        document = json.dumps(page_doc(chat_doc("t1", title="Büro")), ensure_ascii=False)
        for encoding in ("latin-1", "utf-16"):
            body = document.encode(encoding)
            error, _ = outcome("list_chats", transport, server, {"body": body})

            assert type(error) is TWProtocolError

    @pytest.mark.parametrize("encoding", ["br", "gzip"])
    @each_word
    def test_a_page_that_can_not_be_read_may_be_of_something_in_between(
        self,
        word: str,
        encoding: str,
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        if word == "foreign":
            hear_contract(transport, server)
        headers = {**WORDS[word][1], "Content-Encoding": encoding}
        answer(server, "get_me", body=HTML, headers=headers)
        error = failure("get_me", transport)

        assert type(error) is TWProtocolError
        assert error._is_foreign is (word == "foreign")

    def test_a_page_in_place_of_an_answer_is_not_the_servers(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        hear_contract(transport, server)
        wrong = []
        for name, body in product(CALLS, [HTML, '{"status": "ok"}', "[]", ""]):
            error, _ = outcome(name, transport, server, {"body": body})
            kind = TWDeliveryUnknownError if name in WRITES else TWProtocolError
            if type(error) is not kind or not error._is_foreign:
                wrong.append((name, body, error))

        assert wrong == []

    def test_invalid_members_are_named(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        body = error_body("invalid_members", "x", user_ids=["u8", 5, None], group_ids=["g9"])
        answer(server, "create_chat", status=422, json=body, headers=CONTRACT)
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
        answer(server, "create_chat", status=422, json=body, headers=CONTRACT)
        error = failure("create_chat", transport)

        assert isinstance(error, TWInvalidMembersError)
        assert error.user_ids == ()
        assert str(error) == "unknown, or not visible to the bot: somebody"

    @pytest.mark.parametrize("status", [500, 502])
    def test_invalid_members_are_a_422_and_nothing_else(
        self, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """The body is not trusted to say that a write did not happen."""
        answer(server, "create_chat", status=status, json=error_body("invalid_members", "x"))

        assert type(failure("create_chat", transport)) is TWDeliveryUnknownError

    def test_ids_that_quote_the_secret_or_control_the_terminal_are_not_shown(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        ids = ["\x1b[31mred\nline", SECRET]
        refusal = error_body("invalid_members", "x", user_ids=ids, group_ids=ids)
        answer(server, "create_chat", status=422, json=refusal, headers=CONTRACT)

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
        for name, status in product(WRITES, [500, 502, 503, 504, 520]):
            error, _ = outcome(name, transport, server, {"status": status, "body": HTML})
            if getattr(error, "status", None) != status or FIND_OUT[name] not in str(error):
                wrong.append((name, status, error))

        assert wrong == []

    @pytest.mark.parametrize(
        "page",
        [
            {"body": HTML, "content_type": "text/html"},
            {"body": HTML, "content_type": "text/html", "headers": {"Retry-After": "5"}},
            {"body": "upstream connect error", "content_type": "text/plain"},
            {"json": error_body("service_unavailable", "come back later")},
        ],
        ids=["HAProxy", "Varnish", "Envoy", "JSON"],
    )
    def test_a_write_that_gets_the_503_of_a_proxy_is_in_doubt(
        self, page: dict[str, Any], make: Make, server: responses.RequestsMock
    ) -> None:
        """It is also what a proxy sends for a response that was lost."""
        firsts = {"page": {**page, "status": 503}}
        kind = TWDeliveryUnknownError

        assert wrong_outcomes(WRITES, firsts, make, server, kind=kind, tries=1) == []

    def test_a_write_was_turned_away_if_the_server_itself_says_when_to_come_back(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        how = {"status": 503, "headers": {**CONTRACT, "Retry-After": "7"}}
        wrong = []
        for name in WRITES:
            error, _ = outcome(name, transport, server, how)
            if type(error) is not TWServerError or error.retry_after != 7:
                wrong.append((name, error))

        assert wrong == []

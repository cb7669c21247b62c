"""HttpTransport: what it sends, and what it makes of each answer and of none."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import socket
import ssl
import time
from email.utils import formatdate
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable
from urllib.parse import unquote

import pytest
import requests
import responses
from requests.adapters import BaseAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    InvalidHeader,
    LocationParseError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.response import HTTPResponse

import teamwire_sync
from teamwire_sync import (
    ChatHandle,
    ConnectionConfig,
    LoggedInUser,
    TWAuthError,
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWInvalidMembersError,
    TWNotFoundError,
    TWProtocolError,
    TWRateLimitError,
    TWRequestError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._config import Credentials
from teamwire_sync._transports.base import ChatDraft
from teamwire_sync._transports.http import HttpTransport
from tests.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    make_chat,
    make_user,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)
from tests.leaks import assert_no_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://teamwire.example"
API = f"{URL}/v1/bot"
SECRET = "s3cret%ß:x"
ME = {"user": user_doc(is_bot=True)}
DRAFT = ChatDraft(title="hello world", user_ids=("u1",))
CHAT = ChatHandle("t1")

Make = Callable[..., HttpTransport]


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def make() -> Iterator[Make]:
    made = []

    def one(
        config: ConnectionConfig | None = None, *, url: str = URL, **arguments: Any
    ) -> HttpTransport:
        credentials = Credentials("app", SECRET, url)
        made.append(HttpTransport(credentials, config or ConnectionConfig(), **arguments))
        return made[-1]

    yield one
    for transport in made:
        transport.close()


@pytest.fixture
def transport(make: Make) -> HttpTransport:
    return make()


# One call for each operation, and the answer that it wants.
CALLS: dict[str, tuple[Callable[[HttpTransport], Any], str, str, dict[str, Any]]] = {
    "get_me": (lambda one: one.get_me(deadline=None), "GET", "/me/", ME),
    "list_chats": (
        lambda one: list(one.iter_chat_pages(validator=None, deadline=None)),
        "GET",
        "/chats/",
        page_doc(chat_doc()),
    ),
    "get_user": (
        lambda one: one.get_user("u1", deadline=None),
        "GET",
        "/users/u1/",
        {"user": user_doc()},
    ),
    "get_group": (
        lambda one: one.get_group("g1", deadline=None),
        "GET",
        "/groups/g1/",
        group_answer(group_doc()),
    ),
    "create_chat": (
        lambda one: one.create_chat(DRAFT, deadline=None),
        "POST",
        "/chats/",
        chat_answer(chat_doc()),
    ),
    "post_message": (
        lambda one: one.post_message(CHAT, "hello", deadline=None),
        "POST",
        "/chats/t1/messages/",
        message_answer(message_doc()),
    ),
}
READS = [name for name, (_, method, _, _) in CALLS.items() if method == "GET"]
WRITES = [name for name in CALLS if name not in READS]
each_call = pytest.mark.parametrize("name", CALLS)
each_read = pytest.mark.parametrize("name", READS)
each_write = pytest.mark.parametrize("name", WRITES)


def call(name: str, transport: HttpTransport) -> Any:
    return CALLS[name][0](transport)


def answer(server: responses.RequestsMock, name: str, **how: Any) -> None:
    """Have *server* answer the call *name*, with success unless *how* says otherwise."""
    _, method, path, document = CALLS[name]
    if "body" not in how and "json" not in how:
        how["json"] = document
    server.add(method, API + path, **how)


def sent(server: responses.RequestsMock, number: int = -1) -> Any:
    return server.calls[number].request


def failure(name: str, transport: HttpTransport) -> TWError:
    """The error of the call *name*, which shows no Secret."""
    with pytest.raises(TWError) as caught:
        call(name, transport)
    error = caught.value
    assert_no_secret(error, SECRET)
    assert (error.__cause__, error.__context__) == (None, None)
    return error


def error_body(code: str | None = None, message: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


class TestRequests:
    @each_call
    def test_goes_to_its_path_by_its_method(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        _, method, path, _ = CALLS[name]

        assert (sent(server).method, sent(server).url) == (method, API + path)

    @each_call
    def test_has_basic_authentication_in_utf_8(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        scheme, pair = sent(server).headers["Authorization"].split(" ")

        assert (scheme, base64.b64decode(pair).decode()) == ("Basic", f"app:{SECRET}")

    @each_call
    def test_says_who_asks(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)

        assert sent(server).headers["User-Agent"] == (
            f"teamwire_sync/{teamwire_sync.__version__} requests/{requests.__version__}"
        )
        assert sent(server).headers["Accept"] == "application/json"

    @each_call
    def test_has_an_id_of_its_own(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        call(name, transport)
        ids = {one.request.headers["X-Request-ID"] for one in server.calls}

        assert len(ids) == 2
        assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)

    @each_write
    def test_a_write_has_an_idempotency_key_of_its_own(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)
        call(name, transport)

        assert len({one.request.headers["Idempotency-Key"] for one in server.calls}) == 2

    @each_read
    def test_a_read_has_none(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name)
        call(name, transport)

        assert "Idempotency-Key" not in sent(server).headers

    def test_the_app_name_goes_into_the_user_agent(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        call("get_me", make(app_name="standup bot/1.0"))

        assert sent(server).headers["User-Agent"].endswith(" (standup bot/1.0)")

    @pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "bötchen", "\0"], ids=ascii)
    def test_an_app_name_that_is_no_header_is_refused(self, name: str, make: Make) -> None:
        with pytest.raises(ValueError, match=r"^app_name must be printable ASCII"):
            make(app_name=name)

    def test_an_app_name_of_a_wrong_type_is_refused(self, make: Make) -> None:
        with pytest.raises(TypeError, match=r"^app_name must be a str, not int"):
            make(app_name=5)

    @pytest.mark.parametrize("gateway", ["", "/gateway", "/a/b"])
    def test_a_path_in_the_url_is_kept(
        self, gateway: str, make: Make, server: responses.RequestsMock
    ) -> None:
        server.get(f"{URL}{gateway}/v1/bot/me/", json=ME)

        assert call("get_me", make(url=URL + gateway)) == make_user(is_bot=True)

    @pytest.mark.parametrize(
        "uid", ["a/b", "../../me", "a?b=c", "a#b", "100%", "%2F", "ä ß", "\N{GRINNING FACE}", "~x"]
    )
    def test_an_id_stays_one_segment_of_the_path(
        self, uid: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(re.compile(".*"), json={"user": user_doc()})
        transport.get_user(uid, deadline=None)
        path = sent(server).url[len(API) :]

        assert [unquote(part) for part in path.split("/")] == ["", "users", uid, ""]

    @pytest.mark.parametrize("uid", ["", ".", "..", "\ud800"], ids=ascii)
    def test_an_id_that_cannot_be_one_asks_nothing(
        self, uid: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for ask in (transport.get_user, transport.get_group):
            with pytest.raises(ValueError, match=r"is no [ug]id$"):
                ask(uid, deadline=None)
        with pytest.raises(ValueError, match=r"is no tid$"):
            transport.post_message(ChatHandle(uid), "hello", deadline=None)

        assert len(server.calls) == 0

    def test_a_draft_is_json(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "create_chat")
        call("create_chat", transport)

        assert sent(server).headers["Content-Type"] == "application/json"
        assert json.loads(sent(server).body)["title"] == "hello world"

    def test_a_message_is_json(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "post_message")
        transport.post_message(CHAT, "\N{GRINNING FACE} \"'\\\n", deadline=None)

        assert json.loads(sent(server).body) == {"message": "\N{GRINNING FACE} \"'\\\n"}


class TestAnswers:
    def test_me(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "get_me")

        assert type(call("get_me", transport)) is LoggedInUser

    def test_a_user(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "get_user")

        assert call("get_user", transport) == make_user()

    def test_a_group(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "get_group")

        assert call("get_group", transport).members == []

    def test_a_chat(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "create_chat")

        assert call("create_chat", transport) == make_chat()

    def test_a_message(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "post_message")
        message = call("post_message", transport)

        assert (message.msg, message.chat) == ("hello", CHAT)

    @pytest.mark.parametrize("name", ["get_user", "get_group"])
    def test_what_is_not_there_is_none(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=404, json=error_body("not_found", "no such thing"))

        assert call(name, transport) is None

    @pytest.mark.parametrize("name", ["get_user", "get_group"])
    @pytest.mark.parametrize(
        "body", ["<html>Not Found</html>", "{}", '{"error": {"code": "no_route"}}']
    )
    def test_any_other_404_says_that_the_url_is_wrong(
        self, name: str, body: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=404, body=body)

        assert isinstance(failure(name, transport), TWNotFoundError)

    @each_call
    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ("", "the answer is empty"),
            ("<html>Welcome</html>", "the answer is not JSON"),
            ("[]", "is an array where an object should be"),
            ("{}", 'without "'),
            ("null", "is null where an object should be"),
        ],
        ids=["empty", "html", "array", "object", "null"],
    )
    def test_what_is_not_the_contract(
        self,
        name: str,
        body: str,
        text: str,
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        answer(server, name, body=body)
        error = failure(name, transport)
        _, method, path, _ = CALLS[name]

        assert type(error) is TWProtocolError
        assert str(error).startswith(f"{method} /v1/bot{path}: ")
        assert text in str(error)
        assert str(error).endswith("is this a server that speaks the bot contract?")
        assert error.status == 200

    @each_call
    @pytest.mark.parametrize("status", [201, 204, 206])
    def test_no_other_success_is_one(
        self, name: str, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=status, **({"body": ""} if status == 204 else {}))

        assert type(failure(name, transport)) is TWProtocolError


class TestPages:
    @pytest.fixture
    def pages(self, transport: HttpTransport) -> Iterator[Any]:
        return iter(transport.iter_chat_pages(validator=None, deadline=None))

    def query(self, server: responses.RequestsMock) -> list[dict[str, str]]:
        return [one.request.params for one in server.calls]

    def test_each_is_asked_for_when_it_is_needed(
        self, pages: Any, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", json=page_doc(chat_doc("a"), next_cursor="c1"))
        server.get(f"{API}/chats/", json=page_doc(chat_doc("b")))

        assert len(server.calls) == 0
        first = next(pages)
        assert len(server.calls) == 1
        second = next(pages)
        assert next(pages, None) is None
        assert [page.chats[0].tid for page in (first, second)] == ["a", "b"]
        assert [page.is_last for page in (first, second)] == [False, True]

    def test_the_cursor_leads_to_the_next(self, pages: Any, server: responses.RequestsMock) -> None:
        for cursor in ("c&1 ä", "c2", None):
            server.get(f"{API}/chats/", json=page_doc(next_cursor=cursor))
        list(pages)

        assert self.query(server) == [{}, {"cursor": "c&1 ä"}, {"cursor": "c2"}]

    def test_an_empty_page_is_not_the_end(self, pages: Any, server: responses.RequestsMock) -> None:
        server.get(f"{API}/chats/", json=page_doc(next_cursor="c1"))
        server.get(f"{API}/chats/", json=page_doc(chat_doc()))

        assert [len(page.chats) for page in pages] == [0, 1]

    def test_the_page_size_is_asked_for_each_time(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        for cursor in ("c1", None):
            server.get(f"{API}/chats/", json=page_doc(next_cursor=cursor))
        call("list_chats", make(ConnectionConfig(page_size=7)))

        assert self.query(server) == [{"limit": "7"}, {"limit": "7", "cursor": "c1"}]

    @pytest.mark.parametrize("cursors", [("c1", "c1"), ("c1", "c2", "c1")], ids=str)
    def test_a_cursor_that_comes_again_is_an_error(
        self, cursors: tuple[str, ...], transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for cursor in cursors:
            server.get(f"{API}/chats/", json=page_doc(next_cursor=cursor))
        error = failure("list_chats", transport)

        assert isinstance(error, TWProtocolError)
        assert "repeats a cursor" in str(error)
        assert len(server.calls) == len(cursors)

    def test_the_same_user_on_two_pages_is_one_object(
        self, pages: Any, server: responses.RequestsMock
    ) -> None:
        for tid, cursor in (("a", "c1"), ("b", None)):
            page = page_doc(chat_doc(tid, user_ids=["u1"]), users=[user_doc()], next_cursor=cursor)
            server.get(f"{API}/chats/", json=page)
        one, other = pages

        assert one.chats[0].users[0] is other.chats[0].users[0]

    @pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', None])
    def test_the_etag_is_the_validator(
        self, etag: str | None, pages: Any, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", json=page_doc(), headers={"ETag": etag} if etag else {})

        assert next(pages).validator == etag

    def test_the_validator_goes_with_the_first_page_alone(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for cursor in ("c1", None):
            server.get(f"{API}/chats/", json=page_doc(next_cursor=cursor))
        list(transport.iter_chat_pages(validator='"v1"', deadline=None))

        assert sent(server, 0).headers["If-None-Match"] == '"v1"'
        assert "If-None-Match" not in sent(server, 1).headers

    def test_nothing_is_conditional_without_a_validator(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "list_chats")
        call("list_chats", transport)

        assert "If-None-Match" not in sent(server).headers

    def test_304_says_that_nothing_has_changed(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", status=304)
        (page,) = transport.iter_chat_pages(validator='"v1"', deadline=None)

        assert (page.not_modified, page.validator, list(page.chats)) == (True, '"v1"', [])

    def test_304_that_nobody_asked_for_is_no_redirect(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "list_chats", status=304, body="")

        assert isinstance(failure("list_chats", transport), TWProtocolError)

    def test_304_on_a_further_page_is_not_the_contract(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", json=page_doc(next_cursor="c1"))
        server.get(f"{API}/chats/", status=304)

        with pytest.raises(TWProtocolError):
            list(transport.iter_chat_pages(validator='"v1"', deadline=None))


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
BODIES = [
    pytest.param(json.dumps(error_body("some_code", "some reason")), id="json"),
    pytest.param(HTML, id="html"),
    pytest.param("", id="empty"),
    pytest.param('{"error": {"code": 5, "message": ["x"]}}', id="wrong types"),
    pytest.param('{"error": "x"}', id="string"),
    pytest.param("[" * 100_000, id="deep"),
]


class TestStatus:
    @pytest.mark.parametrize("body", BODIES)
    @pytest.mark.parametrize(
        ("status", "kind", "_"), STATUSES, ids=[str(status) for status, _, _ in STATUSES]
    )
    def test_of_a_read(
        self,
        status: int,
        kind: type[TWError],
        _: object,
        body: str,
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        answer(server, "get_me", status=status, body=body)

        assert type(failure("get_me", transport)) is kind

    @each_write
    @pytest.mark.parametrize(
        ("status", "_", "kind"), STATUSES, ids=[str(status) for status, _, _ in STATUSES]
    )
    def test_of_a_write(
        self,
        name: str,
        status: int,
        _: object,
        kind: type[TWError],
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        answer(server, name, status=status, body=HTML)

        assert type(failure(name, transport)) is kind

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

        assert "an HTML page, so from a proxy in between" in str(failure("get_me", transport))

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

    @pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 429, 500, 503])
    def test_a_server_that_quotes_the_secret_does_not_make_us_show_it(
        self, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        pair = base64.b64encode(f"app:{SECRET}".encode()).decode()
        message = f"can't parse Basic {pair}, that is {SECRET}"
        answer(server, "get_me", status=status, json=error_body("x", message))

        failure("get_me", transport)


class TestRefusals:
    @pytest.mark.parametrize("body", BODIES)
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
        assert "bots can create chats only with circles that are public" in str(error)

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

    @each_write
    @pytest.mark.parametrize("status", [502, 504])
    def test_a_lost_write_says_how_to_go_on(
        self, name: str, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, status=status, body=HTML)
        error = failure(name, transport)

        assert "look before you try again" in str(error)
        assert error.status == status


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


def pool_error(reason: Exception | None) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


def refused() -> Exception:
    error = NewConnectionError(None, "no")  # type: ignore[arg-type]
    error.__cause__ = ConnectionRefusedError(111, "Connection refused")
    return error


def unknown_host() -> Exception:
    why = socket.gaierror(-2, "Name unknown")
    error = NameResolutionError("teamwire.example", None, why)  # type: ignore[arg-type]
    error.__cause__ = why
    return error


NEVER_LEFT: dict[str, Callable[[], Exception]] = {
    "refused": lambda: pool_error(refused()),
    "no such host": lambda: pool_error(unknown_host()),
    "connect time-out": lambda: requests.ConnectTimeout(
        MaxRetryError(None, "/", ConnectTimeoutError("slow"))  # type: ignore[arg-type]
    ),
    "proxy": lambda: requests.exceptions.ProxyError(
        MaxRetryError(None, "/", ProxyError("no", OSError(113, "No route")))  # type: ignore[arg-type]
    ),
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
LOST: dict[str, Callable[[], Exception]] = {
    "reset": lambda: requests.ConnectionError(
        ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))
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


class TestNoAnswer:
    @each_read
    @pytest.mark.parametrize("why", [*NEVER_LEFT, *LOST])
    def test_of_a_read_is_a_connection_error(
        self, name: str, why: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body={**NEVER_LEFT, **LOST}[why]())

        assert isinstance(failure(name, transport), (TWConnectionError, TWConfigError))

    @each_write
    @pytest.mark.parametrize("why", NEVER_LEFT)
    def test_a_write_that_never_left_is_one_too(
        self, name: str, why: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=NEVER_LEFT[why]())

        assert isinstance(failure(name, transport), (TWConnectionError, TWConfigError))

    @each_write
    @pytest.mark.parametrize("why", LOST)
    def test_a_write_whose_answer_was_lost_may_have_happened(
        self, name: str, why: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, body=LOST[why]())
        error = failure(name, transport)
        _, method, path, _ = CALLS[name]

        assert isinstance(error, TWDeliveryUnknownError)
        assert str(error).startswith("the answer of teamwire.example:443 was lost (")
        assert f"it may have done {method} /v1/bot{path} or not" in str(error)
        assert "look before you try again" in str(error)

    @pytest.mark.parametrize(
        "why", ["no answer", "no rest in time", "connect time-out"], ids=lambda why: why
    )
    def test_a_time_out_is_called_so(
        self, why: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", body={**NEVER_LEFT, **LOST}[why]())
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
        answer(server, "get_me", body={**NEVER_LEFT, **LOST}[why]())

        assert str(failure("get_me", transport)) == text.format("teamwire.example:443")

    def test_the_original_is_kept_as_text(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", body=NEVER_LEFT["refused"]())

        assert failure("get_me", transport).cause == "ConnectionError: Connection refused"

    def test_the_error_knows_the_request(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_user", body=NEVER_LEFT["refused"]())
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
        server.get(f"{url}/v1/bot/me/", body=NEVER_LEFT["refused"]())

        assert f"can't reach {named}: " in str(failure("get_me", make(url=url)))

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
            transport = make(ConnectionConfig(default_timeout=0.05), url=f"http://127.0.0.1:{port}")
            error = failure("get_me", transport)

        assert str(error) == f"no answer from 127.0.0.1:{port} within 0.05 s"
        assert isinstance(error, TWTimeoutError)

    def test_a_password_of_the_proxy_is_not_shown(self, make: Make) -> None:
        proxies = {"https": "http://user:pr0xyw0rd@proxy.example:port"}
        error = failure("get_me", make(ConnectionConfig(proxies=proxies)))

        assert_no_secret(error, "pr0xyw0rd", "user")


class TestTimeouts:
    @each_call
    def test_each_request_has_one(
        self, name: str, make: Make, server: responses.RequestsMock
    ) -> None:
        config = ConnectionConfig(default_timeout=3, long_timeout=4)
        answer(server, name)
        call(name, make(config))

        assert sent(server).req_kwargs["timeout"] == (4 if name == "list_chats" else 3)

    def deadline(self, name: str, transport: HttpTransport, deadline: float) -> Any:
        calls: dict[str, Callable[[], Any]] = {
            "get_me": lambda: transport.get_me(deadline=deadline),
            "list_chats": lambda: list(
                transport.iter_chat_pages(validator=None, deadline=deadline)
            ),
            "get_user": lambda: transport.get_user("u1", deadline=deadline),
            "get_group": lambda: transport.get_group("g1", deadline=deadline),
            "create_chat": lambda: transport.create_chat(DRAFT, deadline=deadline),
            "post_message": lambda: transport.post_message(CHAT, "hello", deadline=deadline),
        }
        return calls[name]()

    @each_call
    def test_a_deadline_shortens_it(
        self,
        name: str,
        transport: HttpTransport,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        answer(server, name)
        self.deadline(name, transport, 102.5)

        assert sent(server).req_kwargs["timeout"] == 2.5

    def test_a_deadline_does_not_lengthen_it(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        transport.get_me(deadline=time.monotonic() + 1000)

        assert sent(server).req_kwargs["timeout"] == 10

    @each_call
    @pytest.mark.parametrize("deadline", [100.0, 99.0])
    def test_nothing_is_asked_when_the_deadline_is_over(
        self,
        name: str,
        deadline: float,
        transport: HttpTransport,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        _, method, path, _ = CALLS[name]

        with pytest.raises(TWTimeoutError) as caught:
            self.deadline(name, transport, deadline)
        assert str(caught.value) == (
            f"no time left to ask teamwire.example:443 for {method} /v1/bot{path}"
        )
        assert len(server.calls) == 0


class TestOwnSession:
    def settings(self, transport: HttpTransport, server: responses.RequestsMock) -> dict[str, Any]:
        answer(server, "get_me")
        call("get_me", transport)
        settings: dict[str, Any] = sent(server).req_kwargs
        return settings

    def test_checks_certificates(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        settings = self.settings(transport, server)

        assert (settings["verify"], settings["cert"]) == (True, None)

    @pytest.mark.parametrize("verify", [True, False])
    def test_verify_is_as_configured(
        self, verify: bool, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(verify=verify))

        assert self.settings(transport, server)["verify"] is verify

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_ca_bundle_is_as_configured(
        self, kind: Any, tmp_path: Path, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(verify=kind(tmp_path)))

        assert self.settings(transport, server)["verify"] == str(tmp_path)

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_client_certificate_reaches_requests_as_str(
        self, kind: Any, tmp_path: Path, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(cert=kind(tmp_path)))

        assert self.settings(transport, server)["cert"] == str(tmp_path)

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_client_certificate_and_its_key_do_too(
        self, kind: Any, tmp_path: Path, make: Make, server: responses.RequestsMock
    ) -> None:
        transport = make(ConnectionConfig(cert=(kind(tmp_path), kind(tmp_path))))

        assert self.settings(transport, server)["cert"] == (str(tmp_path), str(tmp_path))

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_ca_bundle_of_the_environment(
        self,
        variable: str,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv(variable, str(tmp_path))

        assert self.settings(make(), server)["verify"] == str(tmp_path)

    def test_the_variable_of_requests_comes_first(
        self,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("CURL_CA_BUNDLE", os.devnull)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))

        assert self.settings(make(), server)["verify"] == str(tmp_path)

    @pytest.mark.parametrize("verify", [True, False])
    def test_a_setting_comes_before_the_environment(
        self,
        verify: bool,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
        transport = make(ConnectionConfig(verify=verify))

        assert self.settings(transport, server)["verify"] is verify

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
    def test_a_ca_bundle_of_the_environment_that_is_not_there(
        self, variable: str, make: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, "missing.pem")

        with pytest.raises(TWConfigError, match=rf"^{variable}: there is no .*'missing\.pem'$"):
            make()

    def test_an_empty_variable_is_none(
        self, make: Make, server: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")

        assert self.settings(make(), server)["verify"] is True

    def test_the_environment_is_read_once(
        self,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
        monkeypatch.setenv("HTTPS_PROXY", "http://one.example:1")
        transport = make()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.devnull)
        monkeypatch.setenv("HTTPS_PROXY", "http://other.example:2")
        settings = self.settings(transport, server)

        assert settings["verify"] == str(tmp_path)
        assert settings["proxies"]["https"] == "http://one.example:1"

    def test_no_proxy_is_obeyed(
        self, make: Make, server: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
        monkeypatch.setenv("NO_PROXY", "teamwire.example")

        assert not self.settings(make(), server)["proxies"]

    @pytest.mark.parametrize("proxies", [{}, {"https": "http://mine.example:1"}], ids=repr)
    def test_proxies_that_are_set_come_before_the_environment(
        self,
        proxies: dict[str, str],
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://theirs.example:1")

        assert self.settings(make(ConnectionConfig(proxies=proxies)), server)["proxies"] == proxies

    def test_a_netrc_changes_nothing(
        self,
        tmp_path: Path,
        make: Make,
        server: responses.RequestsMock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine teamwire.example login other password other\n", "utf-8")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        answer(server, "get_me")
        call("get_me", make())

        pair = sent(server).headers["Authorization"].split()[1]
        assert base64.b64decode(pair).decode() == f"app:{SECRET}"

    def test_cookies_are_refused(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me", headers={"Set-Cookie": "track=1; Path=/"})
        call("get_me", transport)
        call("get_me", transport)

        assert "Cookie" not in sent(server).headers


class Recording(BaseAdapter):
    """An adapter of a program's own, which answers without a network."""

    def __init__(self, document: object = ME, **response: Any) -> None:
        super().__init__()
        self.sent: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []
        self.closed = False
        body = response.pop("body", None) or BytesIO(json.dumps(document).encode())
        self._response = HTTPResponse(
            body, status=200, preload_content=False, request_method="GET", **response
        )

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **settings: Any
    ) -> requests.Response:
        self.sent.append((request, settings))
        response = requests.Response()
        response.status_code = 200
        response.raw = self._response
        response.headers.update(self._response.headers)
        response.url = request.url or ""
        response.request = request
        return response

    def close(self) -> None:
        self.closed = True


class Torn:
    """A body that ends in the middle."""

    def read(self, *_: Any, **__: Any) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")

    def close(self) -> None:
        pass

    closed = False


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as one:
        yield one


class TestGivenSession:
    def state(self, session: requests.Session) -> dict[str, Any]:
        state = {name: getattr(session, name) for name in session.__attrs__}
        for name in ("headers", "params", "proxies", "adapters"):
            state[name] = dict(state[name])
        state["cookies"] = list(session.cookies)
        state["hooks"] = {name: list(hooks) for name, hooks in session.hooks.items()}
        return state

    def test_is_used(self, session: requests.Session, make: Make) -> None:
        adapter = Recording()
        session.mount(f"{URL}/", adapter)

        assert call("get_me", make(session=session)) == make_user(is_bot=True)
        assert len(adapter.sent) == 1

    @each_call
    def test_is_not_changed(
        self, name: str, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.auth = ("their", "own")
        session.cookies.set("mine", "1", domain="teamwire.example")
        before = self.state(session)
        answer(server, name, headers={"Set-Cookie": "track=1; Path=/"})
        transport = make(session=session)
        call(name, transport)
        transport.close()

        assert self.state(session) == before

    def test_is_not_changed_by_a_failure(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        before = self.state(session)
        headers = {"Set-Cookie": "track=1; Path=/", "Location": "https://other.example/"}
        answer(server, "get_me", status=302, headers=headers)
        failure("get_me", make(session=session))

        assert self.state(session) == before

    def test_is_not_closed(self, session: requests.Session, make: Make) -> None:
        adapter = Recording()
        session.mount(f"{URL}/", adapter)
        make(session=session).close()

        assert not adapter.closed

    def test_our_credentials_come_before_its_own(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.auth = ("their", "own")
        session.headers["Authorization"] = "Bearer their-own"
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert sent(server).headers["Authorization"].startswith("Basic ")
        assert base64.b64decode(sent(server).headers["Authorization"][6:]).startswith(b"app:")

    def test_its_headers_go_along(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.headers["X-Tenant"] = "7"
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert sent(server).headers["X-Tenant"] == "7"

    def test_its_hooks_are_called(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        seen: list[int] = []
        session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert seen == [200]

    def test_its_settings_are_used(
        self, tmp_path: Path, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.verify = str(tmp_path)
        session.cert = "client.pem"
        session.proxies = {"https": "http://proxy.example:1"}
        answer(server, "get_me")
        call("get_me", make(session=session))
        settings = sent(server).req_kwargs

        assert (settings["verify"], settings["cert"]) == (str(tmp_path), "client.pem")
        assert dict(settings["proxies"]) == {"https": "http://proxy.example:1"}

    def test_requests_have_time_outs_there_too(
        self, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        answer(server, "get_me")
        call("get_me", make(session=session))

        assert sent(server).req_kwargs["timeout"] == 10

    @each_call
    def test_a_request_that_can_not_be_made_never_left(
        self, name: str, session: requests.Session, make: Make, server: responses.RequestsMock
    ) -> None:
        session.headers["X-Tenant"] = "7\r\nX: 1"
        answer(server, name)

        error = failure(name, make(session=session))
        assert isinstance(error, (TWConnectionError, TWConfigError))
        assert len(server.calls) == 0

    @each_call
    def test_a_body_that_is_torn_while_it_is_streamed(
        self, name: str, session: requests.Session, make: Make
    ) -> None:
        """A session may stream by default; then the body is read by us."""
        session.stream = True
        session.mount(f"{URL}/", Recording(body=Torn()))
        error = failure(name, make(session=session))

        kind = TWDeliveryUnknownError if name in WRITES else TWConnectionError
        assert isinstance(error, kind)

    @pytest.mark.parametrize("value", ["session", 5, requests.Session], ids=repr)
    def test_what_is_none_is_refused(self, value: object, make: Make) -> None:
        with pytest.raises(TypeError, match=r"^session must be a requests\.Session, not "):
            make(session=value)

    @pytest.mark.parametrize(
        "setting",
        [
            {"verify": False},
            {"verify": True},
            {"cert": "."},
            {"proxies": {}},
            {"proxies": {"https": "http://proxy.example"}},
            {"pool_size": 5},
        ],
        ids=repr,
    )
    def test_settings_beside_it_are_refused(
        self, setting: dict[str, Any], session: requests.Session, make: Make
    ) -> None:
        (name,) = setting

        with pytest.raises(TWConfigError, match=rf"^{name} belongs to the session"):
            make(ConnectionConfig(**setting), session=session)

    def test_all_other_settings_are_not(self, session: requests.Session, make: Make) -> None:
        make(ConnectionConfig(default_timeout=1, page_size=5, cache_ttl=1), session=session)


class TestClosing:
    @each_call
    def test_nothing_is_asked_any_more(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        transport.close()
        error = failure(name, transport)

        assert type(error) is TWClosedError
        assert str(error) == "the Connection is closed"
        assert len(server.calls) == 0

    def test_a_given_session_does_not_go_on_either(
        self, session: requests.Session, make: Make
    ) -> None:
        transport = make(session=session)
        transport.close()

        assert type(failure("get_me", transport)) is TWClosedError

    def test_may_be_done_twice(self, transport: HttpTransport) -> None:
        transport.close()
        transport.close()

        assert type(failure("get_me", transport)) is TWClosedError

    def test_closes_our_own_session(
        self, transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed: list[requests.Session] = []

        def close(self: requests.Session) -> None:
            closed.append(self)

        monkeypatch.setattr(requests.Session, "close", close)
        transport.close()

        assert len(closed) == 1


def test_the_repr_names_the_server_and_no_secret(transport: HttpTransport) -> None:
    assert repr(transport) == f"<HttpTransport {URL}>"


def test_making_one_asks_nothing(make: Make, server: responses.RequestsMock) -> None:
    make()

    assert len(server.calls) == 0

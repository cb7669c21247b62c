"""The reasons of failures that no server of the contract sent, and where they lead."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWAuthError,
    TWConfigError,
    TWDeliveryUnknownError,
    TWError,
    TWProtocolError,
    TWRateLimitError,
    TWServerError,
)
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from tests.support.foreign_answers import ANSWERS
from tests.support.transport_calls import (
    API,
    CALLS,
    CONTRACT,
    NO_CONTRACT,
    URL,
    WRITES,
    Make,
    failure,
    hear_contract,
    outcome,
    raised_by,
)
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    import responses

    from tests.support.foreign_answers import ForeignAnswer

BETWEEN = "something between this client and the server sent this response"
LOGIN = "<!DOCTYPE html><html><head><title>Teamwire Dashboard</title></head><body>E-Mail"
# What a Teamwire server, or its HAProxy, answers to a client of the contract. The errors of a read
# and of a write.
TEAMWIRE: dict[str, tuple[dict[str, Any], type[TWError], type[TWError]]] = {
    "HAProxy 503": (
        {"status": 503, "body": ANSWERS["HAProxy 503"].body, "content_type": "text/html"},
        TWServerError,
        TWDeliveryUnknownError,
    ),
    "HTML 404": (
        {"status": 404, "body": ANSWERS["Django 404"].body, "content_type": "text/html"},
        TWProtocolError,
        TWProtocolError,
    ),
    "JSON 404": ({"status": 404, "json": {"detail": "x"}}, TWProtocolError, TWProtocolError),
    "a login page elsewhere": (
        {"status": 302, "headers": {"Location": "/login/?next=/v1/"}},
        TWConfigError,
        TWConfigError,
    ),
    "a login page": (
        {"body": LOGIN, "content_type": "text/html"},
        TWProtocolError,
        TWDeliveryUnknownError,
    ),
    "JSON of another API": ({"json": {"name": "x"}}, TWProtocolError, TWDeliveryUnknownError),
    "an empty 200": ({"body": ""}, TWProtocolError, TWDeliveryUnknownError),
    "an empty 404": ({"status": 404, "body": ""}, TWProtocolError, TWProtocolError),
    "HTML 401": ({"status": 401, "body": "<h1>Log in</h1>"}, TWAuthError, TWAuthError),
    "JSON 401": ({"status": 401, "json": {"detail": "x"}}, TWAuthError, TWAuthError),
    "HTML 403": ({"status": 403, "body": "<h1>No</h1>"}, TWAuthError, TWAuthError),
    "JSON 403": ({"status": 403, "json": {"detail": "x"}}, TWAuthError, TWAuthError),
    "405": ({"status": 405, "json": {"detail": "x"}}, TWProtocolError, TWProtocolError),
    "426": ({"status": 426, "body": "Upgrade"}, TWProtocolError, TWProtocolError),
    "429": ({"status": 429, "body": "slow down"}, TWRateLimitError, TWRateLimitError),
    "500": ({"status": 500, "body": "no"}, TWServerError, TWDeliveryUnknownError),
    "504": ({"status": 504, "body": ""}, TWServerError, TWDeliveryUnknownError),
    "gzip that is cut off": (
        {"status": 502, "body": b"\x1f\x8b\x08\0\0", "headers": {"Content-Encoding": "gzip"}},
        TWServerError,
        TWDeliveryUnknownError,
    ),
    "no gzip": (
        {"status": 502, "body": b"<html>", "headers": {"Content-Encoding": "gzip"}},
        TWProtocolError,
        TWDeliveryUnknownError,
    ),
    "another compression": (
        {"body": b"<html>", "headers": {"Content-Encoding": "br"}},
        TWProtocolError,
        TWDeliveryUnknownError,
    ),
}


class Nothing:
    """A source without bytes, and a sink that takes any."""

    name, content_type, size = "x.txt", "text/plain", 0

    def rewind(self) -> None:
        """Be at the start anyway."""

    def read(self, _size: int) -> bytes:
        return b""

    def restart(self) -> bool:
        return True

    def write(self, _piece: bytes) -> None:
        """Forget it."""


OTHERS: dict[str, tuple[str, str, Callable[[HttpTransport], Any]]] = {
    "upload": ("POST", "/attachments/", lambda one: one.upload(Nothing(), deadline=None)),
    "download": (
        "GET",
        "/attachments/a1/content/",
        lambda one: one.download("a1", Nothing(), size=7, deadline=None),
    ),
    "avatar": ("GET", "/users/u1/avatar/", lambda one: one.get_avatar("u1", deadline=None)),
}


def text_of(answer: ForeignAnswer) -> str:
    if answer.status == 401:
        return f"401: the server does not accept this App ID and Secret ({answer.reason})"
    if answer.status == 403:
        return f"403: the bot may not do this ({answer.reason})"
    return f"{answer.status} for GET /v1/bot/me/: {answer.reason}"


class TestReason:
    @pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
    def test_of_another_server_is_one_line(
        self, answer: ForeignAnswer, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        how = {"body": answer.body, "content_type": answer.content_type, "status": answer.status}
        error, _ = outcome("get_me", transport, server, how)

        assert str(error) == f"{text_of(answer)}; {NO_CONTRACT}"
        assert str(error).isprintable()

    @pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
    def test_of_the_server_itself_without_an_error_object(
        self, answer: ForeignAnswer, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        how = {"body": answer.body, "content_type": answer.content_type, "status": answer.status}
        error, _ = outcome("get_me", transport, server, {**how, "headers": CONTRACT})

        # The reason of a 401 is always the same.
        text = text_of(answer).partition(" (")[0] if answer.status == 401 else text_of(answer)
        end = "; does the URL point to the bot API?" if answer.status == 404 else ""
        assert str(error) == text + end

    def test_that_can_not_be_printed_is_none(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        how = {"status": 400, "json": {"error": {"message": "\x1b\n\u202e"}}}
        error, _ = outcome("get_me", transport, server, {**how, "headers": CONTRACT})

        assert str(error) == "400 for GET /v1/bot/me/: no reason given"

    @pytest.mark.parametrize("status", [201, 206])
    @pytest.mark.parametrize("headers", [{}, CONTRACT], ids=["foreign", "own"])
    def test_is_not_the_text_of_a_person(
        self,
        status: int,
        headers: dict[str, str],
        transport: HttpTransport,
        server: responses.RequestsMock,
    ) -> None:
        wrong = []
        texts = [
            json.dumps({"message": "private", "title": "private"}),
            '{"chats": [{"title": "private',
            'private"}]}',
        ]
        for body in texts:
            how = {"status": status, "body": body, "headers": headers}
            error, _ = outcome("get_me", transport, server, how)
            if ": no reason given; " not in str(error) or "private" in str(error):
                wrong.append((body, error))

        assert wrong == []

    @pytest.mark.parametrize("status", [400, 500])
    def test_is_not_the_message_that_an_answer_contains(
        self, status: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        error, _ = outcome("post_message", transport, server, {"status": status})

        assert "hello" not in str(error)

    @pytest.mark.parametrize(
        ("secret", "body"),
        [
            ("s3cr<b>et9xyz", "<p>s3cr<b>et9xyz</p>"),
            ("correct horse battery", "wrong: correct\r\n  horse\r\n  battery"),
        ],
        ids=["tag", "spaces"],
    )
    def test_does_not_show_the_secret_without_its_tag_or_spaces(
        self, secret: str, body: str, server: responses.RequestsMock
    ) -> None:
        transport = HttpTransport(Credentials("app", secret, URL), ConnectionConfig(retries=0))
        server.get(f"{API}/me/", status=404, body=body)

        assert str(failure("get_me", transport)).startswith("404 for GET /v1/bot/me/: ")
        for part in ("s3cr", "et9", "horse"):
            assert part not in str(failure("get_me", transport))

    @pytest.mark.parametrize("piece", ["<", "<title>", "<!--", "<script>", "&#", "<p>a", "[", "{"])
    def test_is_found_in_a_hostile_body_at_once(
        self, piece: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        how = {"status": 503, "body": piece * (2**24 // len(piece)), "content_type": "text/html"}
        began = time.process_time()
        error, _ = outcome("get_me", transport, server, how)

        assert type(error) is TWServerError
        assert len(str(error)) < 500
        assert time.process_time() - began < PATIENCE


class TestTeamwire:
    """A real Teamwire server does not know the contract."""

    @pytest.mark.parametrize("is_heard", [False, True], ids=["unheard", "heard"])
    @pytest.mark.parametrize("what", TEAMWIRE)
    def test_leads_to_the_vendors_sdk_unless_the_server_is_known(
        self, what: str, is_heard: bool, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        if is_heard:
            hear_contract(transport, server)
        how, of_read, of_write = TEAMWIRE[what]
        wrong = []
        for name in CALLS:
            error, _ = outcome(name, transport, server, dict(how))
            kind = of_write if name in WRITES else of_read
            if is_heard and how.get("status", 200) in {302, 401, 403}:
                kind = TWProtocolError
            hint = BETWEEN if is_heard else NO_CONTRACT
            text = str(error)
            if type(error) is not kind or not text.endswith(f"; {hint}") or not text.isprintable():
                wrong.append((name, error))

        # A chat is left if a server without the header says so.
        allowed = [("leave_chat", None)] if what == "JSON of another API" and not is_heard else []
        assert wrong == allowed

    @pytest.mark.parametrize("is_heard", [False, True], ids=["unheard", "heard"])
    @pytest.mark.parametrize("what", TEAMWIRE)
    def test_leads_there_from_files_and_pictures(
        self, what: str, is_heard: bool, make: Make, server: responses.RequestsMock
    ) -> None:
        how, kind, _ = TEAMWIRE[what]
        hint = BETWEEN if is_heard else NO_CONTRACT
        if is_heard and how.get("status", 200) in {302, 401, 403}:
            kind = TWProtocolError
        wrong = []
        for name, (method, path, ask) in OTHERS.items():
            transport = make()
            if is_heard:
                hear_contract(transport, server)
            server.reset()
            server.add(method, API + path, **how)
            error = raised_by(lambda ask=ask, transport=transport: ask(transport))  # type: ignore[misc]
            if type(error) is not kind or not str(error).endswith(f"; {hint}"):
                wrong.append((name, error))

        # Without the header, nothing shows that this is no picture.
        is_any = not is_heard and what in {"JSON of another API", "an empty 200"}
        assert wrong == ([("avatar", None)] if is_any else [])

    def test_is_named_by_the_title_of_its_login_page(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        texts = {}
        for name in ["get_me", "leave_chat"]:
            error, _ = outcome(name, transport, server, {"body": LOGIN})
            texts[name] = str(error)

        said = "the answer is not JSON but a page: Teamwire Dashboard; "
        assert texts["get_me"] == f"GET /v1/bot/me/: {said}{NO_CONTRACT}"
        assert texts["leave_chat"].startswith(f"DELETE /v1/bot/chats/t1/members/me/: {said}it may")

    @pytest.mark.parametrize(
        ("title", "said"), [("", " without a title"), ("<title>a\n\tb&amp;</title>", ": a b&")]
    )
    def test_may_have_no_title(
        self, title: str, said: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        error, _ = outcome("get_me", transport, server, {"body": f"<html>{title}private</html>"})

        text = f"GET /v1/bot/me/: the answer is not JSON but a page{said}; {NO_CONTRACT}"
        assert str(error) == text

    def test_sends_no_picture_but_a_page(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/users/u1/avatar/", body=LOGIN, content_type="text/html")
        error = raised_by(lambda: transport.get_avatar("u1", deadline=None))

        assert str(error) == (
            "GET /v1/bot/users/u1/avatar/: the answer is not the server's but a page: "
            f"Teamwire Dashboard; {NO_CONTRACT}"
        )

    def test_is_not_to_be_taken_for_a_picture_in_svg(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        picture = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><title>me</title>'
        server.get(f"{API}/users/u1/avatar/", body=picture, content_type="image/svg+xml")

        assert transport.get_avatar("u1", deadline=None) == picture

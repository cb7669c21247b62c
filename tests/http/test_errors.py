"""What HttpTransport makes of answers, and of the pages of the chats."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    ConnectionConfig,
    LoggedInUser,
    TWDeliveryUnknownError,
    TWProtocolError,
)
from tests.support.builders import chat_doc, make_chat, make_user, page_doc, user_doc
from tests.support.transport_calls import (
    API,
    CALLS,
    CHAT,
    CONTRACT,
    FIND_OUT,
    NO_CONTRACT,
    WRITES,
    Make,
    answer,
    call,
    error_body,
    failure,
    outcome,
    sent,
    wrong_outcomes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import responses

    from teamwire_sync._http.transport import HttpTransport

# What an answer is that can't be used: the work may have been done.
UNUSABLE = {name: TWDeliveryUnknownError if name in WRITES else TWProtocolError for name in CALLS}


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

        assert call("create_chat", transport).chat == make_chat()

    def test_a_message(self, transport: HttpTransport, server: responses.RequestsMock) -> None:
        answer(server, "post_message")
        message = call("post_message", transport)

        assert (message.msg, message.chat) == ("hello", CHAT)

    @pytest.mark.parametrize("name", ["get_user", "get_group"])
    def test_what_is_not_there_is_none(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(
            server,
            name,
            status=404,
            json=error_body("not_found", "no such thing"),
            headers=CONTRACT,
        )

        assert call(name, transport) is None

    def test_any_other_404_says_that_the_url_is_wrong(
        self, make: Make, server: responses.RequestsMock
    ) -> None:
        bodies = ["<html>Not Found</html>", "{}", '{"error": {"code": "no_route"}}']
        firsts = {body: {"status": 404, "body": body, "headers": CONTRACT} for body in bodies}
        names = ["get_user", "get_group"]

        assert wrong_outcomes(names, firsts, make, server, kind=TWProtocolError, tries=1) == []

    def test_what_is_not_the_contract(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        said = {
            "": "the answer is empty",
            "<html>Welcome</html>": "the answer is not JSON",
            "[]": "is an array where an object should be",
            "null": "is null where an object should be",
        }
        wrong = []
        for name, (body, what) in product(CALLS, said.items()):
            _, method, path, _ = CALLS[name]
            end = NO_CONTRACT
            if name in WRITES:
                end = f"it may have been done or not; {FIND_OUT[name]}; {end}"
            text = f"{method} /v1/bot{path}: .*{what}.*{re.escape(end)}"
            error, _ = outcome(name, transport, server, {"body": body})
            known = type(error), getattr(error, "status", None)
            if known != (UNUSABLE[name], 200) or not re.fullmatch(text, str(error)):
                wrong.append((name, body, error))

        assert wrong == []

    def test_what_lacks_something_is_not_the_contract(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name in [name for name in CALLS if CALLS[name][3]]:
            error, _ = outcome(name, transport, server, {"json": {}})
            if type(error) is not UNUSABLE[name] or ' without "' not in str(error):
                wrong.append((name, error))

        assert wrong == []

    def test_no_other_success_is_one(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        wrong = []
        for name, status in product(CALLS, [201, 204, 206]):
            how = {"status": status, **({"body": ""} if status == 204 else {})}
            error, _ = outcome(name, transport, server, how)
            if type(error) is not UNUSABLE[name]:
                wrong.append((name, status, error))

        assert wrong == []


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

    def test_when_the_chats_change_between_two_pages_the_users_are_read_anew(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for tid, cursor, name in (("a", "c1", "Old"), ("b", None, "New")):
            users = [user_doc(first_name=name)]
            page = page_doc(chat_doc(tid, user_ids=["u1"]), users=users, next_cursor=cursor)
            server.get(f"{API}/chats/", json=page, headers={"ETag": f'"{tid}"'})
        pages = list(transport.iter_chat_pages(validator=None, deadline=None))

        assert [page.chats[0].users[0].first_name for page in pages] == ["Old", "New"]

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

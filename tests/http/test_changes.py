"""HttpTransport requests changes with a revision. The server knows the revision, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWProtocolError, TWRequestError
from tests.support.builders import chat_doc, page_doc
from tests.support.transport_calls import (
    API,
    CONTRACT,
    error_body,
    hear_contract,
    raised_by,
    sent,
)

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport
    from teamwire_sync._transport import ChatPage

CHATS = f"{API}/chats/"
FORGOTTEN: dict[str, Any] = {
    "status": 410,
    "json": error_body("unknown_revision", "too old"),
    "headers": CONTRACT,
}


def changes_doc(*tids: str, **fields: Any) -> dict[str, Any]:
    """The JSON of a page of changes of a server with nine chats."""
    return page_doc(*(chat_doc(tid) for tid in tids), **{"gone": [], "total": 9, **fields})


def read(
    transport: HttpTransport, *, validator: str | None = '"v0"', since: int = 5, **more: Any
) -> list[ChatPage]:
    return [*transport.iter_chat_pages(validator=validator, deadline=None, since=since, **more)]


def tids(pages: list[ChatPage]) -> list[list[str]]:
    return [[chat.tid for chat in page.chats] for page in pages]


def queries(server: responses.RequestsMock) -> list[dict[str, str]]:
    return [call.request.params for call in server.calls]


def validators(server: responses.RequestsMock) -> list[str | None]:
    return [call.request.headers.get("If-None-Match") for call in server.calls]


class TestRequest:
    def test_has_the_revision_on_each_page(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, json=changes_doc("a", next_cursor="c1"))
        server.get(CHATS, json=changes_doc("b"))
        read(transport)

        assert queries(server) == [{"since": "5"}, {"since": "5", "cursor": "c1"}]
        assert validators(server) == ['"v0"', None]

    def test_may_have_the_revision_zero(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, json=changes_doc())
        read(transport, since=0)

        assert queries(server) == [{"since": "0"}]

    def test_of_a_forced_refresh_needs_new_changes(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, **FORGOTTEN)
        server.get(CHATS, json=page_doc())
        read(transport, refresh=True)
        asked = [call.request.headers["Cache-Control"] for call in server.calls]

        assert asked == ["no-cache, no-store"] * 2


class TestPage:
    def test_of_changes_has_what_is_gone_and_the_number_of_all_chats(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        page = changes_doc("a", gone=["b", "c"])
        server.get(CHATS, json=page, headers={"ETag": '"v1"', "Teamwire-Revision": "7"})
        (page,) = read(transport)

        assert (page.gone, page.total) == (["b", "c"], 9)
        assert (page.validator, page.revision, page.revisions) == ('"v1"', 7, [7])

    @pytest.mark.parametrize("fields", [{}, {"gone": None, "total": None}], ids=["no", "null"])
    def test_of_a_server_that_ignores_the_revision_is_one_of_all_chats(
        self, transport: HttpTransport, server: responses.RequestsMock, fields: dict[str, Any]
    ) -> None:
        server.get(CHATS, json=page_doc(chat_doc(), **fields))
        (page,) = read(transport)

        assert (page.gone, page.total) == (None, None)

    @pytest.mark.parametrize(
        ("sent", "total"),
        [(0, 0), (9, 9), (-1, None), ("9", None), (9.0, None), (True, None), ([], None)],
        ids=repr,
    )
    def test_of_all_chats_may_have_their_number(
        self, transport: HttpTransport, server: responses.RequestsMock, sent: object, total: object
    ) -> None:
        server.get(CHATS, json=page_doc(chat_doc(), total=sent))
        (page,) = read(transport)

        assert (page.gone, page.total) == (None, total)

    def test_may_be_not_modified(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, status=304, headers={"Teamwire-Revision": "7"})
        (page,) = read(transport)

        assert (page.not_modified, page.revision) == (True, 7)

    @pytest.mark.parametrize(
        "fields",
        [
            {"gone": "t1"},
            {"gone": {}},
            {"gone": [1]},
            {"gone": [None]},
            {"gone": [["t1"]]},
            {"total": None},
            {"total": "9"},
            {"total": 9.0},
            {"total": True},
            {"total": []},
        ],
        ids=str,
    )
    def test_with_a_malformed_field_has_no_possible_number_of_chats(
        self, transport: HttpTransport, server: responses.RequestsMock, fields: dict[str, Any]
    ) -> None:
        """So the cache lists all the chats. With an error, each later refresh would fail, too."""
        server.get(CHATS, json=changes_doc("a", **fields))
        (page,) = read(transport)

        assert (page.gone, page.total) == ([], -1)

    def test_with_a_malformed_field_is_warned_of_once(
        self,
        transport: HttpTransport,
        server: responses.RequestsMock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        server.get(CHATS, json=changes_doc(total="9"))
        for _ in range(3):
            read(transport)

        (record,) = caplog.records
        assert '"total" of a page of changes is a string' in record.getMessage()


class TestUnknownRevision:
    def test_lists_all_chats(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, **FORGOTTEN)
        server.get(CHATS, json=page_doc(chat_doc("a"), next_cursor="c1"))
        server.get(CHATS, json=page_doc(chat_doc("b")))
        pages = read(transport)

        assert tids(pages) == [["a"], ["b"]]
        assert [page.gone for page in pages] == [None, None]
        assert queries(server) == [{"since": "5"}, {}, {"cursor": "c1"}]
        assert validators(server) == ['"v0"', None, None]

    def test_on_a_later_page_lists_all_chats_from_the_first(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        """The cursors of both readings may be the same."""
        server.get(CHATS, json=changes_doc("b", next_cursor="c1"))
        server.get(CHATS, **FORGOTTEN)
        server.get(CHATS, json=page_doc(chat_doc("a"), next_cursor="c1"))
        server.get(CHATS, json=page_doc(chat_doc("b")))
        pages = read(transport)

        assert tids(pages) == [["b"], ["a"], ["b"]]
        assert [page.gone for page in pages] == [[], None, None]
        asked = [{"since": "5"}, {"since": "5", "cursor": "c1"}, {}, {"cursor": "c1"}]
        assert queries(server) == asked

    def test_without_a_revision_in_the_request_is_an_error(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, **FORGOTTEN)
        error = raised_by(lambda: read(transport))

        assert isinstance(error, TWRequestError)
        assert error.code == "unknown_revision"
        assert queries(server) == [{"since": "5"}, {}]

    def test_is_known_by_its_code(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, **{**FORGOTTEN, "json": error_body("gone", "it is gone")})
        error = raised_by(lambda: read(transport))

        assert isinstance(error, TWRequestError)
        assert len(server.calls) == 1

    @pytest.mark.parametrize("was_heard", [False, True], ids=["never heard", "heard before"])
    def test_of_something_in_between_is_an_error(
        self, transport: HttpTransport, server: responses.RequestsMock, *, was_heard: bool
    ) -> None:
        if was_heard:
            hear_contract(transport, server)
        server.get(CHATS, **{**FORGOTTEN, "headers": {}})
        error = raised_by(lambda: read(transport))

        assert isinstance(error, TWProtocolError)
        assert len(server.calls) == 1

    def test_a_failure_of_the_second_request_is_an_error(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(CHATS, **FORGOTTEN)
        server.get(CHATS, status=500, headers=CONTRACT)

        assert raised_by(lambda: read(transport)) is not None
        assert sent(server).params == {}

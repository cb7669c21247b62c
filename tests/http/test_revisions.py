"""The revisions in responses, and how HttpTransport passes them on."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWDeliveryUnknownError, TWNotFoundError, TWProtocolError
from tests.support.builders import (
    chat_answer,
    chat_doc,
    event_doc,
    events_doc,
    make_chat,
    page_doc,
    pickled,
)
from tests.support.transport_calls import API, CONTRACT, answer, call, error_body, failure

if TYPE_CHECKING:
    import responses

    from teamwire_sync._http.transport import HttpTransport

HEADER = "Teamwire-Revision"
HIGHEST = 2**63 - 1
EDITS = ["create_chat", "edit_chat", "edit_members", "edit_admins"]
WRONG = ["", "-1", "+1", "1.0", "1e3", "0x1", "1_000", "1, 1", "²", "x", str(2**63), "9" * 5000]


def unnumbered(tid: str = "t1") -> dict[str, Any]:
    """Return the JSON of a chat of a server without revisions."""
    chat = chat_doc(tid)
    del chat["revision"]
    return chat


def read(transport: HttpTransport, validator: str | None = None) -> Any:
    """Return the only page of the chats."""
    (page,) = transport.iter_chat_pages(validator=validator, deadline=None)
    return page


class TestListing:
    def test_a_page_has_its_revision_and_those_of_its_chats(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        chats = chat_doc("a", revision=5), chat_doc("b", revision=0), chat_doc("c", revision=9)
        server.get(f"{API}/chats/", json=page_doc(*chats), headers={HEADER: "12"})
        page = read(transport)

        assert (page.revision, page.revisions) == (12, [5, 0, 9])

    def test_each_page_has_its_own_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        for number, cursor in ((1, "c1"), (2, None)):
            page = page_doc(chat_doc(revision=number), next_cursor=cursor)
            server.get(f"{API}/chats/", json=page, headers={HEADER: str(number + 5)})
        pages = transport.iter_chat_pages(validator=None, deadline=None)

        assert [(page.revision, *page.revisions) for page in pages] == [(6, 1), (7, 2)]

    def test_an_unchanged_list_has_a_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", status=304, headers={HEADER: "12"})
        page = read(transport, '"v1"')

        assert (page.not_modified, page.revision) == (True, 12)

    def test_a_server_may_have_no_revisions(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", json=page_doc(unnumbered("a"), unnumbered("b")))
        page = read(transport)

        assert (page.revision, list(page.revisions)) == (None, [])

    def test_an_unchanged_list_may_have_no_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", status=304)

        assert read(transport, '"v1"').revision is None

    def test_a_chat_may_have_no_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        chats = unnumbered("a"), chat_doc("b", revision=5), unnumbered("c")
        server.get(f"{API}/chats/", json=page_doc(*chats))

        assert read(transport).revisions == [None, 5, None]

    @pytest.mark.parametrize("value", WRONG)
    def test_a_header_that_is_no_revision_is_not_the_contract(
        self, value: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "list_chats", headers={HEADER: value})
        error = failure("list_chats", transport)

        assert type(error) is TWProtocolError
        assert f"the header {HEADER} is no whole number from 0 to 2**63 - 1" in str(error)

    def test_such_a_header_of_an_unchanged_list_is_not_the_contract(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        server.get(f"{API}/chats/", status=304, headers={HEADER: "x"})

        with pytest.raises(TWProtocolError, match=HEADER):
            read(transport, '"v1"')

    def test_the_highest_revision_is_read(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        page = page_doc(chat_doc(revision=HIGHEST))
        server.get(f"{API}/chats/", json=page, headers={HEADER: str(HIGHEST)})
        page = read(transport)

        assert (page.revision, page.revisions) == (HIGHEST, [HIGHEST])

    @pytest.mark.parametrize("count", [1, 2])
    def test_the_revision_is_no_part_of_a_chat(
        self, count: int, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        plain = [unnumbered(str(number)) for number in range(count)]
        server.get(f"{API}/chats/", json=page_doc(*plain))
        numbered = [{**chat, "revision": 5} for chat in plain]
        server.get(f"{API}/chats/", json=page_doc(*numbered))
        ((one, *_), (other, *_)) = (read(transport).chats for _ in range(2))

        assert one == other
        assert (hash(one), repr(one), one.extra) == (hash(other), repr(other), {})

    @pytest.mark.parametrize("number", [{}, {"revision": 5}], ids=["without", "with"])
    def test_other_fields_stay_extra(
        self, number: dict[str, int], transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        chats = {**unnumbered("a"), **number, "mood": 1}, unnumbered("b"), chat_doc("c")
        server.get(f"{API}/chats/", json=page_doc(*chats))

        assert [chat.extra for chat in read(transport).chats] == [{"mood": 1}, {}, {}]


class TestWriting:
    @pytest.mark.parametrize("name", EDITS)
    def test_a_write_has_the_revision_of_its_chat(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, json=chat_answer(chat_doc(revision=5)), headers={HEADER: "12"})
        state = call(name, transport)

        assert (state.tid, state.chat, state.revision) == ("t1", make_chat(), 5)

    @pytest.mark.parametrize("name", EDITS)
    def test_the_header_does_not_replace_the_revision_of_the_chat(
        self, name: str, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, name, json=chat_answer(unnumbered()), headers={HEADER: "12"})

        assert call(name, transport).revision is None

    def test_leaving_has_the_revision_of_the_header(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "leave_chat", headers={HEADER: "12"})
        state = call("leave_chat", transport)

        assert (state.tid, state.chat, state.revision) == ("t1", None, 12)

    def test_leaving_may_have_no_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "leave_chat")

        assert call("leave_chat", transport).revision is None

    def test_after_a_header_that_is_no_revision_the_bot_may_have_left(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        answer(server, "leave_chat", headers={HEADER: "x"})

        assert type(failure("leave_chat", transport)) is TWDeliveryUnknownError


class TestNotFound:
    def error(
        self, transport: HttpTransport, server: responses.RequestsMock, value: str | None
    ) -> TWNotFoundError:
        headers = CONTRACT if value is None else {**CONTRACT, HEADER: value}
        body = error_body("not_found", "there is no such chat")
        answer(server, "edit_chat", status=404, json=body, headers=headers)
        error = failure("edit_chat", transport)
        assert type(error) is TWNotFoundError
        return error

    def test_has_the_revision_of_the_header(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        error = self.error(transport, server, "12")

        assert error._revision == 12
        assert "12" not in f"{error} {error!r}"

    def test_copies_keep_the_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        error = self.error(transport, server, "12")

        assert [again._revision for again in (copy.copy(error), pickled(error))] == [12, 12]

    @pytest.mark.parametrize("value", [None, "x"])
    def test_may_have_no_revision(
        self, value: str | None, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        assert self.error(transport, server, value)._revision is None


class TestEvents:
    def test_each_event_has_its_own_revision(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        kinds = ["chat_title_changed", "chat_deleted"]
        more: list[dict[str, Any]] = [{"title": "x"}, {"user_ids": [], "group_ids": []}]
        events = [
            event_doc(kind, revision=number, **fields)
            for number, (kind, fields) in enumerate(zip(kinds, more), start=5)
        ]
        answer(server, "list_events", json=events_doc(*events), headers={HEADER: "12"})
        page = call("list_events", transport)

        assert page.revisions == [5, 6]
        assert [event.extra for event in page.events] == [{}, {}]

    def test_a_server_may_have_no_revisions(
        self, transport: HttpTransport, server: responses.RequestsMock
    ) -> None:
        event = event_doc("chat_title_changed", title="x", mood=1)
        del event["revision"]
        answer(server, "list_events", json=events_doc(event))
        page = call("list_events", transport)

        assert (list(page.revisions), page.events[0].extra) == ([], {"mood": 1})

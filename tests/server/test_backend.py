"""The application calls a backend, and sends its answers. The backend here has no world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._server.backend import Answer
from teamwire_sync._server.request_bodies import NewMessage
from teamwire_sync._transport import ChatDraft, MemberEdit
from tests.server.small_backend import FLOOR, REVISION, SHOWN, error, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.small_backend import Room

LISTING = "/v1/bot/chats/"
ME = "/v1/bot/me/"
IDS = {"tid": "tü 1", "uid": "u", "gid": "g", "aid": "a"}
MEMBERS = {"add_user_ids": ["u"]}

# What is sent, and what the backend is asked.
CALLS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "get_me": ({}, ()),
    "create_chat": (
        {"json": {"title": "x", "user_ids": ["u"]}},
        (ChatDraft("x", ["u"], []),),
    ),
    "edit_chat": ({"json": {"is_closed": True}}, ("tü 1", {"is_closed": True})),
    "edit_members": (
        {"json": {**MEMBERS, "remove_group_ids": ["g"]}},
        ("tü 1", MemberEdit(["u"], [], [], ["g"])),
    ),
    "edit_admins": ({"json": MEMBERS}, ("tü 1", MemberEdit(["u"], (), []))),
    "leave_chat": ({}, ("tü 1",)),
    "list_messages": ({"query_string": {"before": "B", "limit": "999"}}, ("tü 1", 200, "B")),
    "post_message": (
        {"json": {"message": "hi"}},
        ("tü 1", NewMessage(message="hi", attachments=[])),
    ),
    "upload_attachment": (
        {"query_string": {"name": "n"}, "data": b"x", "content_type": "a/b"},
        ("n", "a/b"),
    ),
    "download_attachment": ({}, ("a",)),
    "list_users": ({"query_string": {"q": "ann", "cursor": "B"}}, ("ann", 500, "B")),
    "get_user": ({}, ("u",)),
    "get_avatar": ({}, ("u",)),
    "list_groups": ({"query_string": {"cursor": "B", "limit": "3"}}, (3, "B")),
    "get_group": ({}, ("g",)),
    "edit_group_members": ({"json": MEMBERS}, ("g", MemberEdit(["u"], (), []))),
    "list_events": ({"query_string": {"cursor": "B", "wait": "1.5"}}, ("B", 1.5, 100)),
}


def send(room: Room, name: str, **kwargs: Any) -> Any:
    """The answer to an operation whose path may need ids."""
    operation = OPERATIONS[name]
    path = operation.path
    ids = {key: value for key, value in IDS.items() if f"{{{key}}}" in path}
    return room.open(operation.method, operation.path_for(**ids), **kwargs)


def test_each_operation_is_here() -> None:
    """The list of chats has tests of its own."""
    assert {*CALLS, "list_chats"} == {*OPERATIONS}


@pytest.mark.parametrize("name", CALLS)
def test_the_backend_gets_parsed_values(room: Room, name: str) -> None:
    """Cursors are passed on as they came."""
    request, args = CALLS[name]
    assert send(room, name, **request).json == {"fixed": True}
    assert room.backend.calls == [(name, *args)]


def test_a_chat_without_a_recipient_is_refused_without_the_backend(room: Room) -> None:
    """An upstream that refuses it in its own way would leave the outcome unknown."""
    assert error(send(room, "create_chat", json={"title": "x"})) == (422, "no_recipient")
    assert room.backend.calls == []


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_has_the_backends_revision(room: Room, name: str) -> None:
    """It shows what was there when the backend read or wrote."""
    assert send(room, name, **CALLS[name][0]).headers[REVISION] == str(SHOWN)


def test_an_answer_without_a_revision_has_the_one_before_the_work(room: Room) -> None:
    """A later one could promise more than the answer shows."""
    room.backend.answer = Answer("{}")
    assert room.get(ME).headers[REVISION] == str(FLOOR)


def test_a_backend_may_have_no_revisions(room: Room) -> None:
    """Then no answer has any."""
    room.backend.answer, room.backend.floor = Answer("{}"), None
    assert REVISION not in room.get(ME).headers


def test_an_answer_has_the_backends_form(room: Room) -> None:
    """Status, media type and headers are its business."""
    room.backend.answer = Answer(b"\x89PNG", status=409, content_type="a/b", headers={"X-Y": "z"})
    answer = send(room, "get_avatar")
    found = (answer.data, answer.status_code, answer.content_type, answer.headers["X-Y"])
    assert found == (b"\x89PNG", 409, "a/b", "z")


class TestListing:
    def test_has_its_validator_and_its_revision(self, room: Room) -> None:
        answer = room.get(LISTING)
        found = (answer.json, answer.headers["ETag"], answer.headers[REVISION])
        assert found == ({"chats": []}, '"e"', str(SHOWN))

    def test_gets_parsed_values(self, room: Room) -> None:
        room.get(LISTING, query_string={"limit": "3", "cursor": "B", "since": "5"})
        assert room.backend.calls[-1] == ("page", 3, "B", 5)

    def test_known_list_needs_no_page(self, room: Room) -> None:
        answer = room.get(LISTING, headers={"If-None-Match": '"e"'})
        found = (answer.status_code, answer.data, answer.headers["ETag"], answer.headers[REVISION])
        assert found == (304, b"", '"e"', str(SHOWN))
        assert room.backend.calls == [("listing", False)]

    @pytest.mark.parametrize(
        ("header", "is_fresh"),
        [("no-store", False), ("no-cache, no-store", True), ("No-Cache", True)],
    )
    def test_client_may_refuse_a_list_from_a_cache(
        self, room: Room, header: str, *, is_fresh: bool
    ) -> None:
        room.get(LISTING, headers={"Cache-Control": header})
        assert room.backend.calls[0] == ("listing", is_fresh)

    def test_the_later_pages_are_of_the_list_of_the_first(self, room: Room) -> None:
        room.get(f"{LISTING}?cursor=c", headers={"Cache-Control": "no-cache"})
        assert room.backend.calls[0] == ("listing", False)


class TestWriting:
    def post(self, room: Room, text: str, key: str = "k") -> Any:
        return send(room, "post_message", json={"message": text}, headers={"Idempotency-Key": key})

    def test_only_the_repetition_says_that_it_is_one(self, room: Room) -> None:
        replayed = [self.post(room, "x").headers.get("Idempotency-Replayed") for _ in range(2)]
        assert (replayed, len(room.backend.calls)) == ([None, "true"], 1)

    def test_key_of_another_request_is_refused(self, room: Room) -> None:
        self.post(room, "x")
        assert error(self.post(room, "y")) == (422, "idempotency_mismatch")

    def test_an_error_can_be_an_outcome(self, room: Room) -> None:
        room.backend.answer = Answer('{"error":{"code":"conflict"}}', SHOWN, status=409)
        assert [error(self.post(room, "x")) for _ in range(2)] == [(409, "conflict")] * 2


class TestRefusal:
    @pytest.mark.parametrize(
        ("code", "status"),
        [
            ("not_found", 404),
            ("rate_limited", 429),
            ("unsupported", 501),
            ("delivery_unknown", 502),
            ("service_unavailable", 503),
            ("gateway_timeout", 504),
        ],
    )
    @pytest.mark.parametrize("name", ["get_me", "leave_chat"])
    def test_has_the_status_of_its_code(
        self, room: Room, name: str, code: str, status: int
    ) -> None:
        room.backend.refusal = refused(code)
        assert error(send(room, name)) == (status, code)

    @pytest.mark.parametrize(("own", "shown"), [(None, FLOOR), (8, 8)])
    def test_may_have_a_revision(self, room: Room, own: int | None, shown: int) -> None:
        room.backend.refusal = refused("not_found", own)
        assert room.get(ME).headers[REVISION] == str(shown)

    def test_a_stranger_gets_no_revision(self, room: Room) -> None:
        answer = room.get(ME, headers={"Authorization": None})
        assert (*error(answer), answer.headers.get(REVISION)) == (401, "unauthorized", None)

    def test_a_list_can_be_refused(self, room: Room) -> None:
        room.backend.refusal = refused("gateway_timeout")
        assert error(room.get(LISTING)) == (504, "gateway_timeout")


class TestContents:
    @pytest.mark.parametrize("size", [10, 100_000])
    def test_upload_arrives_whole(self, room: Room, size: int) -> None:
        """A large one is in a file of the folder."""
        send(room, "upload_attachment", query_string={"name": "n"}, data=b"x" * size)
        (content,) = room.backend.uploaded
        if content is None:
            with room.files.open("upload") as file:
                content = file.read()
        assert content == b"x" * size

    def test_download_is_streamed(self, room: Room) -> None:
        """Its first part comes before the second is there, and its end closes the source."""
        told = []

        def parts() -> Iterator[bytes]:
            try:
                for part in (b"a", b"b"):
                    told.append(part)
                    yield part
            finally:
                told.append(b"end")

        room.backend.answer = Answer(parts(), content_type="a/b", headers={"Content-Length": "2"})
        answer = send(room, "download_attachment")
        assert told == [b"a"]
        assert answer.data == b"ab"
        answer.close()
        assert (told, answer.content_length) == ([b"a", b"b", b"end"], 2)

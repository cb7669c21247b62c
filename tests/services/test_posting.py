"""chat.post: what is sent for each argument, and what is refused before anything is."""

from __future__ import annotations

import io
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable

import attrs
import pytest

from teamwire_sync import (
    AlertType,
    Attachments,
    AttachmentType,
    Connection,
    FileAttachment,
    TWNotFoundError,
    TWServerError,
)
from teamwire_sync._transport import MessageDraft
from tests.support.builders import make_chat, make_file, make_message, make_user
from tests.support.fake_transport import FakeTransport
from tests.support.tables import unlike

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync import Chat, ChatHandle

NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport(make_chat("t1", "one"))


@pytest.fixture
def connection(transport: FakeTransport) -> Connection:
    return Connection(transport=transport)


@pytest.fixture(params=["Chat", "ChatHandle"])
def chat(
    connection: Connection, transport: FakeTransport, request: pytest.FixtureRequest
) -> Chat | ChatHandle:
    """A chat, and a handle; what getting it asked for is forgotten."""
    found = (
        connection.chats.one_by_title("one")
        if request.param == "Chat"
        else connection.chats.at("t1")
    )
    transport.calls.clear()
    transport.asked.clear()
    transport.deadlines.clear()
    return found


def test_a_file_in_place_of_attachments_is_not_read(chat: Chat | ChatHandle) -> None:
    """It may be large, or a pipe that nothing comes from."""

    class Pipe(io.BytesIO):
        def __iter__(self) -> Any:
            raise AssertionError

    with pytest.raises(TypeError, match="not Pipe; attach files with"):
        chat.post("x", Pipe())  # type: ignore[arg-type]


def test_of_an_empty_file_progress_is_told_once(chat: Chat | ChatHandle) -> None:
    told: list[tuple[int, int]] = []
    empty = Attachments().add_file(io.BytesIO(), "x")
    chat.post("", empty, progress=lambda *counts: told.append(counts))

    assert told == [(0, 0)]


def test_a_server_without_uploads_says_nothing_of_the_chat(
    connection: Connection, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        message = "404 for POST /v1/bot/attachments/"
        raise TWNotFoundError(message)

    chat = connection.chats.one_by_title("one")
    monkeypatch.setattr(transport, "upload", refuse)
    with pytest.raises(TWNotFoundError):
        chat.post("x", two_files())
    connection.chats.one_by_title("one")

    assert transport.calls == ["iter_chat_pages"]


def two_files(first: bytes = b"0123456789", second: bytes = b"abcde") -> Attachments:
    return Attachments().add_file(io.BytesIO(first), "a.txt").add_image(io.BytesIO(second), "b.png")


SENT: dict[str, tuple[dict[str, Any], MessageDraft]] = {
    "a text": ({"message": "hello"}, MessageDraft("hello")),
    "an alert": (
        {"message": "fire", "is_alert": True},
        MessageDraft("fire", is_alert=True, alert_type=AlertType.ALERT),
    ),
    "a note": (
        {"message": "x", "is_alert": True, "alert_type": AlertType.NOTE},
        MessageDraft("x", is_alert=True, alert_type=AlertType.NOTE),
    ),
    "a kind by name": (
        {"message": "x", "is_alert": True, "alert_type": "announcement"},
        MessageDraft("x", is_alert=True, alert_type=AlertType.ANNOUNCEMENT),
    ),
    "a kind of a newer server": (
        {"message": "x", "is_alert": True, "alert_type": AlertType("siren")},
        MessageDraft("x", is_alert=True, alert_type=AlertType("siren")),
    ),
    "an answer to an id": ({"message": "x", "reply_to": "m1"}, MessageDraft("x", reply_to="m1")),
    "an answer": (
        {"message": "x", "reply_to": make_message("m7")},
        MessageDraft("x", reply_to="m7"),
    ),
    "in another name": (
        {"message": "x", "sender_display_name": "A" * 100},
        MessageDraft("x", sender_display_name="A" * 100),
    ),
    "attachments of others": (
        {"attachments": [make_file(), make_file("a2")]},
        MessageDraft(attachments=[make_file(), make_file("a2")]),
    ),
    "an iterator": (
        {"attachments": iter([make_file()])},
        MessageDraft(attachments=[make_file()]),
    ),
    "no attachments": ({"message": "x", "attachments": Attachments()}, MessageDraft("x")),
}


def test_what_is_given_is_sent(connection: Connection, transport: FakeTransport) -> None:
    for arguments, _ in SENT.values():
        connection.chats.at("t1").post(**arguments)

    sent = dict(zip(SENT, map(listed, transport.messages)))
    assert sent == {name: listed(draft) for name, (_, draft) in SENT.items()}


def listed(draft: MessageDraft) -> MessageDraft:
    return attrs.evolve(draft, attachments=list(draft.attachments))


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "nothing": ({}, ValueError, "message is empty, and there is no attachment"),
    "no attachments": (
        {"attachments": Attachments()},
        ValueError,
        "message is empty, and there is no attachment",
    ),
    "None": ({"message": None}, TypeError, "message must be a str, not NoneType"),
    "surrogate": ({"message": "\ud800"}, ValueError, "message has half of a surrogate pair"),
    "is_alert": ({"message": "x", "is_alert": 1}, TypeError, "is_alert must be True or False"),
    "a kind without alert": (
        {"message": "x", "alert_type": AlertType.NOTE},
        ValueError,
        "alert_type is only for alerts: pass is_alert=True, too",
    ),
    "a kind that is none": (
        {"message": "x", "is_alert": True, "alert_type": 5},
        TypeError,
        "alert_type must be ",
    ),
    "an empty kind": (
        {"message": "x", "is_alert": True, "alert_type": ""},
        ValueError,
        "alert_type",
    ),
    "a kind that is misspelt": (
        {"message": "x", "is_alert": True, "alert_type": "notes"},
        ValueError,
        "alert_type must be one of 'alert', 'announcement', 'note', not 'notes'",
    ),
    "reply_to empty": ({"message": "x", "reply_to": ""}, ValueError, "reply_to is empty"),
    "reply_to number": (
        {"message": "x", "reply_to": 5},
        TypeError,
        "reply_to must be a Message or its id, not int",
    ),
    "empty name": (
        {"message": "x", "sender_display_name": ""},
        ValueError,
        "sender_display_name is empty",
    ),
    "long name": (
        {"message": "x", "sender_display_name": "x" * 101},
        ValueError,
        "sender_display_name must have at most 100 characters, not 101",
    ),
    "a path": (
        {"attachments": "report.pdf"},
        TypeError,
        "attachments must be an Attachments or a list of Attachment objects, not str; attach ",
    ),
    "one attachment": (
        {"attachments": make_file()},
        TypeError,
        "attachments must be an Attachments or a list of Attachment objects, not FileAttachment; ",
    ),
    "paths": (
        {"attachments": [make_file(), "report.pdf"]},
        TypeError,
        r"attachments\[1\] must be an Attachment, not str; attach files with ",
    ),
    "progress": ({"message": "x", "progress": 1}, TypeError, "progress must be True, False or cal"),
    "timeout": ({"message": "x", "timeout": 0}, ValueError, "timeout must be more than zero"),
}


def test_what_is_wrong_is_named_before_any_request(
    connection: Connection, transport: FakeTransport
) -> None:
    post = connection.chats.at("t1").post
    rows = [(given, kind, f"^{text}") for given, kind, text in WRONG.values()]

    assert unlike(lambda given: post(**given), rows) == []
    assert transport.calls == []


class TestPosted:
    def test_its_chat_is_the_object_that_it_was_posted_by(self, chat: Chat | ChatHandle) -> None:
        assert chat.post("hello").chat is chat

    def test_it_can_be_replied_to(self, chat: Chat | ChatHandle, transport: FakeTransport) -> None:
        assert chat.post("hello").reply("why?").reply_to == "m1"
        assert transport.calls == ["post_message"] * 2

    def test_its_author_can_act(self, chat: Chat | ChatHandle, transport: FakeTransport) -> None:
        transport.users = [make_user(has_avatar=True)]

        assert chat.post("hello").from_user.load_avatar() == b"picture of u1"

    def test_what_is_attached_can_act(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        message = chat.post("", Attachments().add_file(io.BytesIO(b"abc"), "x"))
        transport.contents["up1"] = [b"abc"]
        copy = io.BytesIO()
        message.attachments[0].download(copy)

        assert copy.getvalue() == b"abc"

    def test_its_timeout_goes_along(
        self, chat: Chat | ChatHandle, transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(time, "monotonic", lambda: 100.0)
        chat.post("hello", two_files(), timeout=5)

        assert transport.deadlines == [105.0] * 3


class TestFiles:
    def test_each_is_sent_before_the_message(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        chat.post("hello", two_files())

        assert transport.calls == ["upload", "upload", "post_message"]
        assert transport.uploads == [
            ("a.txt", "text/plain", b"0123456789"),
            ("b.png", "image/png", b"abcde"),
        ]

    def test_the_message_has_what_they_became(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        chat.post("", two_files())

        assert list(transport.messages[0].attachments) == [
            FileAttachment(AttachmentType.FILE, "up1", "a.txt", 10, "text/plain"),
            FileAttachment(AttachmentType.GALLERY, "up2", "b.png", 5, "image/png"),
        ]

    def test_all_else_stays_in_its_place(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        attachments = (
            Attachments()
            .add_calendar("Lunch", NOON, NOON)
            .add_file(io.BytesIO(b"x"), "x")
            .add(make_file("a9"))
        )
        chat.post("", attachments)

        kinds = [each.type for each in transport.messages[0].attachments]
        assert kinds == ["calendar", "file", "file"]
        assert transport.calls == ["upload", "post_message"]

    def test_they_can_be_posted_twice(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        files = two_files()
        chat.post("", files)
        chat.post("", files)

        assert transport.uploads[:2] == transport.uploads[2:]

    def test_progress_is_told_the_sum_over_all_of_them(self, chat: Chat | ChatHandle) -> None:
        told: list[tuple[int, int]] = []
        chat.post("", two_files(b"0" * 25), progress=lambda *numbers: told.append(numbers))

        assert told == [(10, 30), (20, 30), (25, 30), (30, 30)]

    def test_without_files_progress_is_told_nothing(self, chat: Chat | ChatHandle) -> None:
        chat.post("hello", [make_file()], progress=lambda *_: pytest.fail("there is nothing"))

    def test_what_progress_raises_comes_through(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        def progress(*_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            chat.post("", two_files(), progress=progress)
        assert "post_message" not in transport.calls

    def test_one_that_is_gone_meanwhile_sends_nothing(
        self, chat: Chat | ChatHandle, transport: FakeTransport, tmp_path: Path
    ) -> None:
        path = tmp_path / "x.txt"
        path.write_bytes(b"x")
        attachments = two_files().add_file(path)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            chat.post("", attachments)

        assert transport.calls == []

    def test_one_that_can_not_be_sent_posts_nothing(
        self, chat: Chat | ChatHandle, transport: FakeTransport
    ) -> None:
        transport.errors["upload"] = TWServerError("down")
        with pytest.raises(TWServerError):
            chat.post("hello", two_files())

        assert transport.calls == ["upload"]


class TestCache:
    def test_posting_leaves_it_alone(
        self, connection: Connection, transport: FakeTransport
    ) -> None:
        for _ in range(3):
            connection.chats.one_by_title("one").post("hello", two_files())

        assert transport.calls.count("iter_chat_pages") == 1

    @pytest.mark.parametrize("kind", ["Chat", "ChatHandle"])
    def test_a_chat_that_is_gone_is_looked_for_anew(self, kind: str) -> None:
        acts: dict[str, Callable[[Any], Any]] = {
            "post": lambda chat: chat.post("hello"),
            "get": lambda chat: chat.get_messages(),
            "iter": lambda chat: list(chat.iter_messages()),
            "title": lambda chat: chat.set_title("x"),
            "members": lambda chat: chat.add_members(["u1"]),
            "admins": lambda chat: chat.remove_admins(["u1"]),
            "leave": lambda chat: chat.leave(),
        }

        def listings_after(name: str) -> tuple[object, int]:
            transport = FakeTransport(make_chat("t1", "one"))
            chats = Connection(transport=transport).chats
            listed = chats.one_by_title("one")
            transport.error = TWNotFoundError("gone", status=404)
            with pytest.raises(TWNotFoundError):
                acts[name](listed if kind == "Chat" else chats.at("t1"))
            transport.error = None
            transport.chats.clear()
            return chats.get_by_thread_id("t1"), transport.calls.count("iter_chat_pages")

        assert {name: listings_after(name) for name in acts} == dict.fromkeys(acts, (None, 2))

    @pytest.mark.parametrize("code", [None, "no_such_path"])
    @pytest.mark.parametrize("revision", [None, 1])
    def test_a_404_that_is_not_about_the_chat_hides_no_chat(
        self, revision: int | None, code: str | None, transport: FakeTransport
    ) -> None:
        """A proxy sends such a response, or a server that does not know the path."""
        chats = Connection(transport=transport).chats
        transport.behind = ()
        transport.revision = revision
        created = chats.create_chat(title="two", users=["u1"])
        transport.errors["post_message"] = error = TWNotFoundError("?", status=404, code=code)
        error._revision = transport.changed("another chat")
        with pytest.raises(TWNotFoundError):
            created.post("hello")

        assert chats.get_by_thread_id(created.tid) == created

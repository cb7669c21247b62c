"""Provoking the lines of docs/troubleshooting.md about chats, files and listening."""

from __future__ import annotations

import io
from datetime import datetime
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
import responses

from teamwire_sync import Attachments, Connection, ConnectionConfig, TWAuthError
from teamwire_sync._http.credentials import Credentials
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._transport import ChatPage, EventPage
from tests.support.builders import chat_doc, make_chat, make_event, page_doc
from tests.support.fake_transport import FakeTransport
from tests.support.provocations import HOST, URL, answered, connected, logs, shows
from tests.support.transport_calls import CHAT, CONTRACT, error_body

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._transport import Source

NOW = datetime(2030, 3, 1, 22, 0)


def refused(name: str, status: int, code: str, message: str, **more: Any) -> object:
    return answered(name, status=status, json=error_body(code, message, **more))


def chat() -> Chat:
    return connected(make_chat("t1")).chats.get_subscriptions()[0]


@shows("403: the bot may not do this (the bot is not an administrator of this chat)")
def _() -> object:
    return refused("edit_chat", 403, "not_admin", "the bot is not an administrator of this chat")


@shows("403: the bot may not do this (the bot does not own this list)")
def _() -> object:
    return refused("edit_group_members", 403, "not_owner", "the bot does not own this list")


@shows("404 for POST /v1/bot/chats/t1/messages/: there is no such chat")
def _() -> object:
    return refused("post_message", 404, "not_found", "there is no such chat")


@shows("409 for PATCH /v1/bot/chats/t1/members/: a 1:1 chat cannot be changed")
def _() -> object:
    return refused("edit_members", 409, "one_to_one", "a 1:1 chat cannot be changed")


@shows("409 for POST /v1/bot/chats/t1/messages/: the chat is closed")
def _() -> object:
    return refused("post_message", 409, "chat_closed", "the chat is closed")


@shows("unknown, not visible to the bot, or not members: rVRCfuQEtkgnZBZEgbHVji")
def _() -> object:
    ids: Any = {"user_ids": ["rVRCfuQEtkgnZBZEgbHVji"], "group_ids": []}
    return refused("edit_members", 422, "invalid_members", "x", **ids)


@shows("not members, or not administrators: rVRCfuQEtkgnZBZEgbHVji")
def _() -> object:
    ids: Any = {"user_ids": ["rVRCfuQEtkgnZBZEgbHVji"], "group_ids": []}
    return refused("edit_admins", 422, "invalid_members", "x", **ids)


@shows(
    f"the answer of {HOST}:443 was lost (Connection reset by peer): it may have done POST "
    "/v1/bot/chats/t1/messages/ or not; look before you try again: chat.get_messages() has the "
    "message if it was posted"
)
def _() -> object:
    return answered("post_message", body=ConnectionResetError(104, "Connection reset by peer"))


@shows("message is empty, and there is no attachment")
def _() -> object:
    return chat().post("")


@shows("alert_type is only for alerts: pass is_alert=True, too")
def _() -> object:
    return chat().post("hello", alert_type="note")


@shows(
    "attachments[0] must be an Attachment, not str; attach files with "
    "attachments=Attachments().add_file(path)"
)
def _() -> object:
    return chat().post("hello", attachments=["plan.pdf"])  # type: ignore[list-item]


@shows(
    "path_or_file must be a path or a file that is open for reading bytes (mode 'rb'; for bytes "
    "in memory use io.BytesIO), not bytes"
)
def _() -> object:
    return Attachments().add_file(b"content")  # type: ignore[arg-type]


@shows("the file has no name: pass one, as in add_file(file, name='report.pdf')")
def _() -> object:
    return Attachments().add_file(io.BytesIO(b"content"))


@shows("startDate has no time zone: use startDate.astimezone() for the local one, or set tzinfo")
def _() -> object:
    return Attachments().add_calendar("Night shift", NOW, NOW)


@shows("'plan.pdf' became shorter while it was being sent")
def _() -> object:
    file = io.BytesIO(b"content")

    class Sending(FakeTransport):
        def upload(self, source: Source, *, deadline: float | None) -> str:
            file.truncate(3)
            while source.read(1024):
                pass
            return "a1"

    connection = Connection(transport=Sending())
    plan = Attachments().add_file(file, "plan.pdf")
    return connection.chats.at("t1").post("hello", plan)


class Nowhere:
    """Where nothing is kept."""

    def write(self, piece: bytes, /) -> None:
        pass

    def restart(self) -> bool:
        return True


def downloaded(size: int) -> object:
    return answered(
        lambda transport: transport.download("a1", Nowhere(), size=size, deadline=None),
        body=b"content",
        headers=CONTRACT,
    )


@shows(
    "the answer to GET /v1/bot/attachments/a1/content/ is refused: it is larger than the 5 bytes "
    "that it should have"
)
def _() -> object:
    return downloaded(5)


@shows("the answer to GET /v1/bot/attachments/a1/content/ is refused: it ended after 7 of 9 bytes")
def _() -> object:
    return downloaded(9)


@shows("the user 'rVRCfuQEtkgnZBZEgbHVji' has set no picture")
def _() -> object:
    return answered(
        lambda transport: transport.get_avatar("rVRCfuQEtkgnZBZEgbHVji", deadline=None),
        status=404,
        json=error_body("no_avatar", "this user has no picture"),
    )


@shows("422 for GET /v1/bot/events/: the cursor is unknown or belongs to another list")
def _() -> object:
    return answered(
        lambda transport: next(Connection(transport=transport).events(since="another server's")),
        status=422,
        json=error_body("invalid_cursor", "the cursor is unknown or belongs to another list"),
    )


@shows("422 for GET /v1/bot/chats/t1/messages/: before must be the ID of a message in this chat")
def _() -> object:
    message = "before must be the ID of a message in this chat"
    return answered(
        lambda transport: transport.get_messages(CHAT, before="m9", limit=50, deadline=None),
        status=422,
        json=error_body("invalid_cursor", message),
    )


ODD = page_doc(chat_doc("t1"), chat_doc("t2", title=5), chat_doc("t3", admin_ids=["gone"]))


def listed(transport: HttpTransport) -> list[Chat]:
    return Connection(transport=transport).chats.get_by_title("missing")


@shows(
    "not found, but the thread ID or the title of a chat can't be decoded: it may be the chat that "
    "you look up, so don't create it again"
)
def _() -> object:
    return answered(listed, json=ODD)


@shows("the pages of the chats never end: 100 pages in a row have nothing new")
def _() -> object:
    transport = FakeTransport()
    transport.iter_chat_pages = lambda **_: repeat(ChatPage(is_last=False))  # type: ignore[method-assign,misc]
    return Connection(transport=transport).chats.get_subscriptions()


@logs(
    "a response does not follow the contract: a chat names a user that the answer does not "
    "describe; only the rest of it is used"
)
def _() -> object:
    page = page_doc(chat_doc("t1", title="missing", admin_ids=["gone"]))
    return answered(listed, json=page)


@logs("the server repeats 1 event, which the loop leaves out")
def _() -> object:
    transport = FakeTransport()
    transport.event_answers += [
        EventPage([make_event("message_read", "c1")], "c1"),
        TWAuthError("401", status=401),
    ]
    with pytest.raises(TWAuthError):
        next(Connection(transport=transport).events(since="c1"))
    return None


@logs("listening is interrupted and will be retried: 503 for GET /v1/bot/events/: no reason given")
def _() -> object:
    transport = HttpTransport(Credentials("app", "topsecret", URL), ConnectionConfig())
    transport.pause = lambda seconds: None  # type: ignore[method-assign]
    connection = Connection(transport=transport)
    with responses.RequestsMock() as server:
        server.get(f"{URL}/v1/bot/events/", status=503, headers=CONTRACT)
        server.get(f"{URL}/v1/bot/events/", status=401, headers=CONTRACT)
        with pytest.raises(TWAuthError):
            next(connection.events(since="c1"))
    return None

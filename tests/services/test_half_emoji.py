"""Texts that a program has cut in the middle of an emoji, from the server to the user."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import TWInvalidMembersError, TWRequestError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.sandbox_api import CHATS, EVENTS, MESSAGES, Api

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox

MARK, HALF = "HERE IS HALF", b"\\ud83d"


@pytest.fixture
def connection(box: Sandbox) -> Connection:
    return box.connect()


@pytest.fixture
def api(box: Sandbox) -> Any:
    with Api(box) as session:
        yield session


def cut(api: Api, path: str, *texts: str, **query: str) -> None:
    """Let the server send half an emoji in place of *texts*."""
    body = api.get(path, params=query).content
    for text in (MARK, *texts):
        body = body.replace(text.encode(), HALF)
    assert HALF in body
    api.box.fault("GET", path, body=body)


def written(text: object) -> bytes:
    """Return the output of `print`. The stream refuses half of an emoji, as stdout does."""
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    print(text, file=stream)
    return stream.buffer.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_chats_can_be_printed_shown_and_found(api: Api, connection: Connection) -> None:
    api.box.add_chat(MARK, [KNOWN_USER])
    cut(api, CHATS)
    chats = connection.chats.get_subscriptions()
    (chat,) = (chat for chat in chats if "\ufffd" in (chat.title or ""))

    assert written(chat.title) == "\ufffd\n".encode()
    assert written(chats._repr_html_() + chat._repr_html_()) != b""
    assert connection.chats.one_by_title("\ufffd") == chat
    "".join(chats.to_pandas()["title"].dropna()).encode()


def test_names_can_be_printed(api: Api, connection: Connection) -> None:
    cut(api, f"/v1/bot/users/{KNOWN_USER}/", *names_of(api))
    user = connection.users.get_user(KNOWN_USER)

    assert user is not None
    assert written(user.full_name()) == "\ufffd \ufffd\n".encode()


def names_of(api: Api) -> list[str]:
    user = api.get(f"/v1/bot/users/{KNOWN_USER}/").json()["user"]
    return [user["first_name"], user["last_name"]]


def test_a_message_can_be_quoted_in_a_reply(api: Api, connection: Connection) -> None:
    mid = api.box.post_message(KNOWN_CHAT, f"see {MARK}", files={f"{MARK}.txt": b"x"})
    cut(api, MESSAGES)
    (message, *_) = connection.chats.at(KNOWN_CHAT).get_messages(limit=1)
    reply = message.reply(f"> {message.msg}")

    assert (message.mid, reply.reply_to, reply.msg) == (mid, mid, "> see \ufffd")
    assert [each.name for each in message.attachments or ()] == ["\ufffd.txt"]  # type: ignore[attr-defined]


def test_an_event_can_be_printed(api: Api, connection: Connection) -> None:
    cursor = api.now()
    api.box.post_message(KNOWN_CHAT, MARK)
    cut(api, EVENTS, cursor=cursor)
    event: Any = next(connection.events(since=cursor))

    assert written(event.message.msg) == "\ufffd\n".encode()


def test_the_servers_reason_and_code_can_be_printed(api: Api, connection: Connection) -> None:
    said = {"code": "no\ud83d", "message": "not \ud83d this"}
    api.box.fault("GET", "/v1/bot/me/", status=409, body={"error": said})
    with pytest.raises(TWRequestError) as caught:
        connection.check()

    assert caught.value.code == "no\ufffd"
    assert "not \ufffd this" in str(caught.value)


def test_the_ids_of_an_error_can_be_printed(api: Api, connection: Connection) -> None:
    said = {"code": "invalid_members", "message": "x", "user_ids": ["u\ud83d"]}
    api.box.fault("POST", CHATS, status=422, body=json.loads(json.dumps({"error": said})))
    with pytest.raises(TWInvalidMembersError) as caught:
        connection.chats.create_chat(title="x", users=["u1"])

    assert caught.value.user_ids == ("u\ufffd",)

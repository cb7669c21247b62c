"""One call for each operation, and what a server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ChatHandle,
    TWError,
)
from teamwire_sync._transports.base import ChatDraft
from teamwire_sync._transports.http import HttpTransport
from tests.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)
from tests.leaks import assert_no_secret

if TYPE_CHECKING:
    import responses

URL = "https://teamwire.example"
API = f"{URL}/v1/bot"
SECRET = "s3cret%ß:x"
ME = {"user": user_doc(is_bot=True)}
DRAFT = ChatDraft(title="hello world", user_ids=("u1",))
CHAT = ChatHandle("t1")

Make = Callable[..., HttpTransport]


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
# How a user finds out whether it was done, when the answer was lost.
FIND_OUT = {
    "create_chat": (
        "look before you try again: "
        "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made"
    ),
    "post_message": (
        "look before you try again: the chat itself shows the message if it was posted"
    ),
}
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

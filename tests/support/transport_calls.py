"""One call for each operation, and what a server answers."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Callable, Optional

from teamwire_sync import (
    ChatHandle,
    TWError,
)
from teamwire_sync._http.transport import HttpTransport
from teamwire_sync._transport import ChatDraft, MemberEdit, MessageDraft
from tests.support.builders import (
    chat_answer,
    chat_doc,
    group_answer,
    group_doc,
    message_answer,
    message_doc,
    page_doc,
    user_doc,
)
from tests.support.leaks import assert_no_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import responses

    from tests.support.builders import Clock

URL = "https://teamwire.example"
API = f"{URL}/v1/bot"
SECRET = "s3cret%ß:x"
ME = {"user": user_doc(is_bot=True)}
DRAFT = ChatDraft(title="hello world", user_ids=("u1",))
CHAT = ChatHandle("t1")
EDIT = MemberEdit(add_users=("u1",))

Make = Callable[..., HttpTransport]
# Makes one that tries again without waiting for it, out of settings.
Patient = Callable[..., HttpTransport]
# Takes the transport and the deadline.
Ask = Callable[[HttpTransport, Optional[float]], Any]


# One call for each operation, and the answer that it wants.
CALLS: dict[str, tuple[Ask, str, str, dict[str, Any]]] = {
    "get_me": (lambda one, by: one.get_me(deadline=by), "GET", "/me/", ME),
    "list_chats": (
        lambda one, by: list(one.iter_chat_pages(validator=None, deadline=by)),
        "GET",
        "/chats/",
        page_doc(chat_doc()),
    ),
    "get_user": (
        lambda one, by: one.get_user("u1", deadline=by),
        "GET",
        "/users/u1/",
        {"user": user_doc()},
    ),
    "get_group": (
        lambda one, by: one.get_group("g1", deadline=by),
        "GET",
        "/groups/g1/",
        group_answer(group_doc()),
    ),
    "create_chat": (
        lambda one, by: one.create_chat(DRAFT, deadline=by),
        "POST",
        "/chats/",
        chat_answer(chat_doc()),
    ),
    "post_message": (
        lambda one, by: one.post_message(CHAT, MessageDraft("hello"), deadline=by),
        "POST",
        "/chats/t1/messages/",
        message_answer(message_doc()),
    ),
    "edit_chat": (
        lambda one, by: one.edit_chat("t1", {"title": "new"}, deadline=by),
        "PATCH",
        "/chats/t1/",
        chat_answer(chat_doc()),
    ),
    "edit_members": (
        lambda one, by: one.edit_members("t1", EDIT, deadline=by),
        "PATCH",
        "/chats/t1/members/",
        chat_answer(chat_doc()),
    ),
    "edit_admins": (
        lambda one, by: one.edit_admins("t1", EDIT, deadline=by),
        "PATCH",
        "/chats/t1/admins/",
        chat_answer(chat_doc()),
    ),
    "leave_chat": (
        lambda one, by: one.leave_chat("t1", deadline=by),
        "DELETE",
        "/chats/t1/members/me/",
        {},
    ),
    "list_messages": (
        lambda one, by: one.get_messages(CHAT, before=None, limit=50, deadline=by),
        "GET",
        "/chats/t1/messages/",
        {"messages": [message_doc()], "users": [user_doc()], "next_before": None},
    ),
    "list_users": (
        lambda one, by: one.get_users(text=None, cursor=None, deadline=by),
        "GET",
        "/users/",
        {"users": [user_doc()], "next_cursor": None},
    ),
    "list_groups": (
        lambda one, by: one.get_groups(cursor=None, deadline=by),
        "GET",
        "/groups/",
        {"groups": [group_doc()], "users": [], "next_cursor": None},
    ),
    "list_events": (
        lambda one, by: one.get_events(cursor=None, wait=0, deadline=by),
        "GET",
        "/events/",
        {"events": [], "chats": [], "users": [], "groups": [], "cursor": "c1"},
    ),
    "edit_group_members": (
        lambda one, by: one.edit_group_members("g1", EDIT, deadline=by),
        "PATCH",
        "/groups/g1/members/",
        group_answer(group_doc()),
    ),
}
# Those that may take long.
LONG = ("list_chats", "list_users", "list_groups")
READS = [name for name, (_, method, _, _) in CALLS.items() if method == "GET"]
WRITES = [name for name in CALLS if name not in READS]
# How a user finds out whether it was done, when the answer was lost.
FIND_OUT = {
    "create_chat": (
        "look before you try again: "
        "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made"
    ),
    "post_message": (
        "look before you try again: chat.get_messages() has the message if it was posted"
    ),
    **dict.fromkeys(
        ("edit_chat", "edit_members", "edit_admins"),
        "look before you try again: "
        "connection.chats.get_subscriptions(refresh=True) lists the chat as it is now",
    ),
    "leave_chat": (
        "look before you try again: "
        "connection.chats.get_subscriptions(refresh=True) lists the chat if the bot is still in it"
    ),
    "edit_group_members": (
        "look before you try again: connection.groups.get_group(gid) returns the current members"
    ),
}
# What a server sends that repeats no write which comes again under its key.
CONTRACT = {"Teamwire-Bot-Contract": "1"}
# The end of an error about any other server.
NO_CONTRACT = (
    "no server of the bot contract sent this response: check the URL; if it is a Teamwire server, "
    "use the vendor's SDK: see docs/connect.md"
)


class Pauses:
    """Are over at once; the clock shows that they were."""

    def __init__(self, clock: Clock) -> None:
        self.taken: list[float] = []
        self._clock = clock

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self._clock.advance(seconds)


def call(name: str, transport: HttpTransport, deadline: float | None = None) -> Any:
    return CALLS[name][0](transport, deadline)


def answer(server: responses.RequestsMock, name: str, **how: Any) -> None:
    """Have *server* answer the call *name*, with success unless *how* says otherwise.

    A body can be what makes an error, which then comes in place of an answer.
    """
    if callable(how.get("body")):
        how["body"] = how["body"]()
    _, method, path, document = CALLS[name]
    if "body" not in how and "json" not in how:
        how["json"] = document
    server.add(method, API + path, **how)


def hear_contract(transport: HttpTransport, server: responses.RequestsMock) -> None:
    """Have *server* show *transport* that it keeps the contract."""
    answer(server, "get_user", headers=CONTRACT)
    call("get_user", transport)
    server.reset()


def sent(server: responses.RequestsMock, number: int = -1) -> Any:
    return server.calls[number].request


def raised_by(run: Callable[[], object]) -> Exception | None:
    """What *run* raises, or None. An error that shows the Secret comes as an AssertionError."""
    error = None
    try:
        run()
    except Exception as raised:  # noqa: BLE001  the next rows of a table are looked at, too
        error = raised
    if isinstance(error, TWError):
        try:
            assert_no_secret(error, SECRET)
            assert (error.__cause__, error.__context__) == (None, None)
        except AssertionError as leak:
            return leak
    return error


def failure(name: str, transport: HttpTransport) -> TWError:
    """The error of the call *name*, which shows no Secret."""
    error = raised_by(lambda: call(name, transport))
    if error is not None and not isinstance(error, TWError):
        raise error
    assert error is not None, "it went well"
    return error


def outcome(
    name: str, transport: HttpTransport, server: responses.RequestsMock, *answers: dict[str, Any]
) -> tuple[Exception | None, int]:
    """What the call *name* raises, and how often it asks, when *server* has just these *answers*.

    An answer without anything is a success.
    """
    server.reset()
    for how in answers:
        answer(server, name, **how)
    error = raised_by(lambda: call(name, transport))
    return error, len(server.calls)


def wrong_outcomes(
    names: Iterable[str],
    firsts: Mapping[Any, dict[str, Any]],
    make: Callable[[], HttpTransport],
    server: responses.RequestsMock,
    *,
    kind: type[Exception] | tuple[type[Exception], ...] | None,
    tries: int,
) -> list[tuple[Any, ...]]:
    """Which of the calls *names* do not end with an error of *kind*, or well, after *tries*.

    Each of *firsts* has a name. It is what *server* answers first; then it answers with success.
    """
    wrong = []
    for name, (what, first) in product(names, firsts.items()):
        error, asked = outcome(name, make(), server, first, {"headers": CONTRACT})
        if not isinstance(error, kind or type(None)) or asked != tries:
            wrong.append((name, what, error, asked))
    return wrong


def error_body(code: str | None = None, message: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}

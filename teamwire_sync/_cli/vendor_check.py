"""The checklist of ``teamwire-sync vendor-check``. It compares the SDK with its documentation."""

from __future__ import annotations

import asyncio
import platform
import sys
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from attrs import define, field, frozen

from teamwire_sync._cli.errors import text_of
from teamwire_sync._display.html import count_of
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.version import VERSION
from teamwire_sync._vendor.transport import VendorTransport, ask_vendor
from teamwire_sync.exceptions import TWError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._connection import Connection
    from teamwire_sync._models.chats import Chat
    from teamwire_sync._vendor.calls import Call

T = TypeVar("T")

# An ID that no server uses.
_NOBODY = "teamwire-sync-vendor-check"
_TITLE = "teamwire-sync vendor-check"
_OF_A_CHAT = [
    "tid",
    "title",
    "type",
    "users",
    "circles",
    "lists",
    "admins",
    "is_alert",
    "allow_sending",
    "allow_mute_notifications",
    "is_closed",
    "post",
]


@frozen
class Finding:
    """One line of the checklist.

    Attributes:
        number: The number of the line, from 1.
        what: The documented behaviour to check.
        outcome: The result of the check; a failed check begins with "WRONG: ".
        details: The text of the vendor's error, or None. It may contain titles and names.
    """

    number: int
    what: str
    outcome: str
    details: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the SDK does not behave as documented."""
        return self.outcome.startswith("WRONG: ")


class _Skip(Exception):  # noqa: N818  not an error
    """The signal that a check lacks a precondition, so that it is skipped."""


@define
class VendorCheck:
    """The checklist. Its findings show no title, no name and no text, except in their details.

    Args:
        connect: A function that returns a Connection over its keyword argument *transport*.
        connection_factory: A function that returns the vendor's connection; None for
            ``teamwire_api.Connection``.
        recipient: The ID of the user to create a chat with; None to write nothing.
        timeout: The time limit of each call, in seconds.
    """

    _connect: Callable[..., Connection]
    _connection_factory: Callable[[], Any] | None = None
    _recipient: str | None = field(default=None, kw_only=True)
    _timeout: float = field(default=60, kw_only=True)
    _transport: VendorTransport | None = field(default=None, init=False)
    _connection: Connection | None = field(default=None, init=False)
    _chats: list[Chat] | None = field(default=None, init=False)
    _made: Chat | None = field(default=None, init=False)

    def run(self) -> Iterator[Finding]:
        """Yield the finding of each line as soon as it is known."""
        lines: list[tuple[str, Callable[[], str]]] = [
            ("teamwire_api can be imported", self._import),
            ("a connection opens on its own thread", self._open),
            ("chats.get_subscriptions() lists the bot's chats", self._list),
            ("a chat has the documented attributes", self._attributes),
            ("look-ups by thread ID and title need no second listing", self._look_up),
            ("chats.get_by_thread_id() finds a chat, and nothing for a made-up ID", self._by_id),
            ("users.get_user() finds a member, and nobody for a made-up ID", self._user),
            ("groups.get_group() finds a circle or list with its members", self._group),
            ("chats.create_chat() makes a chat", self._create),
            ("chat.post() posts in it", self._post),
        ]
        try:
            for number, (what, look) in enumerate(lines, 1):
                yield _finding(number, what, look)
        finally:
            for each in (self._connection, self._transport):
                if each is not None:
                    each.close()

    def _import(self) -> str:
        self._transport = VendorTransport(self._connection_factory, total_timeout=self._timeout)
        theirs = getattr(sys.modules.get("teamwire_api"), "__version__", None) or "unknown"
        python = f"Python {platform.python_version()} on {sys.platform}"
        return f"ok, version {theirs}, with teamwire_sync {VERSION}, {python}"

    def _open(self) -> str:
        ask_vendor(self._imported(), "opening", lambda _vendor, _call: asyncio.sleep(0))
        self._connection = self._connect(transport=self._transport)
        return "ok"

    def _list(self) -> str:
        self._chats = self._opened().chats.get_subscriptions()
        return f"ok, {count_of(len(self._chats), 'chat')}"

    def _attributes(self) -> str:
        chat = self._listed()[0]

        async def look(vendor: Any, _call: Call[list[str] | None]) -> list[str] | None:
            for theirs in await vendor.chats.get_subscriptions():
                if str(theirs.tid) == chat.tid:
                    return [name for name in _OF_A_CHAT if not hasattr(theirs, name)]
            return None

        found = ask_vendor(self._imported(), "chats.get_subscriptions", look)
        missing = _needed(found, "the chat is no longer listed")
        if "post" in missing or "type" in missing:
            return f"WRONG: there is no {', no '.join(missing)}"
        return f"ok, without {', '.join(missing)}" if missing else "ok"

    def _look_up(self) -> str:
        chat = self._listed()[0]
        chats = self._opened().chats
        before = chats.cache_info().listings
        found = chats.get_by_thread_id(chat.tid)
        titled = chats.get_by_title(chat.title) if chat.title else [chat]
        if found != chat or chat not in titled or chats.cache_info().listings != before:
            return "WRONG: a chat was not found, or its look-up made another listing"
        return "ok"

    def _by_id(self) -> str:
        chat = self._listed()[0]

        async def look(vendor: Any, _call: Call[tuple[Any, Any]]) -> tuple[Any, Any]:
            found = await vendor.chats.get_by_thread_id(chat.tid)
            return getattr(found, "tid", None), await vendor.chats.get_by_thread_id(_NOBODY)

        tid, nothing = ask_vendor(self._imported(), "chats.get_by_thread_id", look)
        if str(tid) != chat.tid or nothing:
            which = "no" if tid is None else "another"
            return f"WRONG: it returned {which} chat, or a chat for a made-up ID"
        return "ok"

    def _user(self) -> str:
        members = (user for chat in self._listed() for user in chat.users)
        user = _needed(next(members, None), "no chat has a user")
        users = self._opened().users
        found = users.get_user(user.uid)
        if found is None or found.uid != user.uid or users.get_user(_NOBODY) is not None:
            return (
                "WRONG: it did not return the user that the chat has, or returned a user for a "
                "made-up ID"
            )
        return "ok"

    def _group(self) -> str:
        members = (group for chat in self._listed() for group in chat.groups)
        group = _needed(next(members, None), "no chat has a circle or list")
        found = self._opened().groups.get_group(group.gid)
        if found is None or found.gid != group.gid:
            return "WRONG: it did not return the group that the chat has"
        return f"ok, {count_of(len(found.get_members()), 'member')}"

    def _create(self) -> str:
        recipient = _needed(self._recipient, "needs --write")
        chats = self._opened().chats
        self._made = chat = chats.create_chat(title=_TITLE, users=[recipient])
        if chat.title != _TITLE or chat not in chats.get_by_title(_TITLE):
            return "WRONG: the new chat differs from the request"
        return f"ok, thread ID {chat.tid}"

    def _post(self) -> str:
        _needed(self._recipient, "needs --write")
        chat = _needed(self._made, "needs line 9")
        message = chat.post("This is a test; nothing needs to be done.")
        return "ok" if message.mid else "ok, but the SDK does not return the message ID"

    def _imported(self) -> VendorTransport:
        return _needed(self._transport, "needs line 1")

    def _opened(self) -> Connection:
        return _needed(self._connection, "needs line 2")

    def _listed(self) -> list[Chat]:
        chats = _needed(self._chats, "needs line 3")
        return _needed(chats or None, "the bot is in no chat")


def _finding(number: int, what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(number, what, look())
    except _Skip as skip:
        return Finding(number, what, f"skipped: {skip}")
    except not_by_signal(TWError) as error:
        text, cause = text_of(error), error.cause
        if cause is not None:
            text = text.replace(cause, cause.partition(":")[0])
        return Finding(number, what, f"WRONG: {type(error).__name__}: {text}", cause)


def _needed(thing: T | None, without: str) -> T:
    if thing is None:
        raise _Skip(without)
    return thing

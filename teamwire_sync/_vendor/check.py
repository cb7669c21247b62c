"""The checklist of ``teamwire-sync vendor-check``: does the vendor's SDK do what it documents?"""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any, Callable

from attrs import frozen

from teamwire_sync import __version__
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync._vendor import VendorTransport
from teamwire_sync.exceptions import TWError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._models.chats import Chat
    from teamwire_sync._vendor.calls import Call

# What no server calls anything.
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
        number: From 1 on.
        what: What was looked at.
        outcome: What came of it.
        is_wrong: Whether it is not as documented.
        details: The text of the vendor's error, which may have titles and names in it.
    """

    number: int
    what: str
    outcome: str
    is_wrong: bool = False
    details: str | None = None


class _Skip(Exception):  # noqa: N818  it is no error
    """There is nothing to look at."""


class _Wrong(Exception):  # noqa: N818  it is no error of ours
    """Something is not as documented."""


class VendorCheck:
    """Goes through the checklist. It shows no title, no name and no text, the details aside.

    Args:
        connection_factory: Makes the vendor's connection; None for that of ``teamwire_api``.
        recipient: Whom to make a chat with; None to write nothing.
        timeout: Seconds that one call may take.

    Raises:
        ValueError: *timeout* is out of range.
    """

    def __init__(
        self,
        connection_factory: Callable[[], Any] | None = None,
        *,
        recipient: str | None = None,
        timeout: float = 60,
    ) -> None:
        check_seconds("timeout", timeout)
        self._factory = connection_factory
        self._recipient = recipient
        self._timeout = timeout
        self._transport: VendorTransport | None = None
        self._connection: Connection | None = None
        self._chats: list[Chat] | None = None
        self._made: Chat | None = None

    def run(self) -> Iterator[Finding]:
        """Each line, when it is known."""
        lines: list[tuple[str, Callable[[], str]]] = [
            ("teamwire_api can be imported", self._import),
            ("a connection opens on a thread of its own", self._open),
            ("chats.get_subscriptions() lists the bot's chats", self._list),
            ("a chat has the documented attributes", self._attributes),
            ("look-ups by thread ID and title need no second listing", self._look_up),
            ("chats.get_by_thread_id() finds a chat, and nothing where is none", self._by_id),
            ("users.get_user() finds a member, and nobody where is none", self._user),
            ("groups.get_group() finds a circle or list with its members", self._group),
            ("chats.create_chat() makes a chat", self._create),
            ("chat.post() posts in it", self._post),
        ]
        try:
            for number, (what, look) in enumerate(lines, 1):
                yield self._looked(number, what, look)
        finally:
            for each in (self._connection, self._transport):
                if each is not None:
                    each.close()

    @staticmethod
    def _looked(number: int, what: str, look: Callable[[], str]) -> Finding:
        try:
            return Finding(number, what, look())
        except _Skip as skip:
            return Finding(number, what, f"skipped: {skip}")
        except _Wrong as error:
            return Finding(number, what, f"WRONG: {error}", is_wrong=True)
        except TWError as error:
            text, cause = str(error), error.cause
            if cause is not None:
                text = text.replace(cause, cause.partition(":")[0])
            outcome = f"WRONG: {type(error).__name__}: {text}"
            return Finding(number, what, outcome, is_wrong=True, details=cause)

    def _import(self) -> str:
        self._transport = VendorTransport(self._factory, total_timeout=self._timeout)
        version = getattr(sys.modules.get("teamwire_api"), "__version__", None)
        python = f"Python {platform.python_version()} on {sys.platform}"
        return f"ok, version {version or 'unknown'}, with teamwire_sync {__version__}, {python}"

    def _open(self) -> str:
        transport = self._reached(self._transport, 1)

        async def nothing(_vendor: Any, _call: Call[None]) -> None:
            pass

        transport._call("opening", nothing, None)
        config = ConnectionConfig(listing_timeout=self._timeout)
        self._connection = Connection(transport=transport, config=config)
        return "ok"

    def _list(self) -> str:
        chats = self._reached(self._connection, 2).chats.get_subscriptions()
        self._chats = chats
        return f"ok, {len(chats):,} chats"

    def _attributes(self) -> str:
        chat = self._a_chat()

        async def look(vendor: Any, _call: Call[list[str] | None]) -> list[str] | None:
            for theirs in await vendor.chats.get_subscriptions():
                if str(theirs.tid) == chat.tid:
                    return [name for name in _OF_A_CHAT if not hasattr(theirs, name)]
            return None

        missing = self._reached(self._transport, 1)._call("chats.get_subscriptions", look, None)
        if missing is None:
            text = "the chat is no longer listed"
            raise _Skip(text)
        if "post" in missing or "type" in missing:
            text = f"there is no {', no '.join(missing)}"
            raise _Wrong(text)
        return f"ok, without {', '.join(missing)}" if missing else "ok"

    def _look_up(self) -> str:
        chat = self._a_chat()
        chats = self._reached(self._connection, 2).chats
        before = chats.cache_info().listings
        found = chats.get_by_thread_id(chat.tid)
        titled = chats.get_by_title(chat.title) if chat.title else [chat]
        if found != chat or chat not in titled or chats.cache_info().listings != before:
            text = "a chat was not found, or its look-up made another listing"
            raise _Wrong(text)
        return "ok"

    def _by_id(self) -> str:
        chat = self._a_chat()

        async def look(vendor: Any, _call: Call[tuple[Any, Any]]) -> tuple[Any, Any]:
            found = await vendor.chats.get_by_thread_id(chat.tid)
            return getattr(found, "tid", None), await vendor.chats.get_by_thread_id(_NOBODY)

        tid, nothing = self._reached(self._transport, 1)._call("chats.get_by_thread_id", look, None)
        if str(tid) != chat.tid or nothing:
            text = f"it gave {'no' if tid is None else 'another'} chat, or one for a made-up id"
            raise _Wrong(text)
        return "ok"

    def _user(self) -> str:
        self._a_chat()
        user = next((user for chat in self._chats or () for user in chat.users), None)
        if user is None:
            text = "no chat has a user"
            raise _Skip(text)
        users = self._reached(self._connection, 2).users
        found = users.get_user(user.uid)
        if found is None or found.uid != user.uid or users.get_user(_NOBODY) is not None:
            text = "it did not give the user that the chat has, or gave one for a made-up id"
            raise _Wrong(text)
        return "ok"

    def _group(self) -> str:
        self._a_chat()
        group = next((group for chat in self._chats or () for group in chat.groups), None)
        if group is None:
            text = "no chat has a circle or list"
            raise _Skip(text)
        found = self._reached(self._connection, 2).groups.get_group(group.gid)
        if found is None or found.gid != group.gid:
            text = "it did not give the group that the chat has"
            raise _Wrong(text)
        return f"ok, {len(found.get_members()):,} members"

    def _create(self) -> str:
        if self._recipient is None:
            text = "needs --write"
            raise _Skip(text)
        connection = self._reached(self._connection, 2)
        self._made = chat = connection.chats.create_chat(title=_TITLE, users=[self._recipient])
        if chat.title != _TITLE or chat not in connection.chats.get_by_title(_TITLE):
            text = "the new chat is not as it was asked for"
            raise _Wrong(text)
        return f"ok, thread ID {chat.tid}"

    def _post(self) -> str:
        if self._recipient is None:
            text = "needs --write"
            raise _Skip(text)
        message = self._reached(self._made, 9).post("This is a test; nothing needs to be done.")
        return "ok" if message.mid else "ok, but the id of the message is not told"

    def _a_chat(self) -> Chat:
        chats: list[Chat] = self._reached(self._chats, 3)
        if not chats:
            text = "the bot is in no chat"
            raise _Skip(text)
        return chats[0]

    @staticmethod
    def _reached(thing: Any, line: int) -> Any:
        if thing is None:
            text = f"needs line {line}"
            raise _Skip(text)
        return thing

"""The vendor's objects as our models.

Versions differ in what they have: an attribute that is missing is what the vendor documents as its
default, or unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from teamwire_sync._models.chats import Chat, ChatType, Message
from teamwire_sync._models.people import Bot, Group, LoggedInUser, User
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from teamwire_sync._models.chats import ChatHandle
    from teamwire_sync._transport import MessageDraft

T = TypeVar("T", User, Group)


class Converter:
    """Makes our models of the vendor's objects; one of each user and group, however often named."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._groups: dict[str, Group] = {}
        self._kinds: dict[type, frozenset[str]] = {}

    def described(self) -> tuple[list[User], list[Group]]:
        """The users and groups named so far."""
        return list(self._users.values()), list(self._groups.values())

    def chat(self, theirs: Any) -> Chat:
        """A chat."""
        groups = [*_items(theirs, "circles"), *_items(theirs, "lists")]
        return Chat(
            _id(theirs, "tid"),
            _text(getattr(theirs, "title", None)),
            type=_chat_type(getattr(theirs, "type", None)),
            # The bot itself is no member in ours.
            users=self._all(
                (one for one in _items(theirs, "users") if not self._is(one, "LoggedInUser")),
                self.user,
            ),
            groups=self._all(groups, self.group),
            admins=self._all(_items(theirs, "admins"), self.user),
            is_alert=_flag(theirs, "is_alert", default=False),
            allow_sending=_flag(theirs, "allow_sending", default=True),
            allow_mute_notifications=_flag(theirs, "allow_mute_notifications", default=True),
            is_closed=_flag(theirs, "is_closed", default=False),
        )

    def user(self, theirs: Any) -> User:
        """A user."""
        uid = _id(theirs, "uid")
        known = self._users.get(uid)
        if known is None:
            is_bot = _flag(theirs, "is_bot", default=self._is(theirs, "Bot"))
            kind = LoggedInUser if self._is(theirs, "LoggedInUser") else Bot if is_bot else User
            known = self._users[uid] = kind(
                uid,
                _text(getattr(theirs, "first_name", None)) or "",
                _text(getattr(theirs, "last_name", None)) or "",
                organisation=_organisation(theirs),
                is_bot=is_bot,
            )
        return known

    def group(self, theirs: Any) -> Group:
        """A circle or list, without its members: a circle may have thousands."""
        gid = _id(theirs, "gid")
        known = self._groups.get(gid)
        if known is None:
            known = self._groups[gid] = self._group(gid, theirs, members=None)
        return known

    def whole_group(self, theirs: Any) -> Group:
        """A circle or list with its members."""
        members = _members(theirs)
        return self._group(
            _id(theirs, "gid"),
            theirs,
            members=None if members is None else self._all(members, self.user),
        )

    def _group(self, gid: str, theirs: Any, *, members: tuple[User, ...] | None) -> Group:
        owner = getattr(theirs, "owner", None)
        is_list = _flag(theirs, "is_list", default=False)
        return Group(
            gid,
            _text(getattr(theirs, "title", None)) or "",
            owner=self.user(owner) if owner else None,
            is_circle=_flag(theirs, "is_circle", default=not is_list),
            is_list=is_list,
            is_public=_flag(theirs, "is_public", default=False),
            members=members,
        )

    def message(self, theirs: Any, chat: Chat | ChatHandle, draft: MessageDraft) -> Message:
        """What *draft* has become, as far as the vendor's SDK tells.

        Args:
            theirs: What posting it gave; what that is is not documented.
            chat: Where it was posted.
            draft: What was posted.
        """
        mid = theirs if isinstance(theirs, str) else getattr(theirs, "mid", None)
        author = getattr(theirs, "from_user", None)
        # It is posted, whatever else is told of it.
        if not getattr(author, "uid", None):
            author = None
        timestamp = getattr(theirs, "timestamp", None)
        if not isinstance(timestamp, int):
            timestamp = time.time_ns() // 1_000_000
        return Message(
            chat,
            _text(mid) or "",
            self.user(author) if author else LoggedInUser("", "", "", is_bot=True),
            timestamp,
            msg=draft.message or None,
            is_alert=draft.is_alert,
            alert_type=draft.alert_type,
            reply_to=draft.reply_to,
            sender_display_name=draft.sender_display_name,
        )

    def _is(self, theirs: Any, name: str) -> bool:
        """Whether *theirs* is of the vendor's class *name*, or of one below it."""
        kind = type(theirs)
        # Every member of every chat is asked about: by class, that is quick.
        names = self._kinds.get(kind)
        if names is None:
            names = self._kinds[kind] = frozenset(base.__name__ for base in kind.__mro__)
        return name in names

    @staticmethod
    def _all(theirs: Iterable[Any], convert: Callable[[Any], T]) -> tuple[T, ...]:
        return tuple(convert(one) for one in theirs)


def _id(theirs: Any, name: str) -> str:
    value = getattr(theirs, name, None)
    if value is None or value == "" or not isinstance(value, (str, int)):
        message = f"the vendor's SDK gave {_a(theirs)} without {name}"
        raise TWProtocolError(message)
    return str(value)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _flag(theirs: Any, name: str, *, default: bool) -> bool:
    value = getattr(theirs, name, None)
    return default if value is None else bool(value)


def _items(theirs: Any, name: str) -> list[Any]:
    value = getattr(theirs, name, None)
    return list(value) if isinstance(value, Iterable) else []


def _members(theirs: Any) -> list[Any] | None:
    members = getattr(theirs, "members", None)
    if members is None and callable(getattr(theirs, "get_members", None)):
        members = theirs.get_members()
    return list(members) if isinstance(members, Iterable) else None


def _chat_type(value: object) -> ChatType:
    if value is None:
        return ChatType.GROUP
    name = value.name if isinstance(value, Enum) else str(value)
    return ChatType(name.lower())


def _organisation(theirs: Any) -> str | None:
    organisation = getattr(theirs, "organisation", None)
    if organisation is None:
        return _text(getattr(theirs, "org_name", None))
    if isinstance(organisation, str):
        return organisation
    for name in ("name", "title"):
        if isinstance(getattr(organisation, name, None), str):
            return str(getattr(organisation, name))
    return None


def _a(theirs: Any) -> str:
    return "nothing" if theirs is None else f"a {type(theirs).__name__}"

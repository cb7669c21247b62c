"""The conversion of the vendor's objects into our models.

Versions of the SDK have different attributes. A missing attribute gets its documented default, or
counts as unknown.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.validation import as_unicode
from teamwire_sync._models.chats import Chat, ChatHandle, ChatType, Message
from teamwire_sync._models.people import Bot, Group, LoggedInUser, User
from teamwire_sync.exceptions import TWProtocolError

if TYPE_CHECKING:
    from teamwire_sync._transport import MessageDraft


class Converter:
    """A converter of the vendor's objects into our models, with one model for each user and group.

    Attributes:
        users: The users converted so far, by their IDs.
        groups: The groups converted so far, by their IDs.
    """

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.groups: dict[str, Group] = {}

    def chat(self, theirs: Any) -> Chat:
        """Convert a chat."""
        # Our `Chat.users` does not contain the bot itself.
        users = [one for one in _items(theirs, "users") if not _is_a("LoggedInUser", one)]
        groups = [*_items(theirs, "circles"), *_items(theirs, "lists")]
        return Chat(
            _id(theirs, "tid"),
            _text(theirs, "title"),
            type=_chat_type(getattr(theirs, "type", None)),
            users=tuple(map(self.user, users)),
            groups=tuple(map(self.group, groups)),
            admins=tuple(map(self.user, _items(theirs, "admins"))),
            is_alert=_flag(theirs, "is_alert", default=False),
            allow_sending=_flag(theirs, "allow_sending", default=True),
            allow_mute_notifications=_flag(theirs, "allow_mute_notifications", default=True),
            is_closed=_flag(theirs, "is_closed", default=False),
        )

    def user(self, theirs: Any) -> User:
        """Convert a user."""
        uid = _id(theirs, "uid")
        if uid not in self.users:
            is_bot = _flag(theirs, "is_bot", default=_is_a("Bot", theirs))
            kind = LoggedInUser if _is_a("LoggedInUser", theirs) else Bot if is_bot else User
            self.users[uid] = kind(
                uid,
                _text(theirs, "first_name") or "",
                _text(theirs, "last_name") or "",
                organisation=_organisation(theirs),
                is_bot=is_bot,
            )
        return self.users[uid]

    def group(self, theirs: Any) -> Group:
        """Convert a circle or list without its members: a circle may have thousands of members."""
        gid = _id(theirs, "gid")
        if gid not in self.groups:
            self.groups[gid] = self._group(theirs, None)
        return self.groups[gid]

    def whole_group(self, theirs: Any) -> Group:
        """Convert a circle or list with its members."""
        members = getattr(theirs, "members", None)
        if members is None and callable(getattr(theirs, "get_members", None)):
            members = theirs.get_members()
        known = tuple(map(self.user, members)) if isinstance(members, Iterable) else None
        return self._group(theirs, known)

    def _group(self, theirs: Any, members: tuple[User, ...] | None) -> Group:
        owner = getattr(theirs, "owner", None)
        is_list = _flag(theirs, "is_list", default=False)
        return Group(
            _id(theirs, "gid"),
            _text(theirs, "title") or "",
            owner=self.user(owner) if owner else None,
            is_circle=_flag(theirs, "is_circle", default=not is_list),
            is_list=is_list,
            is_public=_flag(theirs, "is_public", default=False),
            members=members,
        )

    def message(self, theirs: Any, chat: Chat | ChatHandle, draft: MessageDraft) -> Message:
        """Create the message that was posted from *draft*.

        Args:
            theirs: The return value of the vendor's ``post``. The vendor does not document it. A
                str counts as the message ID.
            chat: The chat of the message.
            draft: The draft of the message.
        """
        mid = as_unicode(theirs) if isinstance(theirs, str) else _text(theirs, "mid")
        author = getattr(theirs, "from_user", None)
        # An author without an ID is ignored: the message is posted, so no error may be raised here.
        is_told = bool(getattr(author, "uid", None))
        timestamp = getattr(theirs, "timestamp", None)
        if not isinstance(timestamp, int):
            timestamp = time.time_ns() // 1_000_000
        return Message(
            chat,
            mid or "",
            self.user(author) if is_told else LoggedInUser("", "", "", is_bot=True),
            timestamp,
            msg=draft.message or None,
            is_alert=draft.is_alert,
            alert_type=draft.alert_type,
            reply_to=draft.reply_to,
            sender_display_name=draft.sender_display_name,
        )


def _is_a(name: str, theirs: Any) -> bool:
    """Return whether *theirs* is an instance of the vendor's class *name* or of a subclass."""
    # This runs for every member of every chat, and a list is faster here than a generator.
    return name in [base.__name__ for base in type(theirs).__mro__]


def _id(theirs: Any, name: str) -> str:
    value = getattr(theirs, name, None)
    if value is None or value == "" or not isinstance(value, (str, int)):
        given = "None" if theirs is None else f"a {type(theirs).__name__}"
        message = f"the vendor's SDK returned {given}, which has no valid {name}"
        raise TWProtocolError(message)
    return as_unicode(str(value))


def _text(theirs: Any, name: str) -> str | None:
    value = getattr(theirs, name, None)
    return None if value is None else as_unicode(str(value))


def _flag(theirs: Any, name: str, *, default: bool) -> bool:
    value = getattr(theirs, name, None)
    return default if value is None else bool(value)


def _items(theirs: Any, name: str) -> list[Any]:
    value = getattr(theirs, name, None)
    return list(value) if isinstance(value, Iterable) else []


def _chat_type(value: object) -> ChatType:
    if value is None:
        return ChatType.GROUP
    name = value.name if isinstance(value, Enum) else str(value)
    return ChatType(as_unicode(name).lower())


def _organisation(theirs: Any) -> str | None:
    organisation = getattr(theirs, "organisation", None)
    if organisation is None:
        return _text(theirs, "org_name")
    if isinstance(organisation, str):
        return as_unicode(organisation)
    names = (getattr(organisation, name, None) for name in ("name", "title"))
    return next((as_unicode(name) for name in names if isinstance(name, str)), None)

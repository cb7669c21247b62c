"""The events in the bot's chats."""

from __future__ import annotations

from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

from attrs import field, fields, fields_dict, frozen

from teamwire_sync._display.html import ShownList
from teamwire_sync._internal.dates import date_of
from teamwire_sync._models.base import (
    Extensible,
    OpenEnum,
    extra_field,
    plain_value,
    text_repr,
)
from teamwire_sync._models.people import GroupTuple, UserTuple
from teamwire_sync._models.tables import EVENTS

if TYPE_CHECKING:
    from datetime import datetime

    from teamwire_sync._models.chats import Chat, Message
    from teamwire_sync._models.people import User


def _short(values: tuple[Any, ...]) -> str:
    return short_repr((*values,))  # it shortens only a plain tuple


class Events(OpenEnum):
    """The kind of an event."""

    NEW_MESSAGE = "new_message"
    MESSAGE_READ = "message_read"
    MESSAGE_DELETED = "message_deleted"
    CHAT_CREATED = "chat_created"
    CHAT_JOINED = "chat_joined"
    CHAT_LEFT = "chat_left"
    CHAT_DELETED = "chat_deleted"
    CHAT_TITLE_CHANGED = "chat_title_changed"
    CHAT_ADMINS_CHANGED = "chat_admins_changed"
    CHAT_ALLOW_SENDING_CHANGED = "chat_allow_sending_changed"
    CHAT_ALLOW_MUTE_NOTIFICATIONS_CHANGED = "chat_allow_mute_notifications_changed"
    CHAT_IS_CLOSED_CHANGED = "chat_is_closed_changed"


# Of the fields of this class, only the cursor is hashed.
@frozen(kw_only=True)
class Event(Extensible):
    """An event in a chat.

    Each kind has a subclass with its own fields.

    Attributes:
        type: The kind of event.
        chat: The chat as it was when the event was read. If the bot is no longer a member, the chat
            as it last was.
        cursor: The position after this event. ``connection.events(since=cursor)`` continues there.
        timestamp: The time of the event, in milliseconds since 1970-01-01 UTC.
        is_own: Whether the bot itself caused the event, in this program or in another one.
        editor: The user who caused the event, or None if the server does not name the user.
    """

    type: Events = field(hash=False)
    chat: Chat = field(hash=False)
    cursor: str = field(repr=False)
    timestamp: int = field(repr=False, hash=False)
    is_own: bool = field(repr=False, hash=False)
    editor: User | None = field(repr=False, hash=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    @property
    def date(self) -> datetime:
        """The time of the event, as an aware datetime in UTC."""
        return date_of(self.timestamp)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dict of plain values, for JSON.

        ``details`` contains the own attributes of the event's class. The names and types of the
        values are stable; docs/chats.md lists them.
        """
        of_all = fields_dict(Event)
        own = [each.name for each in fields(type(self)) if each.name not in of_all]
        return {
            "type": self.type.value,
            "tid": self.chat.tid,
            "title": self.chat.title,
            "display_name": self.chat.display_name,
            "cursor": self.cursor,
            "timestamp": self.timestamp,
            "date": plain_value(self.date),
            "is_own": self.is_own,
            "editor_id": None if self.editor is None else self.editor.uid,
            "details": {name: plain_value(getattr(self, name)) for name in own},
        }


@frozen(kw_only=True)
class NewMessageInfo(Event):
    """`Events.NEW_MESSAGE`: somebody posted a message.

    Attributes:
        message: The message.
    """

    message: Message = field(hash=False)


@frozen(kw_only=True)
class MessageReadInfo(Event):
    """`Events.MESSAGE_READ`: a user has read a chat up to a message.

    Attributes:
        user: The user.
        message_id: The ID of the last message that the user has read.
    """

    user: User = field(hash=False)
    message_id: str = field(repr=text_repr, hash=False)

    @property
    def read_date(self) -> datetime:
        """The time of reading, as an aware datetime in UTC."""
        return self.date


@frozen(kw_only=True)
class MessageDeletedInfo(Event):
    """`Events.MESSAGE_DELETED`: the author deleted a message.

    Attributes:
        message_id: The ID of the message.
    """

    message_id: str = field(repr=text_repr, hash=False)


@frozen(kw_only=True)
class ChatChangeInfo(Event):
    """A chat was created, or a property of a chat has a new value.

    `Events.CHAT_CREATED`, `CHAT_TITLE_CHANGED`, `CHAT_ALLOW_SENDING_CHANGED`,
    `CHAT_ALLOW_MUTE_NOTIFICATIONS_CHANGED` and `CHAT_IS_CLOSED_CHANGED`.

    Attributes:
        title: The current title of the chat.
        value: The new value of the property. None for a new chat or a new title.
    """

    title: str | None = field(repr=text_repr, hash=False)
    value: bool | None = field(default=None, hash=False)


@frozen(kw_only=True)
class ChatMemberChangeInfo(Event):
    """The members of a chat changed.

    `Events.CHAT_JOINED`, `CHAT_LEFT`, and `CHAT_DELETED` when the bot itself is no longer a member.

    Attributes:
        users: The users who became members, or who are no longer members.
        groups: The circles and distribution lists that became members, or are no longer members.
    """

    users: UserTuple = field(converter=UserTuple, repr=_short, hash=False)
    groups: GroupTuple = field(default=GroupTuple(), converter=GroupTuple, repr=_short)


@frozen(kw_only=True)
class ChatAdminsChangeInfo(Event):
    """`Events.CHAT_ADMINS_CHANGED`: the administrators of a chat changed.

    Attributes:
        added_admins: The users who became administrators.
        removed_admins: The users who are no longer administrators.
    """

    added_admins: UserTuple = field(converter=UserTuple, repr=_short, hash=False)
    removed_admins: UserTuple = field(converter=UserTuple, repr=_short, hash=False)


class EventList(ShownList[Event]):
    """A list of events, as `ChatList` is one of chats. Make it of ``connection.events(...)``."""

    _table = EVENTS

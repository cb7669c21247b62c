"""What happens in the bot's chats."""

from __future__ import annotations

from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from teamwire_sync._internal.dates import date_of
from teamwire_sync._models.base import Extensible, OpenEnum, extra_field, text_repr

if TYPE_CHECKING:
    from datetime import datetime

    from teamwire_sync._models.chats import Chat, Message
    from teamwire_sync._models.people import Group, User


class Events(OpenEnum):
    """Kind of an event."""

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


# The hash is that of the cursor.
@frozen(kw_only=True)
class Event(Extensible):
    """Something that happened in a chat; the classes below say more.

    Attributes:
        type: What happened.
        chat: Where, as it was when the event was read; as it last was where the bot is gone.
        cursor: Give it as ``connection.events(since=...)`` to go on after this event.
        timestamp: When, in milliseconds since 1970-01-01 UTC.
        is_own: Whether the bot itself did it, in this program or another.
        editor: Who did it; None where the server does not tell.
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
        """When it happened, aware, in UTC."""
        return date_of(self.timestamp)


@frozen(kw_only=True)
class NewMessageInfo(Event):
    """`Events.NEW_MESSAGE`.

    Attributes:
        message: The message.
    """

    message: Message = field(hash=False)


@frozen(kw_only=True)
class MessageReadInfo(Event):
    """`Events.MESSAGE_READ`: somebody has read a chat up to a message.

    Attributes:
        user: Who.
        message_id: The id of the last message that was read.
    """

    user: User = field(hash=False)
    message_id: str = field(repr=text_repr, hash=False)

    @property
    def read_date(self) -> datetime:
        """When it was read, aware, in UTC."""
        return self.date


@frozen(kw_only=True)
class MessageDeletedInfo(Event):
    """`Events.MESSAGE_DELETED`: its author deleted a message.

    Attributes:
        message_id: The id of the message.
    """

    message_id: str = field(repr=text_repr, hash=False)


@frozen(kw_only=True)
class ChatChangeInfo(Event):
    """A chat was made, or one of its properties has another value.

    `Events.CHAT_CREATED`, `CHAT_TITLE_CHANGED`, `CHAT_ALLOW_SENDING_CHANGED`,
    `CHAT_ALLOW_MUTE_NOTIFICATIONS_CHANGED` and `CHAT_IS_CLOSED_CHANGED`.

    Attributes:
        title: The title that the chat has now.
        value: The new value of the property, where that is not the title.
    """

    title: str | None = field(repr=text_repr, hash=False)
    value: bool | None = field(default=None, hash=False)


@frozen(kw_only=True)
class ChatMemberChangeInfo(Event):
    """`Events.CHAT_JOINED`, `CHAT_LEFT`, and `CHAT_DELETED` when the bot itself was removed.

    Attributes:
        users: Who became a member, or no longer is one.
        groups: Circles and lists that did.
    """

    users: tuple[User, ...] = field(repr=short_repr, hash=False)
    groups: tuple[Group, ...] = field(default=(), repr=short_repr)


@frozen(kw_only=True)
class ChatAdminsChangeInfo(Event):
    """`Events.CHAT_ADMINS_CHANGED`.

    Attributes:
        added_admins: Who became an administrator.
        removed_admins: Who no longer is one.
    """

    added_admins: tuple[User, ...] = field(repr=short_repr, hash=False)
    removed_admins: tuple[User, ...] = field(repr=short_repr, hash=False)

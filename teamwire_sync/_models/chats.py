"""Chats, their messages, and the operations on a chat."""

from __future__ import annotations

from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any, cast

from attrs import field, frozen

from teamwire_sync._display.html import ShownList
from teamwire_sync._internal.dates import date_of
from teamwire_sync._models.base import (
    Bound,
    Extensible,
    OpenEnum,
    extra_field,
    fillable,
    plain_value,
    text_repr,
)
from teamwire_sync._models.people import GroupTuple, UserTuple
from teamwire_sync._models.tables import ATTACHMENTS, CHATS, MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import Attachable, Attachment
    from teamwire_sync._models.chat_service import ChatService
    from teamwire_sync._models.messages import AlertType, LinkPreview
    from teamwire_sync._models.people import Group, User

    _Service = ChatService["Chat | ChatHandle", "Chat", "Message", "MessageList"]


# The thread ID that stands for all chats of a listing whose thread ID or title can't be decoded. No
# chat has it. No program looks it up by mistake, as it may look up an empty text.
UNREADABLE = "\0"


class ChatType(OpenEnum):
    """The kind of a chat."""

    ONE_TO_ONE = "one_to_one"
    GROUP = "group"


class BoundChat(Bound["_Service"]):
    """The operations on a chat. They need only its thread ID.

    Each method sends a request about the chat with this thread ID, however old the object is.
    """

    __slots__ = ()
    tid: str

    @property
    def _chat(self) -> Chat | ChatHandle:
        # No other class is a BoundChat.
        return cast("Chat | ChatHandle", self)

    def post(  # noqa: PLR0917  the vendor's signature
        self,
        message: str = "",
        attachments: Iterable[Attachment | Attachable] | None = None,
        is_alert: bool = False,
        reply_to: Message | str | None = None,
        sender_display_name: str | None = None,
        alert_type: AlertType | str | None = None,
        *,
        progress: Progress = None,
        timeout: float | None = None,
    ) -> Message:
        """Post a message in the chat: a text, attachments, or both.

        Args:
            message: The text. It may be empty if there are attachments.
            attachments: An `Attachments` object, or an iterable of attachments of other messages.
            is_alert: Whether the message is an alert, which asks for attention.
            reply_to: The message to reply to, or its ID.
            sender_display_name: The name that clients show instead of the bot's name, at most 100
                characters.
            alert_type: The kind of alert. None means `AlertType.ALERT` if *is_alert* is True.
            progress: A callback ``progress(done, total)``. It receives the number of bytes of files
                sent so far and the number of all bytes. True shows a progress bar.
            timeout: A limit for the call in seconds, including all uploads. If None, only
                `ConnectionConfig` sets limits.

        Returns:
            The message as the server stored it.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: There is neither a text nor an attachment, or *alert_type* is set without
                *is_alert*.
            OSError: An attached file can't be read, or it became shorter.
            TWNotFoundError: The chat does not exist, or the bot is no longer a member.
            TWAuthError: The bot may not post in the chat.
            TWDeliveryUnknownError: The response was lost. The message may have been posted.
            TWClosedError: The Connection is closed, or the chat belongs to no Connection.
            ImportError: *progress* is True, and tqdm is missing. The text says what to install.
        """
        return self._acting().post(
            self._chat,
            message,
            attachments,
            is_alert=is_alert,
            reply_to=reply_to,
            sender_display_name=sender_display_name,
            alert_type=alert_type,
            progress=progress,
            timeout=timeout,
        )

    def get_messages(
        self, limit: int = 50, before: Message | str | None = None, *, timeout: float | None = None
    ) -> MessageList:
        """Return the newest messages, newest first.

        Messages that their author deleted are left out by default; see `ConnectionConfig`.

        Args:
            limit: The largest number of messages to return.
            before: A message or its ID. Only older messages are returned.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWNotFoundError: The chat does not exist, or the bot is no longer a member.
            TWRequestError: The chat has no message *before*.
            TWError: A request failed.
        """
        return self._acting().get_messages(self._chat, limit=limit, before=before, timeout=timeout)

    def iter_messages(
        self, before: Message | str | None = None, *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Return an iterable over all the messages, newest first.

        Each loop reads the pages again, when it needs them. Messages that are posted during a loop
        are not in its pages. Call ``iter`` on the result before you use ``next``.

        Args:
            before: A message or its ID. Only older messages are returned.
            timeout: A limit for each page in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWError: The errors are those of `get_messages`. The loop raises them.
        """
        return self._acting().iter_messages(self._chat, before=before, timeout=timeout)

    def add_members(
        self,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
        *,
        timeout: float | None = None,
    ) -> Chat:
        """Add users, circles and distribution lists as members: all of them, or none.

        Args:
            users: The users, or their IDs. A user who is already a member stays a member.
            groups: The circles and distribution lists, or their IDs. A circle must be public, and
                stays a circle. A distribution list is replaced by its users.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Returns:
            The changed chat. This object does not change.

        Raises:
            TypeError: *users* or *groups* is not an iterable of objects or IDs.
            ValueError: *users* and *groups* are both empty.
            TWInvalidMembersError: A user or a group does not exist, or the bot can't see it.
            TWAuthError: The bot is not an administrator of the chat, or a circle is not public.
            TWRequestError: The chat is a one-to-one chat, which can't be extended.
            TWNotFoundError: The chat does not exist, or the bot is no longer a member.
            TWDeliveryUnknownError: The response was lost. The change may have been made.
        """
        return self._acting().edit_members(self._chat, add=(users, groups), timeout=timeout)

    def remove_members(
        self,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
        *,
        timeout: float | None = None,
    ) -> Chat:
        """Remove users and circles from the members: all of them, or none.

        A removed member is no longer an administrator. Use `leave` to remove the bot itself.

        Args:
            users: The users, or their IDs.
            groups: The circles and distribution lists, or their IDs.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Returns:
            The changed chat. This object does not change.

        Raises:
            TWInvalidMembersError: One of them is not a member, or only through a circle.
            TWError: The other errors are those of `add_members`.
        """
        return self._acting().edit_members(self._chat, remove=(users, groups), timeout=timeout)

    def add_admins(self, users: Iterable[User | str], *, timeout: float | None = None) -> Chat:
        """Make members administrators of the chat: all of them, or none.

        Args:
            users: The members, or their user IDs. An administrator stays an administrator.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Returns:
            The changed chat. This object does not change.

        Raises:
            TWInvalidMembersError: One of them is not a member.
            TWError: The other errors are those of `add_members`.
        """
        return self._acting().edit_admins(self._chat, add=users, timeout=timeout)

    def remove_admins(self, users: Iterable[User | str], *, timeout: float | None = None) -> Chat:
        """Make administrators ordinary members again: all of them, or none.

        Args:
            users: The administrators, or their user IDs. If the bot is an administrator, its own ID
                is allowed.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Returns:
            The changed chat. This object does not change.

        Raises:
            TWInvalidMembersError: One of them is not an administrator.
            TWError: The other errors are those of `add_members`.
        """
        return self._acting().edit_admins(self._chat, remove=users, timeout=timeout)

    def leave(self, *, timeout: float | None = None) -> None:
        """Leave the chat.

        The bot is no longer a member, and look-ups no longer find the chat.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWNotFoundError: The chat does not exist, or the bot is no longer a member.
            TWDeliveryUnknownError: The response was lost. The bot may have left.
        """
        self._acting().leave(self._chat, timeout=timeout)

    def set_title(self, title: str | None, *, timeout: float | None = None) -> Chat:
        """Change or remove the title of the chat.

        Args:
            title: The new title. None or an empty string removes the title.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Returns:
            The changed chat. This object does not change.

        Raises:
            TWAuthError: The bot is not an administrator of the chat.
            TWRequestError: The chat is a one-to-one chat, or the server refuses the title.
            TWNotFoundError: The chat does not exist, or the bot is no longer a member.
            TWDeliveryUnknownError: The response was lost. The change may have been made.
        """
        return self._acting().set_title(self._chat, title, timeout=timeout)

    def set_allow_sending(self, allow: bool, *, timeout: float | None = None) -> Chat:
        """Set whether all members may post, or only administrators.

        The result and the errors are those of `set_title`.

        Args:
            allow: True for all members, False for administrators only.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.
        """
        return self._acting().set_flag(self._chat, "allow_sending", allow, timeout=timeout)

    def set_allow_mute_notifications(self, allow: bool, *, timeout: float | None = None) -> Chat:
        """Set whether members may mute the chat.

        The result and the errors are those of `set_title`.

        Args:
            allow: Whether members may mute the chat.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.
        """
        return self._acting().set_flag(
            self._chat, "allow_mute_notifications", allow, timeout=timeout
        )

    def set_closed(self, closed: bool, *, timeout: float | None = None) -> Chat:
        """Close the chat, so that nobody can post any more, or open it again.

        The result and the errors are those of `set_title`.

        Args:
            closed: True closes the chat, False opens it.
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.
        """
        return self._acting().set_flag(self._chat, "is_closed", closed, timeout=timeout)


@frozen
class ChatHandle(BoundChat):
    """A chat of which only the thread ID is known, from ``connection.chats.at(tid)``."""

    tid: str = field(repr=text_repr)

    def to_dict(self) -> dict[str, Any]:
        """Return a dict with the thread ID."""
        return {"tid": self.tid}


@frozen
class Chat(Extensible, BoundChat):
    """A chat as the server described it at one moment.

    Chats are compared by content.

    Attributes:
        tid: The thread ID, an opaque string.
        title: The title. None or empty means no title. Titles are not unique.
        type: The kind of chat: one-to-one or group.
        users: The members, without the bot, which is always a member.
        groups: The circles and distribution lists that are members.
        admins: The members who may administer the chat.
        is_alert: Whether the chat is an alert chat.
        allow_sending: Whether members who are not administrators may post.
        allow_mute_notifications: Whether members may mute the chat.
        is_closed: Whether the chat is closed for posting.
    """

    tid: str
    title: str | None
    type: ChatType = ChatType.GROUP
    users: UserTuple = field(default=UserTuple(), converter=UserTuple)
    groups: GroupTuple = field(default=GroupTuple(), converter=GroupTuple)
    admins: UserTuple = field(default=UserTuple(), converter=UserTuple)
    is_alert: bool = False
    allow_sending: bool = True
    allow_mute_notifications: bool = True
    is_closed: bool = False
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def __hash__(self) -> int:
        return hash(self.tid)

    def __repr__(self) -> str:
        name = "" if self.title or not self._name else f", display_name={text_repr(self._name)}"
        return f"Chat(tid={text_repr(self.tid)}, title={text_repr(self.title)}{name})"

    @property
    def display_name(self) -> str:
        """The title, or the person in a one-to-one chat without a title, or "no title"."""
        return self._name or "no title"

    @property
    def _name(self) -> str | None:
        if self.title or self.type is not ChatType.ONE_TO_ONE:
            return self.title
        return ", ".join(user.full_name() or user.uid for user in self.users)

    @property
    def circles(self) -> GroupTuple:
        """The circles among the groups."""
        return GroupTuple(group for group in self.groups if group.is_circle)

    @property
    def lists(self) -> GroupTuple:
        """The distribution lists among the groups."""
        return GroupTuple(group for group in self.groups if group.is_list)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dict of plain values, for JSON.

        The dict contains the IDs of users and groups. The names and types of the values are stable;
        docs/chats.md lists them.
        """
        return {
            "tid": self.tid,
            "title": self.title,
            "display_name": self.display_name,
            "type": self.type.value,
            "user_ids": [user.uid for user in self.users],
            "group_ids": [group.gid for group in self.groups],
            "admin_ids": [user.uid for user in self.admins],
            "is_alert": self.is_alert,
            "allow_sending": self.allow_sending,
            "allow_mute_notifications": self.allow_mute_notifications,
            "is_closed": self.is_closed,
        }


FillableChat = fillable(Chat)


class ChatList(ShownList[Chat]):
    """A list of chats, which notebooks show as a table. Changing the list changes nothing else."""

    _table = CHATS


class AttachmentList(ShownList["Attachment"]):
    """A list of attachments, as `ChatList` is one of chats."""

    _table = ATTACHMENTS


@frozen
class Message(Extensible):
    """A message in a chat.

    Attributes:
        chat: The chat of the message; a `ChatHandle` if the message was read through a handle.
        mid: The message ID, an opaque string.
        from_user: The author.
        timestamp: The time of posting, in milliseconds since 1970-01-01 UTC.
        msg: The text, or None.
        is_alert: Whether the message is an alert, which asks for attention.
        alert_type: The kind of alert, or None if the message is not an alert.
        reply_to: The ID of the message that this message replies to, or None.
        sender_display_name: The name that clients show instead of the author's name, or None.
        deleted: Whether the author deleted the message.
        attachments: The attachments, or None if there are no attachments.
        link_preview: The preview of a page that the message links to, or None.
    """

    chat: Chat | ChatHandle = field(repr=False)
    mid: str = field(repr=text_repr)
    from_user: User = field(repr=False)
    timestamp: int = field(repr=False)
    msg: str | None = field(default=None, repr=short_repr)
    is_alert: bool = field(default=False, repr=False)
    alert_type: AlertType | None = field(default=None, repr=False)
    reply_to: str | None = field(default=None, repr=False)
    sender_display_name: str | None = field(default=None, repr=False)
    deleted: bool = field(default=False, repr=False)
    _attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    link_preview: LinkPreview | None = field(default=None, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def __hash__(self) -> int:
        return hash(self.mid)

    @property
    def attachments(self) -> AttachmentList | None:
        """The attachments, or None if there are no attachments."""
        return AttachmentList(self._attachments) or None

    @property
    def tstamp_date(self) -> datetime:
        """The time of posting, as an aware datetime in UTC."""
        return date_of(self.timestamp)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dict of plain values, for JSON.

        The names and types of the values are stable; docs/chats.md lists them.
        """
        return {
            "mid": self.mid,
            "tid": self.chat.tid,
            "from_user": self.from_user.to_dict(),
            "timestamp": self.timestamp,
            "date": plain_value(self.tstamp_date),
            "message": self.msg,
            "is_alert": self.is_alert,
            "alert_type": plain_value(self.alert_type),
            "reply_to": self.reply_to,
            "sender_display_name": self.sender_display_name,
            "deleted": self.deleted,
            "attachments": plain_value(self._attachments),
            "link_preview": plain_value(self.link_preview),
        }

    def reply(
        self,
        message: str = "",
        attachments: Iterable[Attachment | Attachable] | None = None,
        **arguments: Any,
    ) -> Message:
        """Reply to the message in its chat, by ``chat.post`` with ``reply_to``.

        Args:
            message: The text.
            attachments: The attachments, as in `Chat.post`.
            **arguments: The other arguments of `Chat.post`.

        Raises:
            TypeError: As in `Chat.post`.
            ValueError: As in `Chat.post`.
            TWError: As in `Chat.post`.
        """
        return self.chat.post(message, attachments, reply_to=self, **arguments)


class MessageList(ShownList[Message]):
    """A list of messages, as `ChatList` is one of chats."""

    _table = MESSAGES

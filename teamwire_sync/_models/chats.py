"""Chats, their messages, and what can be done in a chat."""

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
    text_repr,
)
from teamwire_sync._models.tables import CHAT_CELLS, CHAT_COLUMNS, MESSAGE_CELLS, MESSAGE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pandas import DataFrame

    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import Attachable, Attachment
    from teamwire_sync._models.chat_service import ChatService
    from teamwire_sync._models.messages import AlertType, LinkPreview
    from teamwire_sync._models.people import Group, User

    _Service = ChatService["Chat | ChatHandle", "Chat", "Message", "MessageList"]


class ChatType(OpenEnum):
    """Kind of a chat."""

    ONE_TO_ONE = "one_to_one"
    GROUP = "group"


class BoundChat(Bound["_Service"]):
    """What can be done with a chat when its thread ID is known.

    Each asks the server about the chat with this thread ID, however old the object is.
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
        """Post in the chat: a text, attachments, or both.

        Args:
            message: The text.
            attachments: An `Attachments`, or a list of attachments of other messages.
            is_alert: Whether it asks for attention.
            reply_to: The message that it answers, or its id.
            sender_display_name: Clients show it in place of the bot's name.
            alert_type: How it asks for attention; `AlertType.ALERT` when *is_alert* and None.
            progress: Called with the bytes of files sent so far, and with those of all of them;
                True shows a bar.
            timeout: Seconds that this call may take at most, with all its uploads.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: There is neither a text nor an attachment, or *alert_type* goes without
                *is_alert*.
            OSError: A file that is attached can't be read, or has become shorter.
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWAuthError: The bot may not post in it.
            TWDeliveryUnknownError: The answer was lost: the message may have been posted.
            TWClosedError: The Connection is closed, or the chat belongs to none.
            ImportError: *progress* is True, and there is no tqdm; the text says what to install.
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
        """The newest messages, newest first.

        Those that their author deleted are left out, unless `ConnectionConfig` says otherwise.

        Args:
            limit: How many at most.
            before: Only those older than this message, or than the one with this id.
            timeout: Seconds that this call may take at most.

        Raises:
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWRequestError: There is no message *before* in it.
            TWError: The messages could not be read.
        """
        return self._acting().get_messages(self._chat, limit=limit, before=before, timeout=timeout)

    def iter_messages(
        self, before: Message | str | None = None, *, timeout: float | None = None
    ) -> Iterable[Message]:
        """All the messages, newest first, read page by page as they are needed.

        Each loop over it starts anew; for ``next`` take ``iter`` of it. What is posted meanwhile is
        in none of its pages.

        Args:
            before: Only those older than this message, or than the one with this id.
            timeout: Seconds that reading one page may take at most.

        Raises:
            TWError: In the loop; as `get_messages`.
        """
        return self._acting().iter_messages(self._chat, before=before, timeout=timeout)

    def add_members(
        self,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
        *,
        timeout: float | None = None,
    ) -> Chat:
        """Invite people, circles and lists. Either all of them become members, or none.

        Args:
            users: Users or user ids; who is a member already stays one.
            groups: Circles and lists, or their ids. Circles have to be public, and stay circles; a
                list is expanded into its users.
            timeout: Seconds that this call may take at most.

        Returns:
            The chat as it is now. This object stays as it was.

        Raises:
            TypeError: *users* or *groups* is no list of objects or ids.
            ValueError: Neither is given.
            TWInvalidMembersError: Users or groups that do not exist, or that the bot can't see.
            TWAuthError: The bot is no administrator of the chat, or a circle is not public.
            TWRequestError: It is a one-to-one chat, which can't be extended.
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWDeliveryUnknownError: The answer was lost: it may have been done.
        """
        return self._acting().edit_members(self._chat, add=(users, groups), timeout=timeout)

    def remove_members(
        self,
        users: Iterable[User | str] = (),
        groups: Iterable[Group | str] = (),
        *,
        timeout: float | None = None,
    ) -> Chat:
        """Remove people and circles. Either all of them are removed, or none.

        Who is removed is no administrator any more, either. The bot itself leaves by `leave`.

        Args:
            users: Users or user ids.
            groups: Circles and lists, or their ids.
            timeout: Seconds that this call may take at most.

        Returns:
            The chat as it is now. This object stays as it was.

        Raises:
            TWInvalidMembersError: Some are no members, or are so only by a circle.
            TWError: As `add_members`.
        """
        return self._acting().edit_members(self._chat, remove=(users, groups), timeout=timeout)

    def add_admins(self, users: Iterable[User | str], *, timeout: float | None = None) -> Chat:
        """Make members administrators of the chat. Either all of them become so, or none.

        Args:
            users: Members or their user ids; who is an administrator already stays one.
            timeout: Seconds that this call may take at most.

        Returns:
            The chat as it is now. This object stays as it was.

        Raises:
            TWInvalidMembersError: Some are no members.
            TWError: As `add_members`.
        """
        return self._acting().edit_admins(self._chat, add=users, timeout=timeout)

    def remove_admins(self, users: Iterable[User | str], *, timeout: float | None = None) -> Chat:
        """Let administrators be plain members. Either all of them become so, or none.

        Args:
            users: Administrators or their user ids; the bot's own id is one of them where it is.
            timeout: Seconds that this call may take at most.

        Returns:
            The chat as it is now. This object stays as it was.

        Raises:
            TWInvalidMembersError: Some are no administrators.
            TWError: As `add_members`.
        """
        return self._acting().edit_admins(self._chat, remove=users, timeout=timeout)

    def leave(self, *, timeout: float | None = None) -> None:
        """Leave the chat: the bot is no member any more, and look-ups no longer find it.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWDeliveryUnknownError: The answer was lost: the bot may have left.
        """
        self._acting().leave(self._chat, timeout=timeout)

    def set_title(self, title: str | None, *, timeout: float | None = None) -> Chat:
        """Give the chat another title, or none.

        Args:
            title: The title; None and empty are none.
            timeout: Seconds that this call may take at most.

        Returns:
            The chat as it is now. This object stays as it was.

        Raises:
            TWAuthError: The bot is no administrator of the chat.
            TWRequestError: It is a one-to-one chat, or the server refuses the title.
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWDeliveryUnknownError: The answer was lost: it may have been done.
        """
        return self._acting().set_title(self._chat, title, timeout=timeout)

    def set_allow_sending(self, allow: bool, *, timeout: float | None = None) -> Chat:
        """Let all members post, or administrators alone; as `set_title`."""
        return self._acting().set_flag(self._chat, "allow_sending", allow, timeout=timeout)

    def set_allow_mute_notifications(self, allow: bool, *, timeout: float | None = None) -> Chat:
        """Let members mute the chat, or not; as `set_title`."""
        return self._acting().set_flag(
            self._chat, "allow_mute_notifications", allow, timeout=timeout
        )

    def set_closed(self, closed: bool, *, timeout: float | None = None) -> Chat:
        """Close the chat, so that nobody can post any more, or open it again; as `set_title`."""
        return self._acting().set_flag(self._chat, "is_closed", closed, timeout=timeout)


@frozen
class ChatHandle(BoundChat):
    """A chat of which nothing but the thread ID is known; from ``connection.chats.at(tid)``."""

    tid: str = field(repr=text_repr)


@frozen
class Chat(Extensible, BoundChat):
    """A chat as the server described it at one moment. Equality is by content.

    Attributes:
        tid: The thread ID, an opaque string.
        title: None or empty when the chat has none. Titles are not unique.
        type: One-to-one or group.
        users: The members besides the bot itself, who is always one.
        groups: The circles and lists that are members.
        admins: The members who may administer the chat.
        is_alert: Whether it is an alert chat.
        allow_sending: Whether members who are no admins may post.
        allow_mute_notifications: Whether members may mute it.
        is_closed: Whether it is closed for posting.
    """

    tid: str = field(repr=text_repr)
    title: str | None = field(repr=text_repr)
    type: ChatType = field(default=ChatType.GROUP, repr=False)
    users: tuple[User, ...] = field(default=(), repr=False)
    groups: tuple[Group, ...] = field(default=(), repr=False)
    admins: tuple[User, ...] = field(default=(), repr=False)
    is_alert: bool = field(default=False, repr=False)
    allow_sending: bool = field(default=True, repr=False)
    allow_mute_notifications: bool = field(default=True, repr=False)
    is_closed: bool = field(default=False, repr=False)
    _extra: tuple[tuple[str, Any], ...] = extra_field()

    def __hash__(self) -> int:
        return hash(self.tid)

    @property
    def circles(self) -> tuple[Group, ...]:
        """The circles among the groups."""
        return tuple(group for group in self.groups if group.is_circle)

    @property
    def lists(self) -> tuple[Group, ...]:
        """The lists among the groups."""
        return tuple(group for group in self.groups if group.is_list)


FillableChat = fillable(Chat)


class ChatList(ShownList[Chat]):
    """Chats, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "chats"
    _cells = CHAT_CELLS
    _columns = CHAT_COLUMNS

    def to_pandas(self) -> DataFrame:
        """The chats as a data frame, one row for each, in the order of the list.

        Columns: tid, title and type (strings), users, groups and admins (how many), is_alert,
        allow_sending, allow_mute_notifications and is_closed (bool).

        Raises:
            ImportError: There is no pandas; the text says what to install.
        """
        return self._frame()


@frozen
class Message(Extensible):
    """A message in a chat.

    Attributes:
        chat: Where it was posted; a `ChatHandle` when it was got through one.
        mid: The id, an opaque string.
        from_user: Who posted it.
        timestamp: Milliseconds since 1970-01-01 UTC.
        msg: The text; None when there is none.
        is_alert: Whether it asks for attention.
        alert_type: How it asks for attention; None when it does not.
        reply_to: The id of the message that it answers, or None.
        sender_display_name: Shown in place of the author's name, or None.
        deleted: Whether its author deleted it.
        attachments: What is attached; None when nothing is.
        link_preview: What is shown of a page that it links to, or None.
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
    def attachments(self) -> list[Attachment] | None:
        """What is attached; None when nothing is."""
        return list(self._attachments) or None

    @property
    def tstamp_date(self) -> datetime:
        """When it was posted, aware, in UTC."""
        return date_of(self.timestamp)

    def reply(
        self,
        message: str = "",
        attachments: Iterable[Attachment | Attachable] | None = None,
        **arguments: Any,
    ) -> Message:
        """Answer it in its chat: ``chat.post`` with ``reply_to``.

        Args:
            message: The text.
            attachments: What to attach.
            **arguments: The others of `Chat.post`.

        Raises:
            TypeError: As `Chat.post`.
            ValueError: As `Chat.post`.
            TWError: As `Chat.post`.
        """
        return self.chat.post(message, attachments, reply_to=self, **arguments)


class MessageList(ShownList[Message]):
    """Messages, as a list of its own: changing it changes nothing else.

    A long one is cut where it is shown, never in what it holds.
    """

    _what = "messages"
    _cells = MESSAGE_CELLS
    _columns = MESSAGE_COLUMNS

    def to_pandas(self) -> DataFrame:
        """The messages as a data frame, one row for each, in the order of the list.

        Columns: mid, tid, from_uid, from_name and msg (strings), date (with the time zone UTC),
        is_alert (bool), alert_type, reply_to and sender_display_name (strings), deleted (bool),
        attachments (how many).

        Raises:
            ImportError: There is no pandas; the text says what to install.
        """
        return self._frame()

"""Chats, and what can be done in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from teamwire_sync._models.base import (
    Bound,
    Extensible,
    OpenEnum,
    extra_field,
    fillable,
    text_repr,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._display.html import MessageList
    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import Attachment
    from teamwire_sync._models.messages import AlertType, Message
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._services.attachments import Attachments


class ChatType(OpenEnum):
    """Kind of a chat."""

    ONE_TO_ONE = "one_to_one"
    GROUP = "group"


class _ChatActions(Bound):
    """What can be done with a chat when its thread ID is known.

    Each asks the server about the chat with this thread ID, however old the object is.
    """

    __slots__ = ()
    tid: str

    def post(  # noqa: PLR0917  the vendor's signature
        self,
        message: str = "",
        attachments: Attachments | Iterable[Attachment] | None = None,
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
        posted: Message = self._acting()._post(
            self,
            message,
            attachments,
            is_alert=is_alert,
            reply_to=reply_to,
            sender_display_name=sender_display_name,
            alert_type=alert_type,
            progress=progress,
            timeout=timeout,
        )
        return posted

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
        messages: MessageList = self._acting()._get_messages(
            self, limit=limit, before=before, timeout=timeout
        )
        return messages

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
        messages: Iterable[Message] = self._acting()._iter_messages(
            self, before=before, timeout=timeout
        )
        return messages

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
        chat: Chat = self._acting()._edit_members(self, add=(users, groups), timeout=timeout)
        return chat

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
        chat: Chat = self._acting()._edit_members(self, remove=(users, groups), timeout=timeout)
        return chat

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
        chat: Chat = self._acting()._edit_admins(self, add=users, timeout=timeout)
        return chat

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
        chat: Chat = self._acting()._edit_admins(self, remove=users, timeout=timeout)
        return chat

    def leave(self, *, timeout: float | None = None) -> None:
        """Leave the chat: the bot is no member any more, and look-ups no longer find it.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWNotFoundError: There is no such chat, or the bot is no longer in it.
            TWDeliveryUnknownError: The answer was lost: the bot may have left.
        """
        self._acting()._leave(self, timeout=timeout)

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
        return self._edit("title", title, timeout)

    def set_allow_sending(self, allow: bool, *, timeout: float | None = None) -> Chat:
        """Let all members post, or administrators alone; as `set_title`."""
        return self._edit("allow_sending", allow, timeout)

    def set_allow_mute_notifications(self, allow: bool, *, timeout: float | None = None) -> Chat:
        """Let members mute the chat, or not; as `set_title`."""
        return self._edit("allow_mute_notifications", allow, timeout)

    def set_closed(self, closed: bool, *, timeout: float | None = None) -> Chat:
        """Close the chat, so that nobody can post any more, or open it again; as `set_title`."""
        return self._edit("is_closed", closed, timeout)

    def _edit(self, name: str, value: object, timeout: float | None) -> Chat:
        chat: Chat = self._acting()._edit(self, name, value, timeout=timeout)
        return chat


@frozen
class ChatHandle(_ChatActions):
    """A chat of which nothing but the thread ID is known; from ``connection.chats.at(tid)``."""

    tid: str = field(repr=text_repr)


@frozen
class Chat(Extensible, _ChatActions):
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

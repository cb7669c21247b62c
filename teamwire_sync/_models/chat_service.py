"""The service that the methods of a chat call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import Attachable, Attachment
    from teamwire_sync._models.messages import AlertType
    from teamwire_sync._models.people import Group, User

    # Users, and groups.
    Members = tuple[Iterable[User | str], Iterable[Group | str]]

# The types of a chat or handle, the chat after a change, a message, and a list of messages. They
# are type variables because the module of the chats imports this module.
ActingT_contra = TypeVar("ActingT_contra", contravariant=True)
ChatT_co = TypeVar("ChatT_co", covariant=True)
MessageT = TypeVar("MessageT")
MessagesT_co = TypeVar("MessagesT_co", covariant=True)


class ChatService(Protocol[ActingT_contra, ChatT_co, MessageT, MessagesT_co]):
    """The operations on chats and handles. The arguments are those of the methods of `Chat`."""

    def post(
        self,
        chat: ActingT_contra,
        message: str,
        attachments: Iterable[Attachment | Attachable] | None,
        *,
        is_alert: bool,
        reply_to: MessageT | str | None,
        sender_display_name: str | None,
        alert_type: AlertType | str | None,
        progress: Progress,
        timeout: float | None,
    ) -> MessageT:
        """Post a message in *chat*."""

    def get_messages(
        self,
        chat: ActingT_contra,
        *,
        limit: int,
        before: MessageT | str | None,
        timeout: float | None,
    ) -> MessagesT_co:
        """Return the newest messages."""

    def iter_messages(
        self, chat: ActingT_contra, *, before: MessageT | str | None, timeout: float | None
    ) -> Iterable[MessageT]:
        """Return an iterable over all the messages, which reads them when they are needed."""

    def edit_members(
        self,
        chat: ActingT_contra,
        *,
        add: Members = ...,
        remove: Members = ...,
        timeout: float | None,
    ) -> ChatT_co:
        """Add and remove members of *chat*."""

    def edit_admins(
        self,
        chat: ActingT_contra,
        *,
        add: Iterable[User | str] = ...,
        remove: Iterable[User | str] = ...,
        timeout: float | None,
    ) -> ChatT_co:
        """Add and remove administrators of *chat*."""

    def set_title(
        self, chat: ActingT_contra, title: str | None, *, timeout: float | None
    ) -> ChatT_co:
        """Change or remove the title of *chat*."""

    def set_flag(
        self, chat: ActingT_contra, name: str, value: bool, *, timeout: float | None
    ) -> ChatT_co:
        """Set the flag *name* of *chat*, such as ``is_closed``."""

    def leave(self, chat: ActingT_contra, *, timeout: float | None) -> None:
        """Leave *chat*."""

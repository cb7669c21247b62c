"""What a chat calls to act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import Attachable, Attachment
    from teamwire_sync._models.messages import AlertType
    from teamwire_sync._models.people import Group, User

    # Users and groups.
    Members = tuple[Iterable[User | str], Iterable[Group | str]]

# The types of what acts, of a chat after a change, of a message, and of a list of messages. They
# are variables because the module of the chats imports this one.
ActingT_contra = TypeVar("ActingT_contra", contravariant=True)
ChatT_co = TypeVar("ChatT_co", covariant=True)
MessageT = TypeVar("MessageT")
MessagesT_co = TypeVar("MessagesT_co", covariant=True)


class ChatService(Protocol[ActingT_contra, ChatT_co, MessageT, MessagesT_co]):
    """Acts for chats and handles on chats; the arguments are theirs."""

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
        """Post in *chat*."""

    def get_messages(
        self,
        chat: ActingT_contra,
        *,
        limit: int,
        before: MessageT | str | None,
        timeout: float | None,
    ) -> MessagesT_co:
        """The newest messages."""

    def iter_messages(
        self, chat: ActingT_contra, *, before: MessageT | str | None, timeout: float | None
    ) -> Iterable[MessageT]:
        """All the messages, read as they are needed."""

    def edit_members(
        self,
        chat: ActingT_contra,
        *,
        add: Members = ...,
        remove: Members = ...,
        timeout: float | None,
    ) -> ChatT_co:
        """Change who is in *chat*."""

    def edit_admins(
        self,
        chat: ActingT_contra,
        *,
        add: Iterable[User | str] = ...,
        remove: Iterable[User | str] = ...,
        timeout: float | None,
    ) -> ChatT_co:
        """Change who administers *chat*."""

    def set_title(
        self, chat: ActingT_contra, title: str | None, *, timeout: float | None
    ) -> ChatT_co:
        """Give *chat* another title."""

    def set_flag(
        self, chat: ActingT_contra, name: str, value: bool, *, timeout: float | None
    ) -> ChatT_co:
        """Change the property *name* of *chat*, which is one of its flags."""

    def leave(self, chat: ActingT_contra, *, timeout: float | None) -> None:
        """Leave *chat*."""

"""What a Connection asks of a transport: models in, models out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from teamwire_sync._models import Chat, ChatHandle, Group, LoggedInUser, Message, User


@frozen
class ChatDraft:
    """A chat to be made.

    Attributes:
        title: None for none.
        user_ids: Users to invite.
        group_ids: Circles and lists to invite.
        message: The first message, or None.
        allow_sending: Whether members who are no admins may post.
        allow_mute_notifications: Whether members may mute it.
        is_alert: Whether it is an alert chat.
    """

    title: str | None = None
    user_ids: Sequence[str] = ()
    group_ids: Sequence[str] = ()
    message: str | None = None
    allow_sending: bool = True
    allow_mute_notifications: bool = True
    is_alert: bool = False


@frozen(eq=False, repr=False)
class ChatPage:
    """One page of the chats.

    Attributes:
        chats: The chats on it.
        validator: Of the whole collection, as this page shows it; None when there is none.
        is_last: Whether it is the last.
        not_modified: Whether the chats are as the validator says, and so are not on the page.
    """

    chats: Sequence[Chat] = ()
    validator: str | None = None
    is_last: bool = True
    not_modified: bool = False


class Transport(Protocol):
    """A way to a Teamwire server. It is used by many threads at once.

    Every method takes the *deadline* by which it has to end, a moment of `time.monotonic` or None,
    and raises a `TWError`. A write raises `TWConnectionError` only when it provably never left,
    else `TWDeliveryUnknownError`. After `close` each raises `TWClosedError`.

    Attributes:
        on_unauthorized: Set by the Connection; called when a server says that it does not know the
            credentials (401), before `TWAuthError` is raised.
    """

    on_unauthorized: Callable[[], None]

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """The bot's own user."""
        ...

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None
    ) -> Iterator[ChatPage]:
        """The chats of the bot, page by page, each asked for when it is needed.

        A transport that knows no *validator* gives all the pages.
        """
        ...

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> Chat:
        """Make a chat, or find the one-to-one chat that there is."""
        ...

    def post_message(
        self, chat: Chat | ChatHandle, message: str, *, deadline: float | None
    ) -> Message:
        """Post in a chat."""
        ...

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """One user, or None."""
        ...

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """One circle or list with its members, or None."""
        ...

    def close(self) -> None:
        """Let go of what it holds; may be called twice."""
        ...

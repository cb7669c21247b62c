"""What a Connection asks of a transport: models in, models out."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Generic, Protocol, TypeVar

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from teamwire_sync._models.attachments import Attachment
    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.events import Event
    from teamwire_sync._models.messages import AlertType
    from teamwire_sync._models.people import Group, LoggedInUser, User

T = TypeVar("T")


class Ability(Enum):
    """What not every transport can do. Its value completes "can't ..."."""

    OWN_USER = "ask who the bot is"
    CHAT_EDITS = "change or leave chats"
    MESSAGES = "read messages"
    ATTACHMENTS = "post or bring attachments"
    DIRECTORY = "list or search users and groups"
    EVENTS = "listen to events"


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


@frozen
class MessageDraft:
    """A message to be posted.

    Attributes:
        message: The text, or empty.
        attachments: What is attached; a file has been sent before.
        is_alert: Whether it asks for attention.
        alert_type: How, or None when it does not.
        reply_to: The id of the message that it answers, or None.
        sender_display_name: To be shown in place of the bot's name, or None.
    """

    message: str = ""
    attachments: Sequence[Attachment] = ()
    is_alert: bool = False
    alert_type: AlertType | None = None
    reply_to: str | None = None
    sender_display_name: str | None = None


@frozen
class MemberEdit:
    """Who is to become a member or an administrator, and who no longer is to be one.

    Attributes:
        add_users: The ids of users.
        add_groups: The ids of circles and lists.
        remove_users: The ids of users.
        remove_groups: The ids of circles and lists.
    """

    add_users: Sequence[str] = ()
    add_groups: Sequence[str] = ()
    remove_users: Sequence[str] = ()
    remove_groups: Sequence[str] = ()


@frozen(eq=False, repr=False)
class ChatPage:
    """One page of the chats.

    Attributes:
        chats: The chats on it.
        validator: Of the whole collection, as this page shows it; None when there is none.
        is_last: Whether it is the last.
        not_modified: Whether the chats are as the validator says, and so are not on the page.
        users: The users that the chats name, as far as no earlier page had them.
        groups: The groups that they name, likewise.
    """

    chats: Sequence[Chat] = ()
    validator: str | None = None
    is_last: bool = True
    not_modified: bool = False
    users: Sequence[User] = ()
    groups: Sequence[Group] = ()


@frozen(eq=False, repr=False)
class Page(Generic[T]):
    """One page of a list that is read once.

    Attributes:
        items: What is on it.
        next_cursor: Where the next page begins; None when this is the last.
    """

    items: Sequence[T]
    next_cursor: str | None = None


@frozen(eq=False, repr=False)
class EventPage:
    """The events after a cursor.

    Attributes:
        events: The events, oldest first; maybe none.
        cursor: Where the next ones begin.
        users: The users that they name.
        groups: The groups that they name.
    """

    events: Sequence[Event]
    cursor: str
    users: Sequence[User] = field(default=())
    groups: Sequence[Group] = field(default=())


class UploadSource(Protocol):
    """What is to be sent.

    Attributes:
        name: What receivers see.
        content_type: The media type.
        size: How many bytes there are.
    """

    name: str
    content_type: str
    size: int

    def rewind(self) -> None:
        """Start again at the first byte."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most *size*."""


class DownloadSink(Protocol):
    """Where what comes is written to."""

    def restart(self) -> bool:
        """Drop what has been written; False where that can't be done."""

    def write(self, piece: bytes, /) -> None:
        """Append *piece*."""


class Transport(Protocol):
    """A way to a Teamwire server. It is used by many threads at once.

    Every method takes the *deadline* by which it has to end, a moment of `time.monotonic` or None,
    and raises a `TWError`. A write raises `TWConnectionError` only when it provably never left,
    else `TWDeliveryUnknownError`. After `close` each raises `TWClosedError`.

    Attributes:
        abilities: What it can do of what not every transport can. What it can't do raises
            `TWUnsupportedError`.
        on_unauthorized: Set by the Connection; called when a server says that it does not know the
            credentials (401), before `TWAuthError` is raised.
    """

    abilities: frozenset[Ability]
    on_unauthorized: Callable[[], None]

    @property
    def identity(self) -> str | None:
        """The same for each transport to the same chats, and for no other, without a Secret.

        None where that can't be said; then there is no storing the chats.
        """

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """The bot's own user."""

    # Chats

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None
    ) -> Iterator[ChatPage]:
        """The chats of the bot, page by page, each asked for when it is needed.

        A transport that knows no *validator* gives all the pages.
        """

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> Chat:
        """Make a chat, or find the one-to-one chat that there is."""

    def edit_chat(self, tid: str, properties: Mapping[str, Any], *, deadline: float | None) -> Chat:
        """Change properties of a chat, named as those of `Chat`."""

    def edit_members(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> Chat:
        """Change who is in a chat; all of it or nothing."""

    def edit_admins(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> Chat:
        """Change who administers a chat; all of it or nothing."""

    def leave_chat(self, tid: str, *, deadline: float | None) -> None:
        """Be a member no longer."""

    # Messages

    def get_messages(
        self, chat: Chat | ChatHandle, *, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        """At most *limit* messages, newest first, deleted ones too; fewer say nothing."""

    def post_message(
        self, chat: Chat | ChatHandle, draft: MessageDraft, *, deadline: float | None
    ) -> Message:
        """Post in a chat."""

    def upload(self, source: UploadSource, *, deadline: float | None) -> str:
        """Send a file that is to be attached; its id. What is read fails as it does."""

    def download(self, aid: str, sink: DownloadSink, *, size: int, deadline: float | None) -> None:
        """Bring the *size* bytes of a file that is attached. What is written fails as it does."""

    # The directory

    def get_users(
        self, *, text: str | None, cursor: str | None, deadline: float | None
    ) -> Page[User]:
        """A page of those whose name has *text* in it, or of all."""

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """One user, or None."""

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        """The picture of a user; `TWImageLoadError` when none is set."""

    def get_groups(self, *, cursor: str | None, deadline: float | None) -> Page[Group]:
        """A page of all the circles and lists, maybe without their members."""

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """One circle or list with its members, or None."""

    def edit_group_members(self, gid: str, edit: MemberEdit, *, deadline: float | None) -> Group:
        """Change who is in a list; all of it or nothing."""

    # Events

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        """The events after *cursor*; without one, where they begin now.

        When there are none yet, it waits for them, *wait* seconds at most. It is asked once: who
        listens decides whether to try again.
        """

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until `close`."""

    def close(self) -> None:
        """Let go of what it holds; may be called twice."""

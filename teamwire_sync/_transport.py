"""The interface between a Connection and a transport. Both sides use only our models."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Callable, Generic, Protocol, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from teamwire_sync._models.attachments import Attachment
    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.events import Event
    from teamwire_sync._models.messages import AlertType
    from teamwire_sync._models.people import Group, LoggedInUser, User

T = TypeVar("T")


class Ability(Enum):
    """An ability that some transports lack. Its value completes a sentence with "can't"."""

    OWN_USER = "read the bot's own user"
    CHAT_EDITS = "change or leave chats"
    MESSAGES = "read messages"
    ATTACHMENTS = "post or download attachments"
    DIRECTORY = "list or search users and groups"
    EVENTS = "listen to events"


@frozen
class ChatDraft:
    """A chat to create.

    Attributes:
        title: The title; None for a chat without a title.
        user_ids: The IDs of the users to invite.
        group_ids: The IDs of the circles and lists to invite.
        message: The text of the first message; None for no message.
        allow_sending: Whether members who are not administrators may post.
        allow_mute_notifications: Whether members may mute the chat.
        is_alert: Whether the chat is an alert chat.
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
    """A message to post.

    Attributes:
        message: The text; may be empty.
        attachments: The attachments. Their files are already uploaded.
        is_alert: Whether the message is an alert.
        alert_type: The type of the alert; None if the message is not an alert.
        reply_to: The ID of the message that this message replies to, or None.
        sender_display_name: The name to show instead of the bot's name, or None.
    """

    message: str = ""
    attachments: Sequence[Attachment] = ()
    is_alert: bool = False
    alert_type: AlertType | None = None
    reply_to: str | None = None
    sender_display_name: str | None = None


@frozen
class MemberEdit:
    """The members or administrators to add and to remove.

    Attributes:
        add_users: The IDs of the users to add.
        add_groups: The IDs of the circles and lists to add.
        remove_users: The IDs of the users to remove.
        remove_groups: The IDs of the circles and lists to remove.
    """

    add_users: Sequence[str] = ()
    add_groups: Sequence[str] = ()
    remove_users: Sequence[str] = ()
    remove_groups: Sequence[str] = ()


@frozen(eq=False, repr=False)
class ChatState:
    """The state of one chat after a write.

    Attributes:
        tid: The chat's thread ID.
        chat: The chat; None if the bot is no longer in it.
        revision: The revision of the chat's last change; None if the server did not send it.
    """

    tid: str
    chat: Chat | None
    revision: int | None = None


@frozen(eq=False, repr=False)
class ChatPage:
    """One page of a listing of the chats.

    Attributes:
        chats: The chats on the page.
        validator: The validator of the whole collection at the time of this page; None if the
            transport has none.
        is_last: Whether this page is the last page.
        not_modified: Whether the chats are unchanged since the validator of the request. The page
            is then empty.
        users: The users that these chats name and that were on no earlier page.
        groups: The groups that these chats name and that were on no earlier page.
        revision: The lowest revision that the page can show: all changes up to it are visible. None
            if the server did not send it.
        revisions: The revisions of the chats' last changes, in the order of *chats*. None stands
            for a revision that the server did not send. Empty if the server sent no revision.
        gone: The thread IDs that the bot can't see any more, or could not see for a time, after the
            revision of the request. *chats* are then only the chats that have changed after this
            revision. None if the page belongs to a listing of all the chats.
        total: The number of all the chats; None if the server did not send it.
    """

    chats: Sequence[Chat] = ()
    validator: str | None = None
    is_last: bool = True
    not_modified: bool = False
    users: Sequence[User] = ()
    groups: Sequence[Group] = ()
    revision: int | None = None
    revisions: Sequence[int | None] = ()
    gone: Sequence[str] | None = None
    total: int | None = None


@frozen(eq=False, repr=False)
class Page(Generic[T]):
    """One page of messages, users or groups.

    Attributes:
        items: The items on the page.
        next_cursor: The cursor of the next page; None if this page is the last page.
    """

    items: Sequence[T]
    next_cursor: str | None = None


@frozen(eq=False, repr=False)
class EventPage:
    """The events after a cursor.

    Attributes:
        events: The events, oldest first; may be empty.
        cursor: The cursor for the next events.
        users: The users that the events name.
        groups: The groups that the events name.
        revisions: The revisions of the events' chats, in the order of *events*. For
            `Events.CHAT_DELETED`, it is the revision of the chat's removal. For all other events,
            it is the revision of ``event.chat``. None stands for a revision that the server did not
            send. Empty if the server sent no revision.
        vague: The thread IDs of the events' chats of which nothing but the ID is known.
    """

    events: Sequence[Event]
    cursor: str
    users: Sequence[User] = ()
    groups: Sequence[Group] = ()
    revisions: Sequence[int | None] = ()
    vague: Collection[str] = ()


class UploadSource(Protocol):
    """A file to upload.

    Attributes:
        name: The file name that receivers see.
        content_type: The media type.
        size: The number of bytes.
    """

    name: str
    content_type: str
    size: int

    def rewind(self) -> None:
        """Move back to the first byte."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most *size*."""


class DownloadSink(Protocol):
    """The destination of a download."""

    def restart(self) -> bool:
        """Discard all written bytes; return False if this is not possible."""

    def write(self, piece: bytes, /) -> None:
        """Append *piece*."""


class UnsizedSink(DownloadSink, Protocol):
    """The destination of a download whose size the caller does not know."""

    def begin(self, size: int | None, content_type: str | None) -> None:
        """Receive the size and the media type before the first bytes; None if they are unknown."""


class Transport(Protocol):
    """Access to a Teamwire server. Many threads may use it concurrently.

    The *deadline* of a method is the moment of `time.monotonic` at which the method must end, or
    None. Every method raises a `TWError` if it fails. A write raises `TWConnectionError` only if it
    was provably never sent, otherwise `TWDeliveryUnknownError`. After `close`, every method raises
    `TWClosedError`.

    If the code of a `TWNotFoundError` is ``not_found``, the object is missing. A server may number
    the changes of the chats: each change gets a higher revision. The error then has the private
    attribute ``_revision``: the lowest revision at which the object can be missing.

    A server may know the keys of writes: it does a write only once, however often it is sent with
    the same key. The transport then has the attribute ``keeps_keys``, and its writes have the
    keyword argument ``key``: a str of at most 255 printable ASCII characters, or None.
    ``keeps_keys`` is whether a response of the server has promised this.

    Attributes:
        abilities: The optional abilities of the transport. A method that needs another ability
            raises `TWUnsupportedError`.
        on_unauthorized: A callback that the Connection sets. Called before `TWAuthError` is raised,
            if the server does not accept the credentials (401).
    """

    abilities: frozenset[Ability]
    on_unauthorized: Callable[[], None]

    @property
    def identity(self) -> str | None:
        """A text that is equal for transports to the same chats and different for all others.

        It contains no Secret. None if the transport has no such text: then no store can be used.
        """

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        """Return the bot's own user."""

    # Chats

    def iter_chat_pages(
        self,
        *,
        validator: str | None,
        deadline: float | None,
        refresh: bool = False,
        since: int | None = None,
    ) -> Iterator[ChatPage]:
        """Yield the pages of the bot's chats. Each page is requested only when it is needed.

        If the chats are unchanged since *validator*, yield one page that is ``not_modified``. A
        transport without validators yields all pages. If *refresh* is true, a cache in front of
        the server, such as a gateway's list of chats, must not answer. If *since* is a revision,
        yield the changes after it, or else all pages. A transport whose pages have no revisions
        never gets *since*.
        """

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> ChatState:
        """Create a chat, or return the existing one-to-one chat."""

    def edit_chat(
        self, tid: str, properties: Mapping[str, Any], *, deadline: float | None
    ) -> ChatState:
        """Change properties of a chat. The keys are the property names of `Chat`."""

    def edit_members(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> ChatState:
        """Add and remove members of a chat: either all of them or none."""

    def edit_admins(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> ChatState:
        """Add and remove administrators of a chat: either all of them or none."""

    def leave_chat(self, tid: str, *, deadline: float | None) -> ChatState:
        """Leave a chat, and return its state without a chat."""

    # Messages

    def get_messages(
        self, chat: Chat | ChatHandle, *, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        """Return at most *limit* messages, newest first, including deleted messages.

        Fewer messages than *limit* do not mean that this is the last page.
        """

    def post_message(
        self, chat: Chat | ChatHandle, draft: MessageDraft, *, deadline: float | None
    ) -> Message:
        """Post a message in a chat."""

    def upload(self, source: UploadSource, *, deadline: float | None) -> str:
        """Upload a file for an attachment and return its ID. Errors of *source* are re-raised."""

    def download(
        self, aid: str, sink: DownloadSink, *, size: int | None, deadline: float | None
    ) -> None:
        """Download an attachment into *sink*. Errors of *sink* are re-raised.

        The attachment must have *size* bytes. If the size is None, *sink* is an `UnsizedSink`.
        """

    # The directory

    def get_users(
        self, *, text: str | None, cursor: str | None, deadline: float | None
    ) -> Page[User]:
        """Return a page of the users whose name contains *text*, or of all users if it is None."""

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        """Return a user, or None if it does not exist."""

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        """Return the picture of a user; raise `TWImageLoadError` if the user has none."""

    def get_groups(self, *, cursor: str | None, deadline: float | None) -> Page[Group]:
        """Return a page of all circles and lists. Their members may be missing."""

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        """Return a circle or list with its members, or None if it does not exist."""

    def edit_group_members(self, gid: str, edit: MemberEdit, *, deadline: float | None) -> Group:
        """Add and remove members of a list: either all of them or none."""

    # Events

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        """Return the events after *cursor*. If it is None, return only the current cursor.

        If there are no events yet, wait for them for *wait* seconds at most. The request is not
        retried: the caller decides about a retry.
        """

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until `close` is called."""

    def close(self) -> None:
        """Release all resources; idempotent."""

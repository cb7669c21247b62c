"""The operations on one chat: the service behind `Chat` and `ChatHandle`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Callable, cast

from teamwire_sync._display.progress import Progress
from teamwire_sync._display.progress import moved as bytes_moved
from teamwire_sync._internal.deadlines import deadline_of, within
from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import (
    require_bool,
    require_count,
    require_id,
    require_progress,
    require_str,
    require_text,
)
from teamwire_sync._models.base import attach
from teamwire_sync._models.chats import Chat, ChatHandle, Message, MessageList
from teamwire_sync._models.messages import AlertType
from teamwire_sync._services.paging import Pages
from teamwire_sync._services.validation import group_ids, require_members, user_ids
from teamwire_sync._transport import (
    ChatState,
    EventPage,
    MemberEdit,
    MessageDraft,
    Page,
    Transport,
)
from teamwire_sync.exceptions import TWNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._models import attachments as attachment_models
    from teamwire_sync._models.attachments import Attachable, Attachment, FileAttachment
    from teamwire_sync._models.chat_service import Members
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._services import files
    from teamwire_sync._services.directory import GroupDirectory, UserDirectory
    from teamwire_sync._services.files import LocalFile
else:
    # Most programs post texts, and need no files.
    attachment_models = LazyModule("teamwire_sync._models.attachments")
    files = LazyModule("teamwire_sync._services.files")

# Messages per request. A server may return fewer, and never returns more than 200.
_MESSAGES = 200
_LONGEST_NAME = 100


class ChatActions:
    """The operations on chats. It also binds the models that the server sends to their services.

    Args:
        transport: The transport to the server.
        users: The service of the users.
        groups: The service of the groups.
        cache: The cache of the chats.
        hide_deleted_messages: Whether to leave out deleted messages.
        listing_timeout: The limit in seconds for a read of several pages.
    """

    def __init__(
        self,
        transport: Transport,
        users: UserDirectory,
        groups: GroupDirectory,
        cache: ChatCache,
        *,
        hide_deleted_messages: bool,
        listing_timeout: float,
    ) -> None:
        self._transport = transport
        self._users = users
        self._groups = groups
        self._cache = cache
        self._hide_deleted = hide_deleted_messages
        self._listing_timeout = listing_timeout

    # Binding models to their services

    def attach(
        self,
        chats: Sequence[Chat | ChatHandle],
        users: Iterable[User] = (),
        groups: Sequence[Group] = (),
    ) -> None:
        """Bind *chats* to this service, and the *users* and *groups* of the chats to theirs."""
        attach(chats, self)
        self._users.attach(users)
        self._groups.attach(groups)

    def attach_chat(self, chat: Chat) -> None:
        """Bind *chat*, its users and its groups to their services."""
        self.attach([chat], [*chat.users, *chat.admins], chat.groups)

    def attach_messages(self, messages: Iterable[Message]) -> None:
        """Bind the authors and the attachments of *messages* to their services."""
        for message in messages:
            self._users.attach([message.from_user])
            attach(message.attachments or (), self)

    def attach_events(self, page: EventPage) -> None:
        """Bind the models in the events of *page* to their services."""
        self.attach([event.chat for event in page.events], page.users, page.groups)
        messages = (getattr(event, "message", None) for event in page.events)
        self.attach_messages(message for message in messages if message is not None)

    # Messages

    def post(
        self,
        chat: Chat | ChatHandle,
        message: str,
        attachments: Iterable[Attachment | Attachable] | None,
        *,
        is_alert: bool,
        reply_to: Message | str | None,
        sender_display_name: str | None,
        alert_type: AlertType | str | None,
        progress: Progress,
        timeout: float | None,
    ) -> Message:
        """Post a message in *chat*; see `Chat.post`."""
        require_text(message, "message")
        is_alert = require_bool(is_alert, "is_alert")
        require_text(
            sender_display_name,
            "sender_display_name",
            optional=True,
            empty=False,
            most=_LONGEST_NAME,
        )
        progress = require_progress(progress)
        if alert_type is None and is_alert:
            alert_type = "alert"
        kind = None if alert_type is None else _alert_type(alert_type)
        if kind is not None and not is_alert:
            text = "alert_type is only for alerts: pass is_alert=True, too"
            raise ValueError(text)
        items = _attachable(attachments)
        if not message and not items:
            text = "message is empty, and there is no attachment"
            raise ValueError(text)
        answered = None if reply_to is None else _message_id(reply_to, "reply_to")
        deadline = deadline_of(timeout)
        draft = MessageDraft(
            message=message,
            attachments=self._sent(items, progress, deadline),
            is_alert=is_alert,
            alert_type=kind,
            reply_to=answered,
            sender_display_name=sender_display_name,
        )
        with self._in(chat):
            posted = self._transport.post_message(chat, draft, deadline=deadline)
        self.attach_messages([posted])
        return posted

    def _sent(
        self,
        items: Sequence[Attachment | LocalFile],
        progress: Progress,
        deadline: float | None,
    ) -> list[Attachment]:
        """Upload the local files among *items*, and return all items as attachments."""
        # Without items there is no bar, but progress=True must still raise if tqdm is missing.
        if not items and progress is not True:
            return []
        attachment_type = attachment_models.Attachment
        done, total = 0, sum(item.size for item in items if not isinstance(item, attachment_type))
        sent: list[Attachment] = []
        with bytes_moved(progress, "sending") as tell:

            def moved(count: int) -> None:
                tell(done + count, total)

            for item in items:
                if isinstance(item, attachment_type):
                    sent.append(item)
                    continue
                with item.opened(moved) as source:
                    aid = self._transport.upload(source, deadline=deadline)
                done += source.size
                if not source.size:
                    moved(0)  # an empty file is never read, so no read has reported it
                sent.append(
                    attachment_models.FileAttachment(
                        item.type, aid, item.name, source.size, item.content_type
                    )
                )
        return sent

    def get_messages(
        self,
        chat: Chat | ChatHandle,
        *,
        limit: int,
        before: Message | str | None,
        timeout: float | None,
    ) -> MessageList:
        """Return the newest messages; see `Chat.get_messages`."""
        limit = require_count(limit, "limit")
        start = None if before is None else _message_id(before, "before")
        deadline = within(deadline_of(timeout), self._listing_timeout)

        def read(cursor: str | None) -> Page[Message]:
            # Leaving out deleted messages can make the first page too short. Full pages then save
            # requests.
            size = min(limit, _MESSAGES) if cursor == start else _MESSAGES
            return self._message_page(chat, cursor, size, deadline)

        pages = Pages("messages", read, start, pause=self._transport.pause)
        return MessageList(islice(pages, limit))

    def iter_messages(
        self, chat: Chat | ChatHandle, *, before: Message | str | None, timeout: float | None
    ) -> Iterable[Message]:
        """Return an iterable over all the messages; see `Chat.iter_messages`."""
        start = None if before is None else _message_id(before, "before")
        deadline_of(timeout)  # a wrong timeout must raise here, not in the loop

        def read(cursor: str | None) -> Page[Message]:
            return self._message_page(chat, cursor, _MESSAGES, deadline_of(timeout))

        return Pages("messages", read, start, pause=self._transport.pause)

    def _message_page(
        self, chat: Chat | ChatHandle, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        with self._in(chat):
            page = self._transport.get_messages(chat, before=before, limit=limit, deadline=deadline)
        self.attach_messages(page.items)
        if not self._hide_deleted:
            return page
        return Page([each for each in page.items if not each.deleted], page.next_cursor)

    def download(
        self,
        attachment: FileAttachment,
        path_or_file: object,
        *,
        progress: Progress,
        timeout: float | None,
    ) -> Path | None:
        """Download the content of *attachment*; see `FileAttachment.download`."""
        deadline = deadline_of(timeout)
        size = attachment.size
        with bytes_moved(progress, "fetching") as tell:

            def moved(count: int) -> None:
                tell(count, size)

            with files.target_of(path_or_file, attachment.name, moved) as (target, paths):
                self._transport.download(attachment.aid, target, size=size, deadline=deadline)
                if not size:
                    moved(0)  # an empty attachment has no piece that reports it
        return paths[0] if paths else None

    # Changing the chat

    def set_title(
        self, chat: Chat | ChatHandle, title: str | None, *, timeout: float | None
    ) -> Chat:
        """Change or remove the title of *chat*; see `Chat.set_title`."""
        require_text(title, "title", optional=True)
        return self._edit(chat, {"title": title or None}, timeout)

    def set_flag(
        self, chat: Chat | ChatHandle, name: str, value: bool, *, timeout: float | None
    ) -> Chat:
        """Set the flag *name* of *chat*, such as ``is_closed``."""
        return self._edit(chat, {name: require_bool(value, name)}, timeout)

    def _edit(
        self,
        chat: Chat | ChatHandle,
        properties: Mapping[str, str | bool | None],
        timeout: float | None,
    ) -> Chat:
        return self._changed(
            chat,
            lambda deadline: self._transport.edit_chat(chat.tid, properties, deadline=deadline),
            timeout,
        )

    def edit_members(
        self,
        chat: Chat | ChatHandle,
        *,
        add: Members = ((), ()),
        remove: Members = ((), ()),
        timeout: float | None,
    ) -> Chat:
        """Add and remove members of *chat*; see `Chat.add_members`."""
        edit = MemberEdit(
            add_users=user_ids(add[0], "users"),
            add_groups=group_ids(add[1], "groups"),
            remove_users=user_ids(remove[0], "users"),
            remove_groups=group_ids(remove[1], "groups"),
        )
        require_members(edit, "users and groups are both empty")
        return self._changed(
            chat,
            lambda deadline: self._transport.edit_members(chat.tid, edit, deadline=deadline),
            timeout,
        )

    def edit_admins(
        self,
        chat: Chat | ChatHandle,
        *,
        add: Iterable[User | str] = (),
        remove: Iterable[User | str] = (),
        timeout: float | None,
    ) -> Chat:
        """Add and remove administrators of *chat*; see `Chat.add_admins`."""
        edit = MemberEdit(add_users=user_ids(add, "users"), remove_users=user_ids(remove, "users"))
        require_members(edit, "users is empty")
        return self._changed(
            chat,
            lambda deadline: self._transport.edit_admins(chat.tid, edit, deadline=deadline),
            timeout,
        )

    def leave(self, chat: Chat | ChatHandle, *, timeout: float | None) -> None:
        """Leave *chat*; see `Chat.leave`."""
        deadline = deadline_of(timeout)
        with self._in(chat), self._cache.writing() as write:
            state = self._transport.leave_chat(chat.tid, deadline=deadline)
            write.left(chat.tid, state.revision)

    def _changed(
        self,
        chat: Chat | ChatHandle,
        change: Callable[[float | None], ChatState],
        timeout: float | None,
    ) -> Chat:
        deadline = deadline_of(timeout)
        with self._in(chat), self._cache.writing() as write:
            state = change(deadline)
            after = cast("Chat", state.chat)
            self.attach_chat(after)
            write.changed(after, state.revision)
        return after

    @contextmanager
    def _in(self, chat: Chat | ChatHandle) -> Iterator[None]:
        try:
            yield
        except not_by_signal(TWNotFoundError) as error:
            # Only this code is about the chat.
            is_gone = error.code == "not_found"
            self._cache.on_state(chat.tid if is_gone else None, None, error._revision)
            raise


def _attachable(
    attachments: Iterable[Attachment | Attachable] | None,
) -> list[Attachment | LocalFile]:
    if attachments is None:
        return []
    hint = "attach files with attachments=Attachments().add_file(path)"
    # Iterating over a file object would read its lines: there may be many, or the read may block.
    if (
        hasattr(attachments, "read")
        or isinstance(attachments, (str, bytes))
        or not isinstance(attachments, Iterable)
    ):
        message = (
            "attachments must be an Attachments or a list of Attachment objects, not "
            f"{type(attachments).__name__}; {hint}"
        )
        raise TypeError(message)
    kinds = (attachment_models.Attachment, files.LocalFile)
    items: list[Attachment | LocalFile] = []
    for item in attachments:
        if not isinstance(item, kinds):
            message = (
                f"attachments[{len(items)}] must be an Attachment, not {type(item).__name__}; "
                f"{hint}"
            )
            raise TypeError(message)
        items.append(item)
    return items


def _alert_type(given: AlertType | str) -> AlertType:
    if isinstance(given, AlertType):
        return given  # maybe a kind that only the server knows
    require_str(given, "alert_type")
    kinds = [kind.value for kind in AlertType]
    if given not in kinds:
        message = f"alert_type must be one of {', '.join(map(repr, kinds))}, not {given!r}"
        raise ValueError(message)
    return AlertType(given)


def _message_id(message: Message | str, name: str) -> str:
    if isinstance(message, str):
        return require_id(message, name)
    if isinstance(message, Message):
        return require_id(message.mid, f"{name}.mid")
    text = f"{name} must be a Message or its id, not {type(message).__name__}"
    raise TypeError(text)

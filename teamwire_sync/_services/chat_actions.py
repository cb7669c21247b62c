"""What is done in one chat: the service behind `Chat` and `ChatHandle`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync._display.html import MessageList
from teamwire_sync._internal.deadlines import deadline_of, within
from teamwire_sync._internal.validation import (
    require_bool,
    require_count,
    require_id,
    require_progress,
    require_str,
    require_text,
)
from teamwire_sync._models.base import attach
from teamwire_sync._models.chats import Chat
from teamwire_sync._services.paging import Pages
from teamwire_sync._services.validation import group_ids, user_ids
from teamwire_sync._transport import MemberEdit, MessageDraft, Page
from teamwire_sync.exceptions import TWNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._display.progress import Progress
    from teamwire_sync._models.attachments import Attachment, FileAttachment
    from teamwire_sync._models.chats import ChatHandle
    from teamwire_sync._models.messages import AlertType, Message
    from teamwire_sync._models.people import Group, User
    from teamwire_sync._services.attachments import Attachments
    from teamwire_sync._services.directory import Groups, Users
    from teamwire_sync._services.files import LocalFile
    from teamwire_sync._transport import EventPage, Transport

# Messages asked for in one request: a server may give fewer, and gives no more than 200.
_MESSAGES = 200
_LONGEST_NAME = 100

Ids = Iterable[Any]


class ChatService:
    """Acts for chats, and lets what the server sends act.

    Args:
        transport: The way to the server.
        users: Acts for users.
        groups: Acts for groups.
        cache: Has the chats.
        hide_deleted_messages: Whether messages that were deleted are left out.
        listing_timeout: Seconds that reading several pages may take.
    """

    def __init__(
        self,
        transport: Transport,
        users: Users,
        groups: Groups,
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

    # Letting things act

    def adopt(
        self,
        chats: Sequence[Chat | ChatHandle],
        users: Iterable[User] = (),
        groups: Iterable[Group] = (),
    ) -> None:
        """Let *chats* act, and the *users* and *groups* that they name."""
        attach(chats, self)
        attach(users, self._users)
        attach(groups, self._groups)

    def adopt_one(self, chat: Chat) -> None:
        """Let *chat* act, and whom it names."""
        owners = [group.owner for group in chat.groups if group.owner is not None]
        self.adopt([chat], [*chat.users, *chat.admins, *owners], chat.groups)

    def adopt_messages(self, messages: Iterable[Message]) -> None:
        """Let the authors and the attachments of *messages* act."""
        for message in messages:
            attach([message.from_user], self._users)
            attach(message._attachments, self)

    def adopt_events(self, page: EventPage) -> None:
        """Let what the events of *page* are about act."""
        self.adopt([event.chat for event in page.events], page.users, page.groups)
        messages = (getattr(event, "message", None) for event in page.events)
        self.adopt_messages(message for message in messages if message is not None)

    # Messages

    def _post(
        self,
        chat: Chat | ChatHandle,
        message: str,
        attachments: Attachments | Iterable[Attachment] | None,
        *,
        is_alert: bool,
        reply_to: Message | str | None,
        sender_display_name: str | None,
        alert_type: AlertType | str | None,
        progress: Progress,
        timeout: float | None,
    ) -> Message:
        require_text(message, "message")
        require_bool(is_alert, "is_alert")
        require_text(
            sender_display_name,
            "sender_display_name",
            optional=True,
            empty=False,
            most=_LONGEST_NAME,
        )
        require_progress(progress)
        if alert_type is None:
            kind = _alert_type("alert") if is_alert else None
        else:
            kind = _alert_type(alert_type)
            if not is_alert:
                text = "alert_type is for alerts: give is_alert=True with it"
                raise ValueError(text)
        items = _attachable(attachments)
        if not message and not items:
            text = "message is empty, and there is no attachment"
            raise ValueError(text)
        answered = None if reply_to is None else _message_id(reply_to, "reply_to")
        deadline = deadline_of(timeout)
        sent = self._sent(items, progress, deadline)
        with self._in(chat.tid):
            draft = MessageDraft(
                message=message,
                attachments=sent,
                is_alert=is_alert,
                alert_type=kind,
                reply_to=answered,
                sender_display_name=sender_display_name,
            )
            posted = self._transport.post_message(chat, draft, deadline=deadline)
        self.adopt_messages([posted])
        return posted

    def _sent(
        self,
        items: Sequence[Attachment | LocalFile],
        progress: Progress,
        deadline: float | None,
    ) -> list[Attachment]:
        """*items* with each file of this machine as what it has become on the server."""
        # Without items there is no bar; that one can't be shown is said all the same.
        if not items and progress is not True:
            return []
        from teamwire_sync._display.progress import moved as bytes_moved  # noqa: PLC0415
        from teamwire_sync._models.attachments import FileAttachment  # noqa: PLC0415
        from teamwire_sync._services.files import LocalFile  # noqa: PLC0415  see `_attachable`

        done, total = 0, sum(item.size for item in items if isinstance(item, LocalFile))
        sent: list[Attachment] = []
        with bytes_moved(progress, "sending") as told:

            def moved(count: int) -> None:
                if told is not None:
                    told(done + count, total)

            for item in items:
                if not isinstance(item, LocalFile):
                    sent.append(item)
                    continue
                with item.opened(moved) as source:
                    aid = self._transport.upload(source, deadline=deadline)
                done += source.size
                if not source.size:
                    moved(0)  # which no read of it has told
                sent.append(
                    FileAttachment(item.type, aid, item.name, source.size, item.content_type)
                )
        return sent

    def _get_messages(
        self,
        chat: Chat | ChatHandle,
        *,
        limit: int,
        before: Message | str | None,
        timeout: float | None,
    ) -> MessageList:
        require_count(limit, "limit")
        start = None if before is None else _message_id(before, "before")
        deadline = within(deadline_of(timeout), self._listing_timeout)

        def read(cursor: str | None) -> Page[Message]:
            # Of the first page, all may be left out: then it is a matter of many.
            size = min(limit, _MESSAGES) if cursor == start else _MESSAGES
            return self._message_page(chat, cursor, size, deadline)

        return MessageList(islice(Pages("messages", read, start), limit))

    def _iter_messages(
        self, chat: Chat | ChatHandle, *, before: Message | str | None, timeout: float | None
    ) -> Iterable[Message]:
        start = None if before is None else _message_id(before, "before")
        deadline_of(timeout)  # that it is none is said here, not in the loop

        def read(cursor: str | None) -> Page[Message]:
            return self._message_page(chat, cursor, _MESSAGES, deadline_of(timeout))

        return Pages("messages", read, start)

    def _message_page(
        self, chat: Chat | ChatHandle, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        with self._in(chat.tid):
            page = self._transport.get_messages(chat, before=before, limit=limit, deadline=deadline)
        self.adopt_messages(page.items)
        if not self._hide_deleted:
            return page
        return Page([each for each in page.items if not each.deleted], page.next_cursor)

    def _download(
        self,
        attachment: FileAttachment,
        path_or_file: Any,
        *,
        progress: Progress,
        timeout: float | None,
    ) -> Path | None:
        from teamwire_sync._display.progress import moved as bytes_moved  # noqa: PLC0415
        from teamwire_sync._services.files import target_of  # noqa: PLC0415  see `_attachable`

        deadline = deadline_of(timeout)
        size = attachment.size
        with bytes_moved(progress, "fetching") as told:

            def moved(count: int) -> None:
                if told is not None:
                    told(count, size)

            with target_of(path_or_file, attachment.name, moved) as (target, paths):
                self._transport.download(attachment.aid, target, size=size, deadline=deadline)
                if not size:
                    moved(0)  # which no piece of it has told
        return paths[0] if paths else None

    # Changing the chat

    def _edit(
        self, chat: Chat | ChatHandle, name: str, value: Any, *, timeout: float | None
    ) -> Chat:
        if name == "title":
            require_text(value, name, optional=True)
            value = value or None
        else:
            require_bool(value, name)
        deadline = deadline_of(timeout)
        return self._changed(
            chat,
            lambda: self._transport.edit_chat(chat.tid, {name: value}, deadline=deadline),
        )

    def _edit_members(
        self,
        chat: Chat | ChatHandle,
        *,
        add: tuple[Ids, Ids] = ((), ()),
        remove: tuple[Ids, Ids] = ((), ()),
        timeout: float | None,
    ) -> Chat:
        edit = MemberEdit(
            add_users=user_ids(add[0], "users"),
            add_groups=group_ids(add[1], "groups"),
            remove_users=user_ids(remove[0], "users"),
            remove_groups=group_ids(remove[1], "groups"),
        )
        if edit == MemberEdit():
            message = "there are neither users nor groups"
            raise ValueError(message)
        deadline = deadline_of(timeout)
        return self._changed(
            chat, lambda: self._transport.edit_members(chat.tid, edit, deadline=deadline)
        )

    def _edit_admins(
        self,
        chat: Chat | ChatHandle,
        *,
        add: Ids = (),
        remove: Ids = (),
        timeout: float | None,
    ) -> Chat:
        edit = MemberEdit(add_users=user_ids(add, "users"), remove_users=user_ids(remove, "users"))
        if edit == MemberEdit():
            message = "users is empty"
            raise ValueError(message)
        deadline = deadline_of(timeout)
        return self._changed(
            chat, lambda: self._transport.edit_admins(chat.tid, edit, deadline=deadline)
        )

    def _leave(self, chat: Chat | ChatHandle, *, timeout: float | None) -> None:
        deadline = deadline_of(timeout)
        with self._in(chat.tid), self._cache.writing() as write:
            self._transport.leave_chat(chat.tid, deadline=deadline)
            write.left(chat.tid)

    def _changed(self, chat: Chat | ChatHandle, change: Callable[[], Chat]) -> Chat:
        with self._in(chat.tid), self._cache.writing() as write:
            after = change()
            self.adopt_one(after)
            write.changed(chat if isinstance(chat, Chat) else None, after)
        return after

    @contextmanager
    def _in(self, tid: str) -> Iterator[None]:
        try:
            yield
        except TWNotFoundError:
            self._cache.on_not_found(tid)
            raise


def _attachable(
    attachments: Attachments | Iterable[Attachment] | None,
) -> list[Attachment | LocalFile]:
    if attachments is None:
        return []
    given = type(attachments).__name__
    # Most programs post texts: what files need is imported by who attaches one.
    from teamwire_sync._models.attachments import Attachment  # noqa: PLC0415
    from teamwire_sync._services.files import LocalFile  # noqa: PLC0415

    hint = "files are attached by attachments=Attachments().add_file(path)"
    # A file gives its lines, which may be many or never come.
    if isinstance(attachments, (str, bytes)) or hasattr(attachments, "read"):
        attachments = None
    if not isinstance(attachments, Iterable):
        message = (
            "attachments must be an Attachments or a list of Attachment objects, not "
            f"{given}; {hint}"
        )
        raise TypeError(message)
    items: list[Attachment | LocalFile] = []
    for item in attachments:
        if not isinstance(item, (Attachment, LocalFile)):
            message = (
                f"attachments[{len(items)}] must be an Attachment, not {type(item).__name__}; "
                f"{hint}"
            )
            raise TypeError(message)
        items.append(item)
    return items


def _alert_type(given: AlertType | str) -> AlertType:
    from teamwire_sync._models.messages import AlertType  # noqa: PLC0415  no part of the import

    if isinstance(given, AlertType):
        return given  # perhaps of a server that knows more kinds
    require_str(given, "alert_type")
    kinds = [kind.value for kind in AlertType]
    if given not in kinds:
        message = f"alert_type must be one of {', '.join(map(repr, kinds))}, not {given!r}"
        raise ValueError(message)
    return AlertType(given)


def _message_id(message: Message | str, name: str) -> str:
    if isinstance(message, str):
        return require_id(message, name)
    from teamwire_sync._models.messages import Message  # noqa: PLC0415  no part of the import

    if isinstance(message, Message):
        return require_id(message.mid, f"{name}.mid")
    text = f"{name} must be a Message or its id, not {type(message).__name__}"
    raise TypeError(text)

"""A transport whose server is a few lists."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import attrs

from teamwire_sync import LoggedInUser
from teamwire_sync._transport import Ability, ChatPage, ChatState, EventPage, Page
from teamwire_sync.exceptions import (
    TWClosedError,
    TWImageLoadError,
    TWNotFoundError,
    TWRequestError,
)
from tests.support.builders import make_chat, make_group, make_message, make_user

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from teamwire_sync import Chat, ChatHandle, Group, Message, User
    from teamwire_sync._transport import (
        ChatDraft,
        DownloadSink,
        MemberEdit,
        MessageDraft,
        UploadSource,
    )

T = TypeVar("T")


class FakeTransport:
    """Has the chats it is given, the user u1 and the group g1.

    Attributes:
        chats: What the bot is a member of.
        behind: What the list shows while it is behind; None while it is not.
        revision: The revision of the last change; None for a server without revisions.
        revisions: The revisions of the chats' last changes, by thread ID. A missing one counts as
            0.
        behind_revision: The revision of the list while it is behind; None without revisions.
        users: The users that there are, but for the bot.
        groups: The groups that there are.
        history: The messages of every chat, newest first.
        contents: The content of attachments by id: pieces, and errors that come between.
        event_answers: What the server answers who listens, one after the other: pages and errors.
        most: How many of anything but chats are on a page.
        calls: The names of the methods called.
        asked: With which arguments, but for the deadline.
        deadlines: By when they had to end.
        drafts: What chats were made of.
        refreshed: Whether each listing is one that no cache in between may answer.
        messages: What messages were made of.
        uploads: Name, media type and content of what was sent.
        pauses: The seconds that were waited.
        error: Is raised by every method.
        errors: Are raised by the methods of these names.
        before_answer: Is called by every method before its answer is made up.
    """

    abilities = frozenset(Ability)

    def __init__(self, *chats: Chat) -> None:
        self.chats = list(chats)
        self.behind: Sequence[Chat] | None = None
        self.revision: int | None = 1
        self.revisions: dict[str, int] = {}
        self.behind_revision: int | None = 0
        self.users = [make_user()]
        self.groups = [make_group(members=(make_user(),))]
        self.history: list[Message] = []
        self.contents: dict[str, Sequence[bytes | BaseException]] = {}
        self.event_answers: deque[EventPage | BaseException] = deque()
        self.most = 200
        self.calls: list[str] = []
        self.asked: list[dict[str, Any]] = []
        self.refreshed: list[bool] = []
        self.deadlines: list[float | None] = []
        self.drafts: list[ChatDraft] = []
        self.messages: list[MessageDraft] = []
        self.uploads: list[tuple[str, str, bytes]] = []
        self.pauses: list[float] = []
        self.error: BaseException | None = None
        self.errors: dict[str, BaseException] = {}
        self.before_answer: Callable[[], object] = lambda: None
        self.on_unauthorized: Callable[[], None] = lambda: None
        self.identity: str | None = "fake"
        self.closed = False

    def _called(self, name: str, deadline: float | None, **arguments: Any) -> None:
        self.calls.append(name)
        self.asked.append(arguments)
        self.deadlines.append(deadline)
        if self.closed:
            message = "the Connection is closed"
            raise TWClosedError(message)
        self.before_answer()
        error = self.error or self.errors.get(name)
        if error is not None:
            raise error

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        self._called("get_me", deadline)
        return LoggedInUser("bot", "Weather", "Bot", is_bot=True)

    # Chats

    def iter_chat_pages(
        self,
        *,
        validator: str | None,
        deadline: float | None,
        refresh: bool = False,
        since: int | None = None,
    ) -> Iterator[ChatPage]:
        self._called("iter_chat_pages", deadline, validator=validator, since=since)
        self.refreshed.append(refresh)
        chats = tuple(self.chats if self.behind is None else self.behind)
        users = [user for chat in chats for user in (*chat.users, *chat.admins)]
        shown = self.revision if None in (self.behind, self.revision) else self.behind_revision
        yield ChatPage(
            chats,
            users=users,
            groups=[group for chat in chats for group in chat.groups],
            revision=shown,
            revisions=()
            if shown is None
            else [min(shown, self.revisions.get(chat.tid, 0)) for chat in chats],
        )

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> ChatState:
        self._called("create_chat", deadline)
        self.drafts.append(draft)
        chat = make_chat(f"new{len(self.drafts)}", draft.title, groups=(make_group(),))
        self.chats.append(chat)
        return ChatState(chat.tid, chat, self.changed(chat.tid))

    def edit_chat(
        self, tid: str, properties: Mapping[str, Any], *, deadline: float | None
    ) -> ChatState:
        self._called("edit_chat", deadline, tid=tid, properties=dict(properties))
        return self._changed(tid, **properties)

    def edit_members(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> ChatState:
        self._called("edit_members", deadline, tid=tid, edit=edit)
        chat = self._chat(tid)
        groups = [group for group in chat.groups if group.gid not in edit.remove_groups]
        return self._changed(
            tid,
            users=_edited(chat.users, edit),
            groups=(*groups, *(make_group(gid) for gid in edit.add_groups)),
        )

    def edit_admins(self, tid: str, edit: MemberEdit, *, deadline: float | None) -> ChatState:
        self._called("edit_admins", deadline, tid=tid, edit=edit)
        return self._changed(tid, admins=_edited(self._chat(tid).admins, edit))

    def leave_chat(self, tid: str, *, deadline: float | None) -> ChatState:
        self._called("leave_chat", deadline, tid=tid)
        self.chats.remove(self._chat(tid))
        return ChatState(tid, None, self.changed(tid))

    def changed(self, tid: str) -> int | None:
        """Count a change of a chat, and return its revision; None without revisions."""
        if self.revision is not None:
            self.revision += 1
            self.revisions[tid] = self.revision
        return self.revision

    def _chat(self, tid: str) -> Chat:
        for chat in self.chats:
            if chat.tid == tid:
                return chat
        message = "there is no such chat"
        error = TWNotFoundError(message, status=404, code="not_found")
        error._revision = self.revision
        raise error

    def _changed(self, tid: str, **properties: Any) -> ChatState:
        chat = self._chat(tid)
        changed = attrs.evolve(chat, **properties)
        self.chats[self.chats.index(chat)] = changed
        revision = self.revisions.get(tid, 0) if changed == chat else self.changed(tid)
        return ChatState(tid, changed, None if self.revision is None else revision)

    # Messages

    def get_messages(
        self, chat: Chat | ChatHandle, *, before: str | None, limit: int, deadline: float | None
    ) -> Page[Message]:
        self._called("get_messages", deadline, before=before, limit=limit)
        mids = [message.mid for message in self.history]
        if before is not None and before not in mids:
            text = "there is no such message"
            raise TWRequestError(text, status=422, code="invalid_cursor")
        start = 0 if before is None else mids.index(before) + 1
        messages = [attrs.evolve(each, chat=chat) for each in self.history[start:]]
        page = messages[: min(limit, self.most)]
        return Page(page, page[-1].mid if len(page) < len(messages) else None)

    def post_message(
        self, chat: Chat | ChatHandle, draft: MessageDraft, *, deadline: float | None
    ) -> Message:
        self._called("post_message", deadline, tid=chat.tid)
        self.messages.append(draft)
        return make_message(
            chat=chat,
            msg=draft.message or None,
            reply_to=draft.reply_to,
            attachments=tuple(draft.attachments),
        )

    def upload(self, source: UploadSource, *, deadline: float | None) -> str:
        self._called("upload", deadline, size=source.size)
        content = b"".join(iter(lambda: source.read(10), b""))
        self.uploads.append((source.name, source.content_type, content))
        return f"up{len(self.uploads)}"

    def download(self, aid: str, sink: DownloadSink, *, size: int, deadline: float | None) -> None:
        self._called("download", deadline, aid=aid, size=size)
        for piece in self.contents[aid]:
            if isinstance(piece, BaseException):
                raise piece
            sink.write(piece)

    # The directory

    def get_users(
        self, *, text: str | None, cursor: str | None, deadline: float | None
    ) -> Page[User]:
        self._called("get_users", deadline, text=text, cursor=cursor)
        wanted = (text or "").casefold()
        return self._page(
            [one for one in self.users if wanted in one.full_name().casefold()], cursor
        )

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        self._called("get_user", deadline, uid=uid)
        return next((user for user in self.users if user.uid == uid), None)

    def get_avatar(self, uid: str, *, deadline: float | None) -> bytes:
        self._called("get_avatar", deadline, uid=uid)
        user = self.get_user(uid, deadline=deadline)
        if user is None or not user._has_avatar:
            message = "none is set"
            raise TWImageLoadError(message)
        return b"picture of " + uid.encode()

    def get_groups(self, *, cursor: str | None, deadline: float | None) -> Page[Group]:
        self._called("get_groups", deadline, cursor=cursor)
        return self._page([attrs.evolve(group, members=None) for group in self.groups], cursor)

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        self._called("get_group", deadline, gid=gid)
        return next((group for group in self.groups if group.gid == gid), None)

    def edit_group_members(self, gid: str, edit: MemberEdit, *, deadline: float | None) -> Group:
        self._called("edit_group_members", deadline, gid=gid, edit=edit)
        (group,) = (group for group in self.groups if group.gid == gid)
        changed = attrs.evolve(group, members=_edited(group._members or (), edit))
        self.groups[self.groups.index(group)] = changed
        return changed

    def _page(self, items: Sequence[T], cursor: str | None) -> Page[T]:
        start = int(cursor or 0)
        end = start + self.most
        return Page(items[start:end], str(end) if end < len(items) else None)

    # Events

    def get_events(self, *, cursor: str | None, wait: float, deadline: float | None) -> EventPage:
        self._called("get_events", deadline, cursor=cursor, wait=wait)
        if cursor is None:
            return EventPage((), "now")
        answer = self.event_answers.popleft()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def close(self) -> None:
        self.closed = True


def _edited(users: Sequence[User], edit: MemberEdit) -> tuple[User, ...]:
    kept = [user for user in users if user.uid not in edit.remove_users]
    return (*kept, *(make_user(uid) for uid in edit.add_users))

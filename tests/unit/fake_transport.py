"""A transport whose server is a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teamwire_sync import LoggedInUser
from teamwire_sync._transports.base import ChatPage
from teamwire_sync.exceptions import TWClosedError
from tests.builders import make_chat, make_group, make_message, make_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Chat, ChatHandle, Group, Message, User
    from teamwire_sync._transports.base import ChatDraft


class FakeTransport:
    """Has the chats it is given, the user u1 and the group g1.

    Attributes:
        calls: The names of the methods called.
        drafts: What chats were made of.
        error: Is raised by every method.
    """

    def __init__(self, *chats: Chat) -> None:
        self.chats = list(chats)
        self.calls: list[str] = []
        self.drafts: list[ChatDraft] = []
        self.deadlines: list[float | None] = []
        self.error: BaseException | None = None
        self.closed = False

    def _called(self, name: str, deadline: float | None) -> None:
        self.calls.append(name)
        self.deadlines.append(deadline)
        if self.closed:
            message = "the Connection is closed"
            raise TWClosedError(message)
        if self.error is not None:
            raise self.error

    def get_me(self, *, deadline: float | None) -> LoggedInUser:
        self._called("get_me", deadline)
        return LoggedInUser("bot", "Weather", "Bot", is_bot=True)

    def iter_chat_pages(
        self, *, validator: str | None, deadline: float | None
    ) -> Iterator[ChatPage]:
        self._called("iter_chat_pages", deadline)
        yield ChatPage(tuple(self.chats))

    def create_chat(self, draft: ChatDraft, *, deadline: float | None) -> Chat:
        self._called("create_chat", deadline)
        self.drafts.append(draft)
        chat = make_chat(f"new{len(self.drafts)}", draft.title, groups=(make_group(),))
        self.chats.append(chat)
        return chat

    def post_message(
        self, chat: Chat | ChatHandle, message: str, *, deadline: float | None
    ) -> Message:
        self._called("post_message", deadline)
        return make_message(chat=chat, msg=message)

    def get_user(self, uid: str, *, deadline: float | None) -> User | None:
        self._called("get_user", deadline)
        return make_user() if uid == "u1" else None

    def get_group(self, gid: str, *, deadline: float | None) -> Group | None:
        self._called("get_group", deadline)
        return make_group(members=(make_user(),)) if gid == "g1" else None

    def close(self) -> None:
        self.closed = True

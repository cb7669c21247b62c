"""Chats."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from teamwire_api.groups import Group, users_of
from teamwire_api.message import Message
from teamwire_api.testing import knobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_api.connection import Connection
    from teamwire_api.users import User

_CHATS = "/v1/bot/chats/"


class ChatType(Enum):
    """Kinds of chats."""

    ONE_TO_ONE = 1
    GROUP = 2


class AlertType(Enum):
    """Kinds of attention messages."""

    ALERT = 0
    ANNOUNCEMENT = 1
    NOTE = 2


class Chat:
    """A chat."""

    def __init__(
        self,
        connection: Connection,
        document: dict[str, Any],
        users: dict[str, User],
        groups: dict[str, Group],
    ) -> None:
        named = [groups[gid] for gid in document["group_ids"]]
        self._connection = connection
        self.tid = document["tid"]
        self.title = document["title"]
        self.is_alert = document["is_alert"]
        self.allow_sending = document["allow_sending"]
        self.allow_mute_notifications = document["allow_mute_notifications"]
        self.is_closed = document["is_closed"]
        self.type = ChatType[document["type"].upper()]
        self.users = [users[uid] for uid in document["user_ids"]]
        self.circles = [group for group in named if group.is_circle]
        self.lists = [group for group in named if group.is_list]
        if not connection._is_old:
            self.users.append(connection._own)
            self.admins = [users[uid] for uid in document["admin_ids"]]

    async def post(  # noqa: PLR0917 - the vendor's signature
        self,
        message: str = "",
        attachments: Any = None,
        is_alert: bool = False,
        reply_to: Message | str | None = None,
        sender_display_name: str | None = None,
        alert_type: AlertType | None = None,
    ) -> Message | None:
        """Post a message."""
        async with knobs.around_async("post"):
            if attachments:
                text = "the double can't attach anything"
                raise NotImplementedError(text)
            if is_alert and alert_type is None:
                alert_type = AlertType.ALERT
            answer = await self._connection._rest.document(
                "POST",
                f"{_CHATS}{quote(self.tid, safe='')}/messages/",
                json={
                    "message": message,
                    "is_alert": is_alert,
                    "alert_type": None if alert_type is None else alert_type.name.lower(),
                    "reply_to": getattr(reply_to, "mid", reply_to),
                    "sender_display_name": sender_display_name,
                },
                timeout=self._connection._config.default_timeout,
            )
            if self._connection._is_old:
                return None
            users = users_of(self._connection, answer)
            document = answer["message"]
            return Message(
                self, document, from_user=users[document["from_user_id"]], alert_type=alert_type
            )


class OldChats:
    """The bot's chats, in version 1.4."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get_subscriptions(self) -> list[Chat]:
        """All of them."""
        async with knobs.around_async("get_subscriptions"):
            return await self._all()

    async def get_by_thread_id(self, tid: str) -> Chat | None:
        """The one with an id."""
        async with knobs.around_async("get_by_thread_id"):
            return next((chat for chat in await self._all() if chat.tid == tid), None)

    async def get_by_title(self, title: str) -> list[Chat]:
        """Those with a title."""
        async with knobs.around_async("get_by_title"):
            return [chat for chat in await self._all() if chat.title == title]

    async def create_chat(
        self,
        title: str | None = None,
        users: Sequence[User] | None = None,
        groups: Sequence[Group] | None = None,
        message: str | None = None,
    ) -> Chat:
        """Make one."""
        return await self._create(title, users, groups, message)

    async def _all(self) -> list[Chat]:
        chats: list[Chat] = []
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = await self._connection._rest.document(
                "GET", _CHATS, params=cursor, timeout=self._connection._config.long_timeout
            )
            chats.extend(self._described(page, page["chats"]))
            cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
        return chats

    def _described(self, answer: dict[str, Any], documents: Sequence[dict[str, Any]]) -> list[Chat]:
        users = users_of(self._connection, answer)
        groups = {group["gid"]: Group(self._connection, group, users) for group in answer["groups"]}
        return [Chat(self._connection, document, users, groups) for document in documents]

    async def _create(
        self,
        title: str | None,
        users: Sequence[User] | None,
        groups: Sequence[Group] | None,
        message: str | None,
        **properties: bool,
    ) -> Chat:
        async with knobs.around_async("create_chat"):
            answer = await self._connection._rest.document(
                "POST",
                _CHATS,
                json={
                    "title": title,
                    "user_ids": [user.uid for user in users or ()],
                    "group_ids": [group.gid for group in groups or ()],
                    "message": message,
                    **properties,
                },
                timeout=self._connection._config.default_timeout,
            )
            (chat,) = self._described(answer, [answer["chat"]])
            return chat


class Chats(OldChats):
    """The bot's chats, in version 1.8."""

    async def create_chat(  # noqa: PLR0917 - as they are called in version 1.4, and more
        self,
        title: str | None = None,
        users: Sequence[User] | None = None,
        groups: Sequence[Group] | None = None,
        message: str | None = None,
        allow_sending: bool = True,
        allow_mute_notifications: bool = True,
        is_alert: bool = False,
    ) -> Chat:
        """Make one."""
        return await self._create(
            title,
            users,
            groups,
            message,
            allow_sending=allow_sending,
            allow_mute_notifications=allow_mute_notifications,
            is_alert=is_alert,
        )

"""Circles and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from teamwire_api.exceptions import TWNotFoundError
from teamwire_api.testing import knobs
from teamwire_api.users import User, make_user

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from teamwire_api.connection import Connection


class Group:
    """A circle or a list."""

    def __init__(
        self, connection: Connection, document: dict[str, Any], users: Mapping[str, User]
    ) -> None:
        self._connection = connection
        self.gid = document["gid"]
        self.title = document["title"]
        self.members: list[User] = []
        self.owner = users.get(document["owner_id"])
        self.is_circle = document["is_circle"]
        self.is_list = document["is_list"]
        self.is_public = document["is_public"]

    def get_members(self) -> list[User]:
        """Who is in it."""
        return self.members

    def is_member(self, user: User | str) -> bool:
        """Whether somebody is in it."""
        uid = getattr(user, "uid", user)
        return any(member.uid == uid for member in self.members)

    async def add_members(self, members: Sequence[User] = []) -> None:
        """Put users in."""
        async with knobs.around_async("add_members"):
            await self._edit("add_user_ids", members)

    async def remove_members(self, members: Sequence[User] = []) -> None:
        """Take users out."""
        async with knobs.around_async("remove_members"):
            await self._edit("remove_user_ids", members)

    async def _edit(self, kind: str, members: Sequence[User]) -> None:
        if not members:
            return
        answer = await self._connection._rest.document(
            "PATCH",
            f"{_path(self.gid)}members/",
            json={kind: [user.uid for user in members]},
            timeout=self._connection._config.default_timeout,
        )
        self._describe(answer)

    def _describe(self, answer: dict[str, Any]) -> None:
        users = users_of(self._connection, answer)
        self.members = [users[uid] for uid in answer["user_ids"]]


class Groups:
    """The groups that the bot can see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get_group(self, gid: str) -> Group | None:
        """One group, with its members."""
        async with knobs.around_async("get_group"):
            try:
                answer = await self._connection._rest.document(
                    "GET", _path(gid), timeout=self._connection._config.default_timeout
                )
            except TWNotFoundError:
                return None
            group = Group(self._connection, answer["group"], users_of(self._connection, answer))
            group._describe(answer)
            return group


def users_of(connection: Connection, answer: dict[str, Any]) -> dict[str, User]:
    """The users that an answer describes, by id."""
    return {user["uid"]: make_user(connection, user) for user in answer["users"]}


def _path(gid: str) -> str:
    return f"/v1/bot/groups/{quote(gid, safe='')}/"

"""Users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from teamwire_api.exceptions import TWImageLoadError, TWNotFoundError
from teamwire_api.testing import knobs

if TYPE_CHECKING:
    from teamwire_api.connection import Connection


class Organisation:
    """An organisation; what it has is made up."""

    def __init__(self, name: str) -> None:
        self.name = name


class User:
    """A user."""

    def __init__(self, connection: Connection, document: dict[str, Any]) -> None:
        name = document["organisation"]
        self._connection = connection
        self.uid = document["uid"]
        self.first_name = document["first_name"]
        self.last_name = document["last_name"]
        self.org_name = name
        if not connection._is_old:
            self.organisation = None if name is None else Organisation(name)
        self.is_bot = document["is_bot"]

    def full_name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"

    async def has_avatar(self) -> bool:
        """Whether a picture is set."""
        async with knobs.around_async("has_avatar"):
            answer = await self._connection._rest.document(
                "GET", _path(self.uid), timeout=self._connection._config.default_timeout
            )
            return bool(answer["user"]["has_avatar"])

    async def load_avatar(self) -> bytes:
        """The picture."""
        async with knobs.around_async("load_avatar"):
            try:
                content: bytes = await self._connection._rest.content(
                    "GET",
                    f"{_path(self.uid)}avatar/",
                    timeout=self._connection._config.assets_timeout,
                )
            except TWNotFoundError as error:
                raise TWImageLoadError(*error.args) from error
            return content


class Bot(User):
    """A user that is a program."""


class LoggedInUser(Bot):
    """The bot itself."""


class Users:
    """The users that the bot can see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get_user(self, uid: str) -> User | None:
        """One user."""
        async with knobs.around_async("get_user"):
            try:
                answer = await self._connection._rest.document(
                    "GET", _path(uid), timeout=self._connection._config.default_timeout
                )
            except TWNotFoundError:
                return None
            return make_user(self._connection, answer["user"])


def make_user(connection: Connection, document: dict[str, Any]) -> User:
    """A user, of the class that fits."""
    if document["uid"] == connection._own.uid:
        return connection._own
    return (Bot if document["is_bot"] else User)(connection, document)


def _path(uid: str) -> str:
    return f"/v1/bot/users/{quote(uid, safe='')}/"

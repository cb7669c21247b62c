"""The connection, by which everything is reached."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import teamwire_api
from teamwire_api._rest import Rest, credentials
from teamwire_api.chats import Chats, OldChats
from teamwire_api.groups import Groups
from teamwire_api.testing import knobs
from teamwire_api.users import LoggedInUser, Users

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType


class ConnectionConfig:
    """Settings."""

    def __init__(
        self,
        hide_deleted_messages: bool = True,
        default_timeout: int = 10,
        long_timeout: int = 15,
        assets_timeout: int = 60,
    ) -> None:
        self.hide_deleted_messages = hide_deleted_messages
        self.default_timeout = default_timeout
        self.long_timeout = long_timeout
        self.assets_timeout = assets_timeout


class Connection:
    """A bot's connection.

    Attributes:
        chats: The bot's chats.
        users: The users it can see.
        groups: The groups it can see.
    """

    def __init__(self, config: ConnectionConfig | None = None) -> None:
        with knobs.around("init"):
            self._config = config or ConnectionConfig()
            self._is_old = teamwire_api.__version__ == "1.4"
            self._credentials = credentials()
            self._loop: Any = asyncio.get_event_loop() if self._is_old else None
        self._rest: Any = None
        self._own: Any = None
        self._error: BaseException | None = None
        self._death: Any = None
        self.chats = OldChats(self) if self._is_old else Chats(self)
        self.users = Users(self)
        self.groups = Groups(self)

    def __enter__(self) -> Connection:
        self._rest = Rest(*self._credentials)
        try:
            if not self._is_old:
                self._loop = asyncio.new_event_loop()
            self._death = self._loop.create_future()
            knobs.entered(self)
            with knobs.around("enter"):
                answer = self._rest.send(
                    "GET", "/v1/bot/me/", timeout=self._config.default_timeout
                ).json()
                self._own = LoggedInUser(self, answer["user"])
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with knobs.around("exit"):
                pass
        finally:
            self._close()

    def exec_async(self, coro: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end."""
        with knobs.around("exec_async"):
            if self._rest is None:
                message = "the connection is not entered"
                raise RuntimeError(message)
            if self._error is not None:
                raise self._error
            # run_until_complete would find out, but leave _until_death behind.
            if asyncio._get_running_loop() is not None:
                message = "an event loop runs in this thread already"
                raise RuntimeError(message)
            result = self._loop.run_until_complete(self._until_death(coro))
        return None if self._is_old else result

    async def _until_death(self, coro: Coroutine[Any, Any, Any]) -> Any:
        task = asyncio.ensure_future(coro)
        await asyncio.wait({task, self._death}, return_when=asyncio.FIRST_COMPLETED)
        if not self._death.done():
            return task.result()
        if self._death.result():
            task.cancel()
            await asyncio.wait({task})
        assert self._error is not None
        raise self._error

    def die(self, error: BaseException, *, cancel: bool) -> None:
        """Work no more; see `Knobs.crash`."""
        self._error = error
        self._loop.call_soon_threadsafe(self._die, cancel)

    def _die(self, cancel: bool) -> None:
        if not self._death.done():
            self._death.set_result(cancel)

    def _close(self) -> None:
        knobs.left(self)
        self._rest.close()
        self._rest = None
        # An older version does not close a loop that it has found.
        if not self._is_old and self._loop is not None:
            self._loop.close()

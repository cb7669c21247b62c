"""Just enough of the vendor's SDK, without a server, that notes what it is asked to do."""

from __future__ import annotations

import asyncio
from enum import Enum
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


def vendor_error(name: str, text: str = "no", *, base: type[BaseException] = Exception) -> Any:
    """An error of the vendor's that is called so."""
    return type(name, (base,), {})(text)


class AlertType(Enum):
    """As documented, beside the chats."""

    ALERT = 0
    ANNOUNCEMENT = 1
    NOTE = 2


class FakeUser:
    """A user that has a picture."""

    def __init__(self, sdk: FakeSdk, uid: str) -> None:
        self._sdk = sdk
        self.uid = uid

    async def load_avatar(self) -> bytearray:
        await self._sdk.asked("load_avatar", uid=self.uid)
        return bytearray(b"picture")


class FakeGroup:
    """A list."""

    def __init__(self, sdk: FakeSdk, gid: str) -> None:
        self._sdk = sdk
        self.gid = gid
        self.is_list = True
        self.members: list[FakeUser] = []

    async def add_members(self, members: Any) -> None:
        await self._sdk.asked("add_members", members=members)
        self.members = [*self.members, *members]

    async def remove_members(self, members: Any) -> None:
        await self._sdk.asked("remove_members", members=members)
        self.members = [one for one in self.members if one not in members]


class FakeChat:
    """A chat."""

    def __init__(self, sdk: FakeSdk, tid: str, **attributes: Any) -> None:
        self._sdk = sdk
        self.tid = tid
        vars(self).update(attributes)

    async def post(self, **arguments: Any) -> Any:
        await self._sdk.asked("post", **arguments)
        return self._sdk.posted


class FakeSdk:
    """Has the chat t1, the users u1 to u3 and the group g1. Each call gives way to others once.

    Attributes:
        chats: By thread ID.
        users: By user id.
        groups: By group id.
        calls: The names of what was asked, in order.
        asked_with: The arguments of each.
        errors: What methods raise, by name; "enter" is the login.
        posted: What posting gives.
        most: How many calls were under way at the same time.
    """

    def __init__(self) -> None:
        self.users: dict[str, Any] = {uid: FakeUser(self, uid) for uid in ("u1", "u2", "u3")}
        self.groups: dict[str, Any] = {"g1": FakeGroup(self, "g1")}
        self.chats: dict[str, Any] = {"t1": FakeChat(self, "t1", title="test")}
        self.calls: list[str] = []
        self.asked_with: list[dict[str, Any]] = []
        self.errors: dict[str, BaseException] = {}
        self.posted: Any = None
        self.most = 0
        self._under_way = 0

    def connect(self) -> FakeConnection:
        """A connection; give this to `VendorTransport`."""
        return FakeConnection(self)

    @property
    def writes(self) -> list[str]:
        """Those of the calls that change something."""
        reading = ("enter", "get_", "load_")
        return [name for name in self.calls if not name.startswith(reading)]

    async def asked(self, name: str, **arguments: Any) -> None:
        """Something is asked."""
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        self.note(name, arguments)
        await asyncio.sleep(0)
        self._under_way -= 1

    def note(self, name: str, arguments: dict[str, Any]) -> None:
        self.calls.append(name)
        self.asked_with.append(arguments)
        error = self.errors.get(name)
        if error is not None:
            self._under_way -= 1
            raise error


class FakeConnection:
    """A connection with a loop of its own."""

    def __init__(self, sdk: FakeSdk) -> None:
        self._sdk = sdk
        self._loop: asyncio.AbstractEventLoop | None = None
        self.chats = SimpleNamespace(
            get_subscriptions=self._get_subscriptions,
            get_by_thread_id=self._get_by_thread_id,
            create_chat=self._create_chat,
        )
        self.users = SimpleNamespace(get_user=self._get_user)
        self.groups = SimpleNamespace(get_group=self._get_group)

    def __enter__(self) -> FakeConnection:
        self._sdk.note("enter", {})
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.close()

    def exec_async(self, coro: Coroutine[Any, Any, Any]) -> Any:
        assert self._loop is not None
        return self._loop.run_until_complete(coro)

    async def _get_subscriptions(self) -> list[Any]:
        await self._sdk.asked("get_subscriptions")
        return list(self._sdk.chats.values())

    async def _get_by_thread_id(self, tid: str) -> Any:
        await self._sdk.asked("get_by_thread_id", tid=tid)
        return self._sdk.chats.get(tid)

    async def _create_chat(self, **arguments: Any) -> Any:
        await self._sdk.asked("create_chat", **arguments)
        return FakeChat(self._sdk, "new", title=arguments.get("title"))

    async def _get_user(self, uid: str) -> Any:
        await self._sdk.asked("get_user", uid=uid)
        return self._sdk.users.get(uid)

    async def _get_group(self, gid: str) -> Any:
        await self._sdk.asked("get_group", gid=gid)
        return self._sdk.groups.get(gid)

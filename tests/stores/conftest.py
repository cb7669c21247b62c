"""Each store, empty."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._stores.file import FileStore
from teamwire_sync._stores.memory import MemoryStore
from teamwire_sync._stores.redis import RedisStore
from tests.support.builders import Clock
from tests.support.store_listings import set_clock, slot_in
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot
    from tests.support.redis_process import RedisProcess


class MemoryKit:
    """A store, and how the contract is tried on it.

    Attributes:
        store: The store.
        again: What another process would have of it.
        source: What a process makes `again` of; None where no other process can.
    """

    source: str | None = None

    def __init__(self) -> None:
        self.store: Any = MemoryStore()
        self.again: Any = self.store
        self._clock = Clock(time.time())
        self._set(self._clock)

    def _set(self, clock: Callable[[], float]) -> None:
        for each in (self.store, self.again):
            set_clock(each, clock)

    def let_pass(self, seconds: float) -> None:
        """Let *seconds* pass for the store."""
        self._clock.advance(seconds)

    def go_on(self) -> None:
        """Have time pass by itself from now on."""
        self._set(time.time)


class FileKit(MemoryKit):
    """The same for files."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.store = FileStore(folder)
        self.again = FileStore(folder)
        self._set(self._clock)
        self.source = (
            f"from teamwire_sync._stores.file import FileStore; store = FileStore({str(folder)!r})"
        )


class RedisKit(MemoryKit):
    """The same for Redis."""

    def __init__(self, server: RedisProcess) -> None:
        self._server = server
        self.store = RedisStore(server.url, timeout=PATIENCE)
        self.again = RedisStore(server.url, timeout=PATIENCE)
        self.source = (
            "from teamwire_sync._stores.redis import RedisStore; "
            f"store = RedisStore({server.url!r}, timeout={PATIENCE})"
        )

    def go_on(self) -> None:
        """It always does."""

    def let_pass(self, seconds: float) -> None:
        """Have all that it has be older, and end earlier: its clock can't be set."""
        for key in self._server.run("KEYS", "*"):
            left = self._server.run("PTTL", key) - int(seconds * 1000)
            if left <= 0:
                self._server.run("DEL", key)
                continue
            self._server.run("PEXPIRE", key, left)
            if key.endswith(b":parts"):
                for place in range(2, self._server.run("LLEN", key), 6):
                    asked_at = float(self._server.run("LINDEX", key, place))
                    self._server.run("LSET", key, place, repr(asked_at - seconds))
            if key.endswith(b":written"):
                until = float(self._server.run("HGET", key, "until"))
                self._server.run("HSET", key, "until", repr(until - seconds))
            if key.endswith(b":marks"):
                for mark in self._server.run("ZRANGE", key, 0, -1):
                    self._server.run("ZINCRBY", key, -seconds, mark)


@pytest.fixture(params=["memory", "file", "redis"])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryKit:
    """Each store, with nothing in it."""
    if request.param == "redis":
        return RedisKit(request.getfixturevalue("redis_server"))
    return MemoryKit() if request.param == "memory" else FileKit(tmp_path / "store")


@pytest.fixture
def store(kit: MemoryKit) -> Any:
    """The store."""
    return kit.store


@pytest.fixture
def slot(store: Any) -> StoreSlot:
    """The place of a bot in it."""
    found: StoreSlot = slot_in(store)
    return found


@pytest.fixture
def other(kit: MemoryKit) -> StoreSlot:
    """The same place, as another process has it."""
    found: StoreSlot = slot_in(kit.again)
    return found


@pytest.fixture
def stranger(kit: MemoryKit) -> StoreSlot:
    """The place of another bot, as another process has it."""
    found: StoreSlot = slot_in(kit.again, "https://a.example\nbot\n2")
    return found

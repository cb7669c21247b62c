"""RedisStore's calls, for the tests of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync._cache.listing import SlotRevision
from teamwire_sync._stores.base import Failure, key_of
from teamwire_sync._stores.redis import RedisStore
from tests.support.store_listings import IDENTITY, confirm, contents, slot_in, take_lease
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from teamwire_sync._stores.base import StoreSlot
    from tests.support.raw_server import Peer

PASSWORD = "Tr0ub4dor-and-3"
KEY = f"teamwire_sync:3:{{{key_of(IDENTITY)}}}:"


def slot_at(url: str, **options: Any) -> StoreSlot:
    """The place of a bot in the store at *url*."""
    found: StoreSlot = slot_in(RedisStore(url, **{"timeout": PATIENCE, **options}))
    return found


def failure() -> Failure:
    """A refusal of long ago."""
    return Failure("g", 1.0, 2.0, {"type": "TWServerError"})


def read_command(peer: Peer) -> bytes:
    """The name of the next command that the client of *peer* sends; empty when it sends no more."""
    parts = [peer.read(_number(peer) + 2)[:-2] for _ in range(_number(peer))]
    return parts[0] if parts else b""


def _number(peer: Peer) -> int:
    line = b""
    while not line.endswith(b"\r\n"):
        read = peer.read(1)
        if not read:
            return 0
        line += read
    return int(line[1:])


def call(name: str, url: str, timeout: float = PATIENCE) -> object:
    """Do the call *name* of a store that has not asked Redis anything yet."""
    store = RedisStore(url, timeout=timeout)
    return _CALLS[name](store, slot_in(store))


_STAMP = SlotRevision("0" * 32, "g", 1.0)
_CALLS: dict[str, Callable[[Any, Any], object]] = {
    "status": lambda _, slot: slot.status(),
    "load": lambda _, slot: slot.load(_STAMP),
    "save": lambda _, slot: slot.save(contents("a"), generation="g", asked_at=1.0),
    "extend": lambda _, slot: confirm(slot, _STAMP, asked_at=1.0),
    "fail": lambda _, slot: slot.fail(failure()),
    "bump_generation": lambda _, slot: slot.bump_generation(),
    "lease": lambda _, slot: take_lease(slot, 60),
    "clear": lambda _, slot: slot.clear(),
    "clear all": lambda store, _: store.clear(),
}
each_call = pytest.mark.parametrize("name", list(_CALLS))

"""A call in a signal handler that has interrupted its thread in a block with a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import FileStore, MemoryStore
from teamwire_sync._stores import database
from tests.support.waiting import PATIENCE, Gate, Threads

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")


def _slot_of(connection: Connection) -> Any:
    return connection._parts.cache._source._shared.slot  # type: ignore[attr-defined]


def _adapter_of(connection: Connection) -> Any:
    session = connection._transport._opened._session._session  # type: ignore[attr-defined]
    return session.get_adapter("")


# The locks that a thread needs while it lists the chats.
LOCKS: dict[str, Callable[[Connection], Any]] = {
    "transport": lambda connection: connection._transport._lock,  # type: ignore[attr-defined]
    "pools": lambda connection: _adapter_of(connection).poolmanager.pools.lock,
    "file store": lambda _: database._in_use,
    "memory store": lambda connection: _slot_of(connection)._lock,
}


@pytest.fixture(params=LOCKS)
def connection(request: pytest.FixtureRequest, box: Sandbox, tmp_path: Path) -> Any:
    kinds = {"file store": lambda: FileStore(tmp_path / "store"), "memory store": MemoryStore}
    with box.connect(store=kinds.get(request.param, lambda: None)()) as made:
        made.lock = LOCKS[request.param](made)
        yield made


def test_a_look_up_does_not_wait_for_a_thread_that_may_need_the_lock(
    box: Sandbox, connection: Any
) -> None:
    with Threads(1) as threads, box.hold(*LISTING) as held:
        listing = threads.start(connection.chats.get_subscriptions)
        held.wait_arrived()
        with connection.lock, pytest.raises(RuntimeError, match="would wait for itself"):
            connection.chats.get_subscriptions(timeout=PATIENCE)
        held.release()

        assert listing.result(PATIENCE)


def test_a_write_does_not_wait_for_a_thread_that_may_need_the_store(
    box: Sandbox, tmp_path: Path
) -> None:
    with box.connect(store=FileStore(tmp_path / "store")) as connection, Threads(1) as threads:
        chat, gate = connection.chats.get_subscriptions()[0], Gate()

        def flush() -> None:
            with connection._parts.cache._source._shared._flushing:  # type: ignore[attr-defined]
                gate()

        threads.start(flush)
        gate.wait_arrived()
        with database._in_use:
            chat.set_title("new")
        gate.open()

        assert [one.tid for one in connection.chats.get_by_title("new")] == [chat.tid]

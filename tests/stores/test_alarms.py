"""Exceptions that a signal handler of the program raises while a store works."""

from __future__ import annotations

import socket
import sqlite3
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import FileStore, RedisStore
from tests.support.alarms import alarm, needs_signals, raised_with_alarm
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from teamwire_sync.testing import Sandbox

pytestmark = needs_signals

LISTING = ("GET", "/v1/bot/chats/")


def test_a_look_up_that_waits_for_redis_raises_it_unchanged(box: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(PATIENCE)
        store = RedisStore(f"redis://127.0.0.1:{deaf.getsockname()[1]}", timeout=PATIENCE)
        accepted = []
        with box.connect(store=store) as connection:
            error = TimeoutError("own")
            raised = raised_with_alarm(
                error,
                connection.chats.get_subscriptions,
                lambda: accepted.append(deaf.accept()[0]),
            )
            for sock in accepted:
                sock.close()

    assert raised is error
    assert error.__context__ is None
    assert box.count(*LISTING) == 0


# Without a signal handler, a ValueError in a call of SQLite means a damaged database.
@pytest.mark.parametrize("error", [TimeoutError("own"), ValueError("own")], ids=repr)
def test_a_look_up_that_waits_for_sqlite_raises_it_unchanged(
    box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    folder = tmp_path / "store"
    with box.connect(store=FileStore(folder)) as connection:
        connection.chats.get_subscriptions()
    connect = sqlite3.connect

    def slow(*arguments: Any, **named: Any) -> sqlite3.Connection:
        database = connect(*arguments, **named)
        ring()
        return database

    with box.connect(store=FileStore(folder)) as connection, alarm(error) as ring:
        monkeypatch.setattr(sqlite3, "connect", slow)
        with pytest.raises(type(error)) as caught:
            connection.chats.get_subscriptions()
        assert caught.value is error
        # The database was not removed.
        connection.chats.get_subscriptions()

    assert box.count(*LISTING) == 1

"""Provoking the lines of docs/troubleshooting.md about stores."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import redis

from teamwire_sync import Connection, FileStore, RedisStore
from teamwire_sync._stores.memory import MemoryStore
from tests.provocations import URL, logs, shows
from tests.unit.fake_transport import FakeTransport

REDIS = "redis://bot:password@192.0.2.7:6379/0"
FAILS = "the store of the chats can't be used, going on without it:"


def look_up(store: Any) -> object:
    """Look chats up, and have them in *store*."""
    with Connection(transport=FakeTransport(), store=store) as connection:
        return connection.chats.get_subscriptions()


def connected_with(name: str) -> object:
    """A Connection with *name* in the environment."""
    with patch.dict(os.environ, TEAMWIRE_STORE=name):
        return Connection("app", "topsecret", URL)


@shows(
    "TEAMWIRE_STORE must be one of none, file, file:FOLDER, redis://HOST, rediss://HOST or "
    "unix://SOCKET"
)
def _() -> object:
    return connected_with("files")


@shows(
    "TEAMWIRE_STORE: url must be such as redis://user:password@host:6379/0, rediss://... or "
    "unix:///path?db=0, with what is special in a password percent-encoded, and TLS options that "
    "redis-py knows"
)
def _() -> object:
    return connected_with("redis://bot:pass/word@192.0.2.7")


@shows(
    "a store has to know whose chats it keeps, and this transport can't say it; with the vendor's "
    "SDK: Connection.from_vendor(bot='the App ID and the server', store=...)"
)
def _() -> object:
    return Connection.from_vendor(lambda: None, store=MemoryStore())


@shows("no answer within the timeout of this call; another process still lists the chats")
def _() -> object:
    store = MemoryStore()
    assert store._place("fake").lease(60)
    with Connection(transport=FakeTransport(), store=store) as connection:
        return connection.chats.get_subscriptions(timeout=0.01)


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/0: no answer in time")
def _() -> object:
    with patch.object(socket.socket, "connect", side_effect=socket.timeout):
        return look_up(RedisStore(REDIS))


def refusing(error: type[redis.RedisError]) -> object:
    with patch.object(redis.Connection, "connect", side_effect=error("no")):
        return look_up(RedisStore(REDIS))


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/0: it refuses the user or the password")
def _() -> object:
    return refusing(redis.AuthenticationError)


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/0: its ACL forbids this to the user")
def _() -> object:
    return refusing(redis.exceptions.NoPermissionError)


@logs(
    f"{FAILS} the store in '/var/cache/bot': it is open to others: "
    "give a folder of its own, that only you can open"
)
def _() -> object:
    status = os.stat_result((stat.S_IFDIR | 0o755, 0, 0, 2, os.geteuid(), 0, 0, 0, 0, 0))
    with patch.object(Path, "lstat", lambda _: status):
        return look_up(FileStore("/var/cache/bot"))


@logs(f"{FAILS} the snapshot is damaged or cut off")
def _() -> object:
    with TemporaryDirectory() as folder:
        look_up(FileStore(Path(folder)))
        (chats,) = Path(folder).glob("*.chats")
        chats.write_bytes(chats.read_bytes()[:-1])
        # The second line, which comes at once, is that it works again.
        with patch("teamwire_sync._sharing.logger.info"):
            return look_up(FileStore(Path(folder)))

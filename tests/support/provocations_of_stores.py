"""Provoking the lines of docs/troubleshooting.md about stores."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import redis

from teamwire_sync import Connection, FileStore, MemoryStore, RedisStore
from teamwire_sync._stores.base import key_of
from teamwire_sync._stores.folder import SUFFIX
from tests.support.fake_transport import FakeTransport
from tests.support.provocations import URL, logs, shows
from tests.support.store_listings import slot_in, take_lease

REDIS = "redis://bot:password@192.0.2.7:6379/0"
FAILS = "the store of the chats can't be used, going on without it:"
IN_FOLDER = f"{FAILS} the store in '/var/cache/bot':"


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
    "TEAMWIRE_STORE: url must be like redis://user:password@host:6379/0, rediss://... or "
    "unix:///path?db=0; percent-encode special characters in the password, and use only TLS "
    "options of redis-py"
)
def _() -> object:
    return connected_with("redis://bot:pass/word@192.0.2.7")


@shows(
    "a store needs the identity of the bot, and this transport has none. With the vendor's SDK, "
    "choose a text such as 'the App ID and the server': Connection(bot=...), "
    "Connection.from_vendor(bot=...) or VendorTransport(bot=...), TEAMWIRE_BOT, or bot = ... in "
    "the config file. To use no store, omit store=... and set TEAMWIRE_STORE=none"
)
def _() -> object:
    return Connection.from_vendor(lambda: None, store=MemoryStore())


@shows("store must be a FileStore(), RedisStore(url) or MemoryStore(), not the class FileStore")
def _() -> object:
    return Connection(transport=FakeTransport(), store=FileStore)  # type: ignore[arg-type]


@shows("no response within the timeout of this call; another process is still listing the chats")
def _() -> object:
    store = MemoryStore()
    assert take_lease(slot_in(store, "fake"), 60)
    with Connection(transport=FakeTransport(), store=store) as connection:
        return connection.chats.get_subscriptions(timeout=0.01)


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/0: no response in time")
def _() -> object:
    with patch.object(socket.socket, "connect", side_effect=socket.timeout):
        return look_up(RedisStore(REDIS))


def refusing(error: type[redis.RedisError], url: str = REDIS) -> object:
    with patch.object(redis.Connection, "connect", side_effect=error("no")):
        return look_up(RedisStore(url))


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/0: it refuses the user or the password")
def _() -> object:
    return refusing(redis.AuthenticationError)


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/0: its ACL forbids this to the user")
def _() -> object:
    return refusing(redis.exceptions.NoPermissionError)


@logs(f"{FAILS} Redis at redis://192.0.2.7:6379/99: it refuses")
def _() -> object:
    return refusing(redis.ResponseError, REDIS.replace("/0", "/99"))


def slot() -> Path:
    """Where a folder may be that the lines call /var/cache/bot."""
    return Path(os.environ["XDG_CACHE_HOME"], "bot")


@logs(f"{IN_FOLDER} it is open to other users: use a separate folder that only you can open")
def _() -> object:
    slot().mkdir()
    slot().chmod(0o755)
    return look_up(FileStore(slot()))


@logs(f"{IN_FOLDER} it is not a folder")
def _() -> object:
    slot().touch()
    return look_up(FileStore(slot()))


@logs(f"{IN_FOLDER} it is a symbolic link: use the folder that it points to")
def _() -> object:
    slot().symlink_to(slot().parent)
    return look_up(FileStore(slot()))


@logs(f"{IN_FOLDER} another process holds {key_of('fake')}{SUFFIX}")
def _() -> object:
    store = FileStore(slot())
    slot_in(store, "fake").status()
    (database,) = slot().iterdir()
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with patch("teamwire_sync._stores.database._LOCK_TIMEOUT", 0):
            return look_up(store)


@logs(f"{FAILS} the chats have 70,000,000 bytes, more than max_bytes (67,108,864)")
def _() -> object:
    # And the digest in the first line.
    with patch("teamwire_sync._stores.codec._encode", return_value="x" * (70_000_000 - 33)):
        return look_up(FileStore(slot()))


@logs(f"{FAILS} the snapshot is damaged or cut off")
def _() -> object:
    look_up(FileStore(slot()))
    (database,) = slot().iterdir()
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("UPDATE chats SET packed = substr(packed, 1, length(packed) - 1)")
    # The second line, which comes at once, is that it works again.
    with patch("teamwire_sync._stores.sharing.logger.info"):
        return look_up(FileStore(slot()))

"""The calls that `sweep` and `storm` interrupt, and what the calls need."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync import (
    Attachments,
    Connection,
    ConnectionConfig,
    FileStore,
    MemoryStore,
    RedisStore,
)
from teamwire_sync._stores.lease import LeaseKeeper
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

STORES = ("none", "memory", "file", "redis")
# The works that use a store.
STORED = ("refresh", "listing", "first", "write", "close")
# The works that need a new Connection each time.
ONCE = ("first", "close")

_CONFIG = ConnectionConfig(
    recheck_after=0, retries=0, store_check_interval=0, own_write_grace=0, pool_size=2,
    total_timeout=8, default_timeout=4, long_timeout=4, listing_timeout=8,
)  # fmt: skip
_CHAT = "7MQKchz6wsSzmWTVnppGAc"
_SERVER = """
import sys
from teamwire_sync.testing import sandbox
with sandbox(chats=4) as box:
    print(box.url, box.app_id, box.secret, flush=True)
    sys.stdin.read()
"""


class World:
    """A server in another process, and the stores.

    Attributes:
        stores: The names of the stores that this machine has.
    """

    def __init__(self, folder: str, server: list[str], redis: str) -> None:
        self._url, self._app_id, self._secret = server
        self._stores: dict[str, Any] = {
            "none": None, "memory": MemoryStore(), "file": FileStore(f"{folder}/store"),
        }  # fmt: skip
        if redis:
            self._stores["redis"] = RedisStore(redis)
        self.stores = list(self._stores)
        first = self.connect("none")
        self._cursor = first.events(timeout=1).cursor
        first.chats.at(_CHAT).post("x")
        self.works: dict[str, Callable[[Connection], object]] = {
            "look-up": lambda one: one.users.get_user("nobody"),
            "refresh": lambda one: one.chats.get_subscriptions(refresh=True),
            "listing": _listing,
            "first": lambda one: one.chats.get_by_title("test"),
            "write": lambda one: one.chats.at(_CHAT).set_title("test"),
            "post": lambda one: one.chats.at(_CHAT).post("x"),
            "upload": _upload,
            "events": lambda one: next(one.events(since=self._cursor, own=True, timeout=4)),
            "close": lambda one: one.close(),
        }

    def connect(self, store: str, work: str = "") -> Connection:
        """Return a Connection that has sent a request already."""
        one = Connection(
            self._app_id, self._secret, self._url, config=_CONFIG, store=self._stores[store]
        )
        one.check()
        if work != "first":
            one.chats.get_subscriptions()
        return one


def _listing(connection: Connection) -> object:
    connection.chats.invalidate()
    return connection.chats.get_by_title("test")


def _upload(connection: Connection) -> object:
    file = Attachments().add_file(io.BytesIO(b"some"), "x.txt")
    return connection.chats.at(_CHAT).post("x", file)


@contextmanager
def world() -> Iterator[World]:
    """Start the server, and Redis if this machine has it."""
    with ExitStack() as stack:
        folder = tempfile.mkdtemp()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", _SERVER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
        )  # fmt: skip
        stack.callback(server.kill)
        assert server.stdout is not None
        redis, program = "", shutil.which("redis-server")
        if program is not None:
            path = f"{folder}/redis.sock"
            process = stack.enter_context(
                subprocess.Popen(
                    [program, "--port", "0", "--unixsocket", path, "--save", ""],
                    cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            wait_until(Path(path).exists)
            redis = f"unix://{path}"
        yield World(folder, server.stdout.readline().split(), redis)


def left_behind(connection: Connection) -> Iterator[str]:
    """Yield a text for each connection, flight or lease that remains after a call."""
    client = connection._transport._opened
    if client is not None and client._limit._alive():
        yield "a connection stays taken"
    state, caches = (
        connection._parts.cache.state,
        (connection._parts.users._kept, connection._parts.groups._kept),
    )
    if state._flight or state._flights or any(one._flights for one in caches):
        yield "a flight stays"
    shared = getattr(connection._parts.cache._source, "_shared", None)
    if shared is None:
        return
    if LeaseKeeper(shared, lambda: False).is_leading:
        yield "the lease is still held"
    if not shared.slot.take_lease("another", 1):
        yield "the lease is kept"
    shared.slot.release_lease("another")

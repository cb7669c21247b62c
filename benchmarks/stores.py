"""Stores: a start that finds the chats there, hits beside one, and looks that find nothing new."""

from __future__ import annotations

import random
import shutil
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks.network import unchanged
from benchmarks.report import compare
from benchmarks.rivals import plain_session
from benchmarks.timing import cpus, interleaved, looked_up, timed, walls
from teamwire_sync import ConnectionConfig, FileStore, RedisStore
from tests.support.redis_process import RedisProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from benchmarks.report import Row
    from benchmarks.timing import Sample, Scale
    from benchmarks.worlds import World
    from teamwire_sync import Connection
    from teamwire_sync._stores.base import Store

_HOT = 20
# For a busy machine: a start whose store failed would ask the server.
_PATIENCE = 5
_WORDS = {"file": "a FileStore", "redis": "a RedisStore"}


@contextmanager
def stored(folder: Path) -> Iterator[dict[str, Store]]:
    """An empty store of each kind while the block runs; Redis only where it is installed."""
    program = shutil.which("redis-server")
    stores: dict[str, Store] = {"file": FileStore(folder / "store")}
    with ExitStack() as stack:
        if program is None:
            sys.stderr.write("redis-server is not on the PATH: there are no rows for RedisStore\n")
        else:
            server = RedisProcess(program, folder)
            stack.callback(server.close)
            server.start()
            stores["redis"] = RedisStore(server.url, timeout=_PATIENCE)
        yield stores


def start_rows(world: World, stores: Mapping[str, Store], rounds: int, key: str) -> list[Row]:
    """The first look-up of a new Connection, whose chats another one has stored or nobody."""
    title = ""
    for store in stores.values():
        with world.connect(store=store) as connection:
            title = next(chat.title for chat in connection.chats.get_subscriptions() if chat.title)
    samples = interleaved(
        {
            "cold": lambda: _start(world, title),
            **{name: _starting(world, title, store) for name, store in stores.items()},
        },
        rounds,
    )
    work, rival = (
        f"first look-up by title, {world.chats:,} chats in",
        "a cold listing by the same client",
    )
    rows = [
        compare(
            f"start_{name}_{key}", f"{work} {_WORDS[name]}", walls(samples[name]), rival,
            walls(samples["cold"]), at_most=0.5,
        )
        for name in stores
    ]  # fmt: skip
    return [
        *rows,
        compare(
            f"start_file_{key}_cpu", f"{work} {_WORDS['file']}: the client's CPU",
            cpus(samples["file"]), rival, cpus(samples["cold"]),
        ),
    ]  # fmt: skip


def hit_row(world: World, store: Store, scale: Scale) -> Row:
    """What a store costs a look-up that is answered from memory."""
    with world.connect() as without, world.connect(store=store) as beside:
        tids = [chat.tid for chat in without.chats.get_subscriptions()]
        beside.chats.get_subscriptions()
        hot = random.Random(0).sample(tids, min(_HOT, len(tids)))  # noqa: S311  the same in each run
        samples = interleaved(
            {
                name: _lookups(connection, hot, scale.lookups)
                for name, connection in (("beside", beside), ("without", without))
            },
            scale.rounds,
        )
    return compare(
        "store_id", f"look-up by thread ID, hot, {world.chats:,} chats, with a FileStore",
        walls(samples["beside"]), "the same without a store", walls(samples["without"]),
        at_most=1.1,
    )  # fmt: skip


def look_rows(world: World, stores: Mapping[str, Store], scale: Scale) -> list[Row]:
    """Look-ups that first look whether another process has written, and none has."""
    config = ConnectionConfig(store_check_interval=0)
    with ExitStack() as stack:
        session = stack.enter_context(plain_session(world))
        works = {"304": unchanged(session, world, scale.requests)}
        for name, store in stores.items():
            connection = stack.enter_context(world.connect(store=store, config=config))
            works[name] = _looks(connection, scale.requests)
        samples = interleaved(works, scale.rounds)
    return [
        compare(
            f"look_{name}", f"look at {_WORDS[name]} that finds nothing new, {world.chats:,} chats",
            walls(samples[name]), "a bare 304 by requests", walls(samples["304"]), at_most=0.5,
        )
        for name in stores
    ]  # fmt: skip


def _starting(world: World, title: str, store: Store) -> Callable[[], Sample]:
    return lambda: _start(world, title, store)


def _start(world: World, title: str, store: Store | None = None) -> Sample:
    made: list[Connection] = []

    def start() -> None:
        made.append(world.connect(store=store))
        made[0].chats.get_by_title(title)

    sample = timed(start)
    # Closing it frees all the chats, which is no part of a start.
    with made[0] as connection:
        asked = connection.chats.cache_info().refreshes
    if asked != (store is None):
        message = f"the server was asked {asked} times by a start with {store}"
        raise RuntimeError(message)
    return sample


def _lookups(connection: Connection, tids: list[str], count: int) -> Callable[[], Sample]:
    return lambda: looked_up(connection.chats.get_by_thread_id, tids, count)


def _looks(connection: Connection, times: int) -> Callable[[], Sample]:
    tid = connection.chats.get_subscriptions()[0].tid
    return lambda: timed(lambda: connection.chats.get_by_thread_id(tid), times)

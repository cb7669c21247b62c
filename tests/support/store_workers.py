"""Work for processes that share a store: ``python -m tests.support.store_workers WORK ...``.

They hear and say lines of JSON. One that hangs shows where on stderr, and ends.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import queue
import sys
import threading
import time
from typing import Any, Callable, TypeVar

from teamwire_sync import Connection, ConnectionConfig
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from teamwire_sync._stores import database, sharing
from teamwire_sync._stores import lease as leases
from teamwire_sync._stores.file import FileStore
from teamwire_sync._stores.redis import RedisStore
from tests.support.waiting import PATIENCE, Threads, wait_until

T = TypeVar("T")

TTL = 300.0
_saying = threading.Lock()


def say(word: Any) -> None:
    """Tell the test."""
    with _saying:
        _watch()
        sys.stdout.write(json.dumps(word) + "\n")
        sys.stdout.flush()


def hear() -> Any:
    """What the test tells; ends the process when it will tell nothing more."""
    line = sys.stdin.readline()
    if not line:
        raise SystemExit
    _watch()
    return json.loads(line)


def _watch() -> None:
    # Before the test is ended, which would show nothing of this process.
    faulthandler.dump_traceback_later(1.5 * PATIENCE, exit=True)


def store_at(text: str) -> FileStore | RedisStore:
    """The store that *text* names, with the patience of tests: many processes have one core."""
    kind, _, folder = text.partition(":")
    return FileStore(folder) if kind == "file" else RedisStore(text, timeout=PATIENCE)


def connect(**kwargs: Any) -> Connection:
    """A Connection with the store of the environment."""
    return Connection(store=store_at(os.environ["TEAMWIRE_STORE"]), **kwargs)


class Burst:
    """Threads that look a chat up, at once, when all that they know has expired."""

    def __init__(self, title: str, threads: int) -> None:
        self._title, self._threads = title, threads
        self._passed = 0.0
        self._said: set[str] = set()
        self._connection = connect(
            clock=lambda: time.monotonic() + self._passed, config=ConnectionConfig(cache_ttl=TTL)
        )
        source: Any = self._connection._parts.cache._source
        source._server.ask = self._after_saying("asks", source._server.ask)
        source._shared.sleep = self._after_saying("waits", source._shared.sleep)

    def run(self) -> None:
        """Have seen what is stored; then look up, and say how many threads found it."""
        chats = self._connection.chats
        say(len(chats.get_subscriptions()))
        hear()
        self._passed = TTL
        with Threads() as threads:
            found = [
                threads.start(lambda: chats.get_by_title(self._title)) for _ in range(self._threads)
            ]
        say({"found": sum(len(each.result()) for each in found)})
        self._connection.close()

    def _after_saying(self, word: str, go_on: Callable[..., T]) -> Callable[..., T]:
        def call(*args: Any) -> T:
            if self._passed and word not in self._said:
                # By then, the others wait for this thread.
                wait_until(lambda: self._joined() >= self._threads - 1)
                self._said.add(word)
                say(word)
            return go_on(*args)

        return call

    def _joined(self) -> int:
        return self._connection.chats.cache_info().joined


def burst(title: str, threads: int, lease: float | None) -> None:
    """See `Burst`."""
    if lease is not None:
        leases.LEASE = lease
    Burst(title, threads).run()


def create() -> None:
    """Make chats with the titles that are heard; say their thread IDs."""
    with connect() as connection:
        say("ready")
        while True:
            say(connection.chats.create_chat(title=hear(), users=[KNOWN_USER]).tid)


def seek(interval: float) -> None:
    """Look each title up that is heard, *interval* after the last; say how many chats have it."""
    config = ConnectionConfig(
        store_check_interval=interval, cache_ttl=10 * TTL, recheck_after=10 * TTL
    )
    now = 0.0
    with connect(config=config, clock=lambda: now) as connection:
        connection.chats.get_subscriptions()
        say("ready")
        while True:
            title = hear()
            now += interval
            say(len(connection.chats.get_by_title(title)))


class Log(logging.Handler):
    """Counts what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(record.getMessage())

    def count(self, text: str) -> int:
        """How many lines have *text*."""
        return sum(text in line for line in self.lines)


class Load:
    """Writes and looks up all the time; whatever goes wrong ends it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._rounds = 0
        self._log = Log()
        logger = logging.getLogger("teamwire_sync")
        logger.setLevel(logging.INFO)
        logger.addHandler(self._log)
        # So that nothing but the store makes it list what others have written.
        config = ConnectionConfig(store_check_interval=0, cache_ttl=TTL, recheck_after=TTL)
        self._connection = connect(config=config)
        self._title = ""
        created = self._connection.chats.create_chat(title=f"{number}.0", users=[KNOWN_USER])
        self._rename = created.set_title

    def run(self) -> None:
        """Do so for as long as the test says, and say what came of it."""
        orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        say("ready")
        threading.Thread(target=_pass_on, args=(orders,), daemon=True).start()
        while True:
            order = self._work_until_told(orders)
            if order == "end":
                break
            self._obey(order)
        say({"title": self._title, "log": self._log.lines})
        self._find_all(orders.get())

    def _work_until_told(self, orders: queue.SimpleQueue[Any]) -> Any:
        while orders.empty():
            self._round()
        return orders.get()

    def _obey(self, order: str) -> None:
        """Do three rounds, and with "recover" as many as it takes until the store works again."""
        rounds = self._rounds
        while self._rounds < rounds + 3 or (
            order == "recover" and not self._log.count("works again")
        ):
            self._round()
        say(order)

    def _round(self) -> None:
        chats = self._connection.chats
        self._rounds += 1
        self._title = f"{self._number}.{self._rounds}"
        renamed = self._rename(self._title)
        assert [chat.tid for chat in chats.get_by_title(self._title)] == [renamed.tid]
        assert chats.get_by_title(self._title)[0] == chats.get_by_thread_id(renamed.tid)

    def _find_all(self, titles: list[str]) -> None:
        """Look up what all have written last, once each."""
        found = [len(self._connection.chats.get_by_title(title)) for title in titles]
        say(found)
        self._connection.close()


def _pass_on(orders: queue.SimpleQueue[Any]) -> None:
    while True:
        orders.put(hear())


def load(number: int, pause: float) -> None:
    """See `Load`."""
    sharing._PAUSE = pause
    Load(number).run()


WORKS: dict[str, Callable[..., None]] = {
    "burst": burst,
    "create": create,
    "seek": seek,
    "load": load,
}

if __name__ == "__main__":
    _watch()
    # As the time-out of Redis in `store_at`.
    database._LOCK_TIMEOUT = PATIENCE
    WORKS[sys.argv[1]](*map(json.loads, sys.argv[2:]))

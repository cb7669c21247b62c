"""Random histories of a world: after each refresh, a client has what a whole listing has.

To play many by hand, with a seed and a number of histories::

    python -m tests.services.histories 10000 --seed 7
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync import Connection, ConnectionConfig, MemoryStore, TWDeliveryUnknownError, TWError
from teamwire_sync._sandbox.world.seed import KNOWN_USER, PUBLIC_CIRCLE
from teamwire_sync.testing import Sandbox
from tests.support.builders import Clock

if TYPE_CHECKING:
    from teamwire_sync import Chat

LISTING = ("GET", "/v1/bot/chats/")
TITLES = ("red", "green", "blue", "", None)
_TTL, _RECHECK, _DOUBT = 301, 6, 1000


class World:
    """A sandbox with few chats, which can restart.

    Args:
        folder: The folder of the sandbox's file.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "world.db"
        # Only a server on a chosen port can use the port again at once.
        with socket.create_server(("127.0.0.1", 0)) as chosen:
            self._port = chosen.getsockname()[1]
        self.box = Sandbox(chats=8, path=self._path, port=self._port)
        self._lister: Connection | None = None

    def restart(self) -> None:
        self.close()
        self.box = Sandbox(path=self._path, port=self._port)

    def close(self) -> None:
        self.box.close()
        self._lister = None

    def connect(self, **kwargs: Any) -> Connection:
        return Connection(self.box.app_id, self.box.secret, self.box.url, **kwargs)

    def list_all(self) -> list[Chat]:
        """Return all the chats, from a whole listing."""
        if self._lister is None:
            self._lister = self.box.connect()
        self._lister.chats.invalidate()
        return self._lister.chats.get_subscriptions()


class History:
    """Some changes of a world, and a client that refreshes after some of them.

    Args:
        world: The world.
        seed: The seed of the history.
        counts: The numbers of steps by name.
    """

    def __init__(self, world: World, seed: str, counts: Counter[str]) -> None:
        self.random = random.Random(seed)  # noqa: S311  reproducible, not secret
        self.world = world
        self.counts = counts
        self.clock = Clock()
        self.store = MemoryStore() if self.random.random() < 0.4 else None
        if self.store is not None:
            self.store._now = self.clock
        self.connection = self.connect()
        self.told: list[str] = []

    def connect(self) -> Connection:
        page_size = self.random.choice([1, 2, 500])
        config = ConnectionConfig(retries=0, page_size=page_size, store_check_interval=0)
        return self.world.connect(clock=self.clock, config=config, store=self.store)

    def play(self) -> str | None:
        """Play the history; return the steps until the client's chats are wrong, or None."""
        self.connection.chats.get_subscriptions()
        for _ in range(self.random.randint(1, 6)):
            for _ in range(self.random.randint(0, 4)):
                self.step(_CHANGES)
            if self.random.random() < 0.3:
                self.step(_FAULTS)
            self.step(_REFRESHES)
            is_behind = self.told[-1] == "refresh_behind"
            self.world.box.clear_faults()
            wrong = None if is_behind else self.difference()
            if wrong:
                return f"{' '.join(self.told)}: {wrong}"
        return None

    def step(self, steps: tuple[Callable[[History], object], ...]) -> None:
        step = self.random.choice(steps)
        self.told.append(step.__name__)
        self.counts[step.__name__] += 1
        with suppress(TWError, ValueError, IndexError):  # such as a change without any chat
            step(self)

    def difference(self) -> str | None:
        """Return how the client's chats differ from a whole listing, or None."""
        chats, listed = self.connection.chats, self.world.list_all()
        if (found := list(chats.get_subscriptions())) != listed:
            return f"{[chat.tid for chat in found]} instead of {[chat.tid for chat in listed]}"
        for chat in listed:
            if chats.get_by_thread_id(chat.tid) != chat:
                return f"by thread ID: {chat}"
        for title in {*filter(None, TITLES), *(chat.title for chat in listed if chat.title)}:
            same = [chat for chat in listed if chat.title == title]
            if chats.get_by_title(title) != same:
                return f"by title: {title}"
        return None

    # Choices

    @property
    def tid(self) -> str:
        return self.random.choice(self.world.list_all()).tid

    @property
    def title(self) -> str | None:
        return self.random.choice(TITLES)

    # Changes by others

    def other_adds(self) -> None:
        self.world.box.add_chat(title=self.title, users=[KNOWN_USER])

    def other_renames(self) -> None:
        self.world.box.rename_chat(self.tid, self.title)

    def other_closes(self) -> None:
        self.world.box.change_chat(self.tid, is_closed=self.random.random() < 0.5)

    def other_invites(self) -> None:
        self.world.box.add_members(self.tid, groups=[PUBLIC_CIRCLE])

    def other_removes(self) -> None:
        tid = self.tid
        self.world.box.remove_chat(tid)
        if self.random.random() < 0.5:
            self.world.box.restore_chat(tid)

    # Own writes

    def bot_creates(self) -> None:
        self.connection.chats.create_chat(
            title=self.title, users=[KNOWN_USER], groups=[PUBLIC_CIRCLE]
        )

    def bot_renames(self) -> None:
        self.connection.chats.at(self.tid).set_title(self.title)

    def bot_leaves(self) -> None:
        self.connection.chats.at(self.tid).leave()

    def bot_renames_in_doubt(self) -> None:
        self.world.box.fault("PATCH", "/v1/bot/chats/*/", drop="after")
        with suppress(TWDeliveryUnknownError):
            self.bot_renames()

    def server_restarts(self) -> None:
        if self.random.random() < 0.02:
            self.world.restart()

    # Faults of the next refresh

    def since_unknown(self) -> None:
        self.world.box.fault(*LISTING, since="unknown")

    def since_ignored(self) -> None:
        self.world.box.fault(*LISTING, since="ignored")

    def since_wrong_total(self) -> None:
        self.world.box.fault(*LISTING, since="wrong_total")

    # Refreshes

    def refresh_forced(self) -> None:
        self.connection.chats.get_subscriptions(refresh=True)

    def refresh_after_ttl(self) -> None:
        self.clock.advance(_TTL)
        self.connection.chats.get_by_title("red")

    def refresh_after_miss(self) -> None:
        self.clock.advance(_RECHECK)
        self.connection.chats.get_by_title("no such title")

    def refresh_after_write(self) -> None:
        self.connection.chats.create_chat(
            title=self.title, users=[KNOWN_USER], groups=[PUBLIC_CIRCLE]
        )
        self.refresh_forced()

    def refresh_by_another(self) -> None:
        """Another client of the store refreshes, and this one takes over."""
        with self.connect() as other:
            other.chats.get_subscriptions(refresh=True)
        self.refresh_after_miss()

    def refresh_behind(self) -> None:
        """The list lacks the changes of the last seconds."""
        self.world.box.advance(self.random.random() * 3)
        self.world.box.fault(*LISTING, lag=self.random.random() * 6)
        self.refresh_forced()
        self.clock.advance(_DOUBT)


_CHANGES = (
    History.other_adds, History.other_renames, History.other_renames, History.other_closes,
    History.other_invites, History.other_removes, History.bot_creates, History.bot_renames,
    History.bot_renames, History.bot_leaves, History.bot_renames_in_doubt, History.server_restarts,
)  # fmt: skip
_FAULTS = (History.since_unknown, History.since_ignored, History.since_wrong_total)
_REFRESHES = (
    History.refresh_forced, History.refresh_after_ttl, History.refresh_after_miss,
    History.refresh_after_write, History.refresh_by_another, History.refresh_behind,
)  # fmt: skip


def play(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Play histories; return the numbers of steps and of requests, and what was wrong."""
    counts: Counter[str] = Counter()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            for number in range(count):
                history = History(world, f"{seed}/{number}", counts)
                found = history.play()
                if found:
                    wrong.append(f"{seed}/{number}: {found}")
                info = history.connection.chats.cache_info()
                history.connection.close()
                counts.update(listings=info.listings, updates=info.updates, same=info.not_modified)
                if len(world.list_all()) > 25:
                    for chat in world.list_all()[8:]:
                        world.box.remove_chat(chat)
        finally:
            world.close()
    return counts, wrong


def main() -> int:
    """Play the histories of the command line."""
    parser = argparse.ArgumentParser("python -m tests.services.histories")
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    counts, wrong = play(options.count, options.seed)
    sys.stdout.write("\n".join([str(dict(counts)), *wrong, f"{len(wrong)} wrong\n"]))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""Caches that share a place, and a place that lets a test come in between."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.memory import MemoryStore
from teamwire_sync._stores.sharing import SharedListing
from tests.support.builders import make_chat
from tests.support.caches import make_chat_cache
from tests.support.chat_server import ChatServer
from tests.support.store_listings import set_clock, slot_in

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock


def unavailable() -> NoReturn:
    """What a place does while its store can't be reached."""
    message = "no route to the store"
    raise StoreError(message)


class SpiedSlot:
    """A place that notes what it is asked.

    Attributes:
        calls: The names of the methods, in order.
        before: What is done before a method, by its name.
        after: The same after it.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._slot, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if name in self.before:
                self.before[name]()
            result = method(*args, **kwargs)
            if name in self.after:
                self.after[name]()
            return result

        return call

    def once(self, name: str, action: Callable[[], object], *, after: bool = False) -> None:
        """Do *action* before or after the next call of the method *name*."""
        moments = self.after if after else self.before

        def act() -> None:
            del moments[name]
            action()

        moments[name] = act

    def break_down(self) -> None:
        """Have the store be out of reach."""
        methods = (
            "status",
            "load",
            "save",
            "extend",
            "fail",
            "bump_generation",
            "mark",
            "unmark",
            "take_lease",
        )
        self.before = dict.fromkeys(methods, unavailable)

    def recover(self) -> None:
        """Have it be there again."""
        self.before = {}


class Sharers:
    """Makes caches of one server that share a place; its clocks only move when a test says so.

    Attributes:
        server: Two chats, t1 with the title "one" and t2 with the title "two".
        clock: Of the caches, and of when a failing store is tried again.
        store: Where the place is.
        ahead: Seconds that the clock of the store is set ahead.
    """

    def __init__(self, clock: Clock, store: Any = None) -> None:
        self.server = ChatServer(make_chat("t1", "one"), make_chat("t2", "two"))
        self.clock = clock
        self.store = store
        self.ahead = 0.0
        if store is None:
            self.store = MemoryStore()
            set_clock(self.store, lambda: 1_700_000_000 + clock() + self.ahead)

    def slot(self) -> SpiedSlot:
        """The place, with a spy of its own."""
        return SpiedSlot(slot_in(self.store))

    def sharing(self, slot: Any = None, **settings: Any) -> SharedListing:
        """What a cache uses a place with."""
        defaults = {"check_interval": 1, "attach": lambda _: None, "grace": 30}
        made = SharedListing(slot or self.slot(), **{**defaults, **settings})
        made.clock = self.clock
        return made

    def cache(
        self,
        slot: Any = None,
        *,
        interval: float = 1,
        patience: float = math.inf,
        sleep: Callable[[float], object] = time.sleep,
        **settings: Any,
    ) -> ChatCache:
        """Another cache; it sleeps while it waits for another process's listing."""
        sharing = self.sharing(slot, check_interval=interval, patience=patience)
        sharing.sleep = sleep
        return make_chat_cache(self.server.read, clock=self.clock, shared=sharing, **settings)

"""Caches that share a place, and a place that lets a test come in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync._cache import ChatCache
from teamwire_sync._sharing import Sharing
from teamwire_sync._stores.base import StoreError
from teamwire_sync._stores.memory import MemoryStore
from tests.support.builders import make_chat
from tests.support.chat_server import ChatServer

if TYPE_CHECKING:
    from tests.support.builders import Clock

IDENTITY = "https://a.example\nbot\n1"


def unavailable() -> NoReturn:
    """What a place does while its store can't be reached."""
    message = "no route to the store"
    raise StoreError(message)


class SpiedPlace:
    """A place that notes what it is asked.

    Attributes:
        calls: The names of the methods, in order.
        before: What is done before a method, by its name.
        after: The same after it.
    """

    def __init__(self, place: Any) -> None:
        self._place = place
        self.calls: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._place, name)

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
        methods = ("look", "load", "save", "confirm", "fail", "renew", "lease")
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
    """

    def __init__(self, clock: Clock, store: Any = None) -> None:
        self.server = ChatServer(make_chat("t1", "one"), make_chat("t2", "two"))
        self.clock = clock
        self.store = store
        if store is None:
            self.store = MemoryStore()
            self.store._now = lambda: 1_700_000_000 + clock()

    def place(self) -> SpiedPlace:
        """The place, with a spy of its own."""
        return SpiedPlace(self.store._place(IDENTITY))

    def cache(self, place: Any = None, *, interval: float = 1, **settings: Any) -> ChatCache:
        """Another cache."""
        sharing = Sharing(place or self.place(), check_interval=interval, adopt=lambda _: None)
        sharing.clock = self.clock
        defaults = {"ttl": 300, "recheck_after": 5, "own_write_grace": 30, "stale_if_error": 0}
        return ChatCache(
            self.server.load, clock=self.clock, sharing=sharing, **{**defaults, **settings}
        )

"""Knobs for tests: what is called, and what goes wrong. All made up."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Callable

from teamwire_api.exceptions import TWConnectionError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from teamwire_api.connection import Connection

# No test needs so long: only one that hangs.
_GUARD = 60
# As in tests/support/waiting.py, which programs that only have the double cannot import.
_PATIENCE = float(os.environ.get("TESTS_PATIENCE", "30"))


class Effect:
    """Befalls calls of one name, until it is released; leaving its `with` block does that.

    Attributes:
        name: Of the calls.
        after: Whether it does so when their work is done.
        left: How many more calls it befalls; None for all.
    """

    def __init__(self, name: str, *, after: bool = False, times: int | None = None) -> None:
        self.name = name
        self.after = after
        self.left = times
        self._condition = threading.Condition()
        self._released = False
        self._arrived = 0
        self._cancelled = 0

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let all go that it keeps, and befall no other."""
        with self._condition:
            self._released = True
            self._condition.notify_all()

    @property
    def has_arrived(self) -> bool:
        """Whether it has befallen a call."""
        return self._arrived > 0

    def wait_arrived(self, count: int = 1, timeout: float = _PATIENCE) -> None:
        """Wait until it has befallen so many calls."""
        self._wait(lambda: self._arrived >= count, timeout, f"{self.name} was not called")

    def wait_cancelled(self, count: int = 1, timeout: float = _PATIENCE) -> None:
        """Wait until so many of the calls that it keeps were cancelled."""
        self._wait(lambda: self._cancelled >= count, timeout, f"{self.name} was not cancelled")

    def _wait(self, condition: Any, timeout: float, otherwise: str) -> None:
        with self._condition:
            if not self._condition.wait_for(condition, timeout):
                raise TimeoutError(otherwise)

    def befalls(self, name: str, *, after: bool) -> bool:
        """Whether it befalls this call, which then counts."""
        with self._condition:
            if self._released or self.left == 0 or (name, after) != (self.name, self.after):
                return False
            if self.left is not None:
                self.left -= 1
            self._arrived += 1
            self._condition.notify_all()
            return True

    def act(self) -> None:
        """Keep this thread until the release."""
        self._wait(lambda: self._released, _GUARD, f"{self.name} was never released")

    async def act_async(self) -> None:
        """What it does to a coroutine."""
        self.act()


class Failure(Effect):
    """Raises an error."""

    error: BaseException

    def act(self) -> None:
        raise self.error


class Action(Effect):
    """Has something called."""

    action: Callable[[], object]

    def act(self) -> None:
        self.action()


class Block(Effect):
    """Keeps the whole thread, and so the event loop in it."""


class Hold(Effect):
    """Keeps a coroutine, which can be cancelled."""

    def __init__(self, name: str, *, after: bool = False, times: int | None = None) -> None:
        super().__init__(name, after=after, times=times)
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    def release(self) -> None:
        super().release()
        with self._condition:
            waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            # It may be closed by now, and the coroutine gone.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_let_go, future)

    async def act_async(self) -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._condition:
            if self._released:
                return
            self._waiters.append((loop, future))
        try:
            await asyncio.wait_for(future, _GUARD)
        except asyncio.CancelledError:
            with self._condition:
                self._cancelled += 1
                self._condition.notify_all()
            raise


class StubbornHold(Hold):
    """Keeps a coroutine that ignores that it is cancelled."""

    async def act_async(self) -> None:
        while not self._released:
            with suppress(asyncio.CancelledError):
                await super().act_async()


def _let_go(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Knobs:
    """Counts calls, and lets them go wrong.

    A call's name is its method's: `post`, `create_chat`, ...; `init`, `enter`, `exit` and
    `exec_async` are a connection's.

    An effect befalls calls before they do their work, or `after` they have done it; the first
    `times` of them, or all.

    Attributes:
        threads: The names of the threads that entered a connection.
    """

    def __init__(self) -> None:
        self.threads: list[str] = []
        self._lock = threading.RLock()
        self._calls: list[str] = []
        self._effects: list[Effect] = []
        self._live: list[Connection] = []

    @property
    def calls(self) -> Counter[str]:
        """How many calls there were, by name."""
        with self._lock:
            return Counter(self._calls)

    @property
    def live(self) -> int:
        """How many connections are entered and not yet left."""
        with self._lock:
            return len(self._live)

    def hold(self, name: str, *, after: bool = False, times: int | None = None) -> Hold:
        """Keep calls waiting until released; they can be cancelled.

        Of what is no coroutine it keeps the thread.
        """
        return self._added(Hold(name, after=after, times=times))

    def stubborn(self, name: str, *, after: bool = False, times: int | None = None) -> StubbornHold:
        """Keep calls waiting until released, even when they are cancelled."""
        return self._added(StubbornHold(name, after=after, times=times))

    def block(self, name: str, *, after: bool = False, times: int | None = None) -> Block:
        """Keep the thread until released, and with it the event loop and all that it runs."""
        return self._added(Block(name, after=after, times=times))

    def fail(
        self, name: str, error: BaseException, *, after: bool = False, times: int | None = None
    ) -> Failure:
        """Let calls raise *error*."""
        failure = Failure(name, after=after, times=times)
        failure.error = error
        return self._added(failure)

    def on(
        self,
        name: str,
        action: Callable[[], object],
        *,
        after: bool = False,
        times: int | None = None,
    ) -> Action:
        """Have *action* called by calls, in their thread."""
        effect = Action(name, after=after, times=times)
        effect.action = action
        return self._added(effect)

    def fail_init(self, error: BaseException, **options: Any) -> Failure:
        """Let no connection be made."""
        return self.fail("init", error, **options)

    def fail_enter(self, error: BaseException, **options: Any) -> Failure:
        """Let no connection be entered."""
        return self.fail("enter", error, **options)

    def fail_exit(self, error: BaseException, **options: Any) -> Failure:
        """Let no connection be left without an error; what it holds it gives back all the same."""
        return self.fail("exit", error, **options)

    def hold_enter(self, **options: Any) -> Hold:
        """Keep the threads that enter a connection."""
        return self.hold("enter", **options)

    def crash(self, error: BaseException | None = None, *, cancel: bool = False) -> None:
        """Let the connections that are entered die: `exec_async` raises, now and from now on.

        Args:
            error: What it raises; by default a TWConnectionError.
            cancel: Whether the coroutine it runs is cancelled before; else it is left as it is.
        """
        with self._lock:
            for connection in self._live:
                connection.die(error or TWConnectionError("the connection died"), cancel=cancel)

    def reset(self) -> None:
        """Release everything, and count from the beginning."""
        self.clear()
        with self._lock:
            self.threads, self._calls, self._live = [], [], []

    def clear(self) -> None:
        """Release everything."""
        with self._lock:
            effects, self._effects = self._effects, []
        for effect in effects:
            effect.release()

    def _added(self, effect: Any) -> Any:
        with self._lock:
            self._effects.append(effect)
        return effect

    # What the double calls

    @contextmanager
    def around(self, name: str) -> Iterator[None]:
        """A call of *name* that is no coroutine."""
        self._count(name)
        for effect in self._befalling(name, after=False):
            effect.act()
        yield
        for effect in self._befalling(name, after=True):
            effect.act()

    @asynccontextmanager
    async def around_async(self, name: str) -> AsyncIterator[None]:
        """A call of the coroutine *name*."""
        self._count(name)
        for effect in self._befalling(name, after=False):
            await effect.act_async()
        yield
        for effect in self._befalling(name, after=True):
            await effect.act_async()

    def _count(self, name: str) -> None:
        with self._lock:
            self._calls.append(name)

    def _befalling(self, name: str, *, after: bool) -> Iterator[Effect]:
        with self._lock:
            effects = self._effects.copy()
        return (effect for effect in effects if effect.befalls(name, after=after))

    def entered(self, connection: Connection) -> None:
        """A connection is entered by this thread."""
        with self._lock:
            self.threads.append(threading.current_thread().name)
            self._live.append(connection)

    def left(self, connection: Connection) -> None:
        """A connection is left; from now on it can't die."""
        with self._lock:
            if connection in self._live:
                self._live.remove(connection)


knobs = Knobs()

"""Run a handler at each point of a call at which CPython may run one, and check the result.

To try all points by hand (an hour of CPU for each Python)::

    python -m tests.signals.sweep
    python -m tests.signals.sweep --work refresh --store file --part 1/4

To try a random sample with a seed, as the slow test does::

    python -m tests.signals.sweep --seconds 40 --seed 7

The handler raises, or makes a call of its own. After that, no lock is held, no connection is taken,
no refresh is in progress, no lease is kept, and the same call works in another thread. The
interrupted call raises the exception of the handler. A call in the handler returns, or raises
RuntimeError at once.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import threading
import time
import weakref
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync._internal import waiting
from tests.support.points import Tracer, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_plain_lock = threading.Lock
_locks: dict[int, tuple[Any, str]] = {}


def _recorded(make: Callable[[], Any]) -> Callable[[], Any]:
    def made() -> Any:
        lock, frame = make(), sys._getframe(1)
        while frame.f_code.co_name in {"new_lock", "rlock"} and frame.f_back is not None:
            frame = frame.f_back
        # The lock of a gate is held until the gate opens, that of a lease after its end, too.
        is_gate = frame.f_code.co_filename.endswith(("_internal/waiting.py", "_stores/lease.py"))
        if not (is_gate and make is _plain_lock):
            key, where = id(lock), place_of(frame)
            _locks[key] = weakref.ref(lock, lambda _: _locks.pop(key, None)), where
        return lock

    return made


# Before the package and its dependencies make their locks.
threading.Lock = _recorded(threading.Lock)
threading.RLock = _recorded(threading.RLock)
waiting._RLock = _recorded(waiting._RLock)  # type: ignore[misc,assignment]

import contextlib  # noqa: E402
import logging  # noqa: E402
import queue  # noqa: E402

import requests  # noqa: E402
import urllib3  # noqa: E402

import teamwire_sync  # noqa: E402
from teamwire_sync import TWClosedError, TWError  # noqa: E402
from tests.signals.works import ONCE, STORED, STORES, World, left_behind, world  # noqa: E402

logging.getLogger("teamwire_sync").setLevel(logging.CRITICAL)

PATIENCE = 20.0

_OURS = str(Path(teamwire_sync.__file__).parent)
_PACKAGES = tuple(str(Path(one.__file__).parent) for one in (teamwire_sync, urllib3, requests))
_WATCHED = (*_PACKAGES, threading.__file__, queue.__file__, contextlib.__file__)
_REST = ("cachetools/__init__.py", "http/client.py", "sqlite3/dbapi2.py", "weakref.py")
_NOT = (f"{_OURS}/_sandbox", f"{_OURS}/_server", f"{_OURS}/_cli")

# Points at which an exception is lost outside of our code: the end of the file's name, and the
# function, with the reason why the harm is small.
_DESTRUCTOR = "CPython calls it in a destructor, which drops exceptions: only the exception is lost"
FOREIGN = {
    ("urllib3/response.py", "closed"): _DESTRUCTOR,
    ("weakref.py", "__call__"): _DESTRUCTOR,
    ("weakref.py", "remove"): _DESTRUCTOR,
    ("http/client.py", "close"): _DESTRUCTOR,
    ("http/client.py", "isclosed"): _DESTRUCTOR,
    ("urllib3/connectionpool.py", "_close_pool_connections"): _DESTRUCTOR,
    ("_http/idle_connections.py", "get"): _DESTRUCTOR,
    # `get` calls both.
    ("_internal/signals.py", "not_by_signal"): _DESTRUCTOR,
    ("_internal/signals.py", "is_by_signal"): _DESTRUCTOR,
    ("_http/transport.py", "iter_chat_pages"): _DESTRUCTOR,
}


def _is_watched(name: str) -> bool:
    is_ours = name.startswith(_WATCHED) or name.endswith(_REST) or "/redis/" in name
    return is_ours and not name.startswith(_NOT)


class Interrupt(BaseException):
    """The exception that a signal handler raises."""


def _interrupt() -> None:
    raise Interrupt


class Worker:
    """A thread for calls with a time limit."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], Any]] = SimpleQueue()
        self._results: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001
                result = error
            self._results.put(result)
            del call, result

    def __call__(self, call: Callable[[], Any], seconds: float = PATIENCE) -> Any:
        self._calls.put(call)
        return self._results.get(timeout=seconds)


class Sweep:
    """All points of one work with one store.

    Args:
        world: The server and the stores.
        work: The name of the work.
        store: The name of the store.
        worker: The thread for the calls that must not hang.
    """

    def __init__(self, world: World, work: str, store: str, worker: Worker) -> None:
        self.name = f"{work} ({store})"
        self._name, self._works, self._work = work, world.works, world.works[work]
        self._is_once = work in ONCE
        self._make = lambda: world.connect(store, work)
        self._worker = worker
        self.tried = 0
        self.found: dict[str, list[str]] = {}
        self.known: dict[str, list[str]] = {}
        # The first call does more than the others.
        self._work(self._make())
        self._connection = self._make()
        if not self._is_once:
            self._work(self._connection)
        tracer = Tracer(_is_watched)
        self._traced(tracer)
        self.points = tracer.count

    def _traced(self, tracer: Tracer) -> BaseException | None:
        sys.settrace(tracer)
        try:
            self._work(self._connection)
        except BaseException as error:  # noqa: BLE001
            return error.with_traceback(None)
        finally:
            sys.settrace(None)
        return None

    def try_at(self, target: int, handler: str) -> None:
        """Run *handler*, a work or "raise", at the point with this number, and check the result."""
        if self._is_once:
            self._connection = self._make()
        outcomes: list[BaseException | None] = []

        def handle() -> None:
            try:
                self._works[handler](self._connection)
                outcomes.append(None)
            except BaseException as error:  # noqa: BLE001
                outcomes.append(error.with_traceback(None))

        tracer = Tracer(_is_watched, target, _interrupt if handler == "raise" else handle)
        faulthandler.dump_traceback_later(2 * PATIENCE, exit=True)
        ignored: list[str] = []
        sys.unraisablehook = lambda args: ignored.append(f"{args.err_msg} {args.object!r}")
        error = self._traced(tracer)
        sys.unraisablehook = sys.__unraisablehook__
        if not tracer.where:
            return
        self.tried += 1
        problems = [f"ignored: {one}" for one in ignored]
        if handler == "raise":
            problems += _wrong(error, Interrupt)
        else:
            closes = {handler, self._name} & {"close"}
            problems += _wrong(error, type(None), *([TWError] if closes else []))
            expected = [type(None), RuntimeError, *([TWClosedError] if closes else [])]
            problems += [f"handler: {one}" for one in _wrong(outcomes[0], *expected)]
        del error
        problems += self._left()
        faulthandler.cancel_dump_traceback_later()
        if problems:
            is_known = any(
                f"{name}:" in tracer.where and tracer.where.endswith(f" in {function}")
                for name, function in FOREIGN
            )
            for problem in problems:
                is_lost = problem.startswith(("ignored", "another outcome: None"))
                found = self.known if is_known and is_lost else self.found
                found.setdefault(f"{handler}: {problem}", []).append(tracer.where)
        if problems or handler == "close":
            self._connection = self._make()

    def _left(self) -> Iterator[str]:
        connection = self._connection
        yield from left_behind(connection)
        held = self._worker(_held)
        yield from held
        if held:
            return  # the next call would hang
        try:
            again = self._worker(lambda: self._work(connection))
        except Empty:
            faulthandler.dump_traceback()
            yield "the next call hangs"
            self._worker = Worker()
            return
        if isinstance(again, BaseException) and not isinstance(again, TWClosedError):
            yield f"the next call: {again!r}"[:200]

    def report(self) -> None:
        """Print the number of points, and the problems."""
        print(f"{self.name}: {self.tried} of {self.points} points", flush=True)
        for found, note in ((self.found, ""), (self.known, ", known, in other code")):
            for problem, places in found.items():
                print(f"  {problem}: {len(places)} times{note}")
                for place in list(dict.fromkeys(places))[:10]:
                    print(f"    {place}", flush=True)


def _wrong(error: BaseException | None, *expected: type[Any]) -> list[str]:
    return [] if isinstance(error, expected) else [f"another outcome: {error!r}"[:200]]


def _held() -> list[str]:
    """Return the locks that are held, although no call is in progress."""
    held = []
    for ref, where in list(_locks.values()):
        lock = ref()
        if lock is None:
            continue
        # Another thread, such as the one that extends a lease, may have it for a moment.
        if lock.acquire(timeout=0.2):
            lock.release()
        else:
            held.append(f"the lock of {where} stays held")
            _locks.pop(id(lock), None)
    return held


def main() -> None:
    """Try the points, and exit with 1 after a problem."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work")
    parser.add_argument("--store", choices=STORES)
    parser.add_argument("--part", default="1/1", help="for example 2/4, the second quarter")
    parser.add_argument("--seconds", type=float, help="seconds of CPU for a random sample")
    parser.add_argument("--handler", help="a work for the handler; by default, the handler raises")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    options = parser.parse_args()
    with world() as made:
        worker = Worker()
        sweeps = [
            Sweep(made, work, store, worker)
            for work in made.works
            for store in made.stores
            if options.work in {None, work}
            and options.store in {None, store}
            and (store == "none" or work in STORED)
        ]
        print(f"Python {sys.version.split()[0]}, {sum(one.points for one in sweeps)} points")
        if options.seconds is None:
            _try_all(sweeps, *map(int, options.part.split("/")), options.handler or "raise")
        else:
            print(f"seed {options.seed}", flush=True)
            handlers = [options.handler] if options.handler else ["raise", "raise", *made.works]
            _try_some(sweeps, options.seconds, random.Random(options.seed), handlers)
    found = sum(len(places) for one in sweeps for places in one.found.values())
    print(f"{sum(one.tried for one in sweeps)} points tried, {found} problems", flush=True)
    sys.stdout.flush()
    os._exit(bool(found))


def _try_all(sweeps: list[Sweep], part: int, parts: int, handler: str) -> None:
    for sweep in sweeps:
        for target in range(part, sweep.points + 1, parts):
            sweep.try_at(target, handler)
        sweep.report()


def _try_some(
    sweeps: list[Sweep], seconds: float, chosen: random.Random, handlers: list[str]
) -> None:
    ends_at = time.process_time() + seconds
    while time.process_time() < ends_at:
        sweep = chosen.choices(sweeps, [one.points for one in sweeps])[0]
        sweep.try_at(chosen.randrange(1, sweep.points + 1), chosen.choice(handlers))
    for sweep in sweeps:
        sweep.report()


if __name__ == "__main__":
    main()

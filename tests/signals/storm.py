"""Send real signals at random moments of calls, and check the result.

Run it by hand::

    python -m tests.signals.storm --seconds 60 --threads 2 --seed 7

Each call gets one signal. Its handler raises, or makes a call of its own. Other threads may use the
same Connection. The program exits with 1 if a call hangs, or leaves a connection, a refresh or a
lease behind.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import random
import signal
import sys
import threading
import time
from typing import Any

from tests.signals.works import ONCE, STORED, World, left_behind, world

logging.getLogger("teamwire_sync").setLevel(logging.CRITICAL)

PATIENCE = 30.0
HANDLERS = ("refresh", "look-up", "post", "cache_info")


class Interrupt(BaseException):
    """The exception that the handler raises."""


class Storm:
    """Signals in the calls of one Connection.

    Args:
        world: The server and the stores.
        store: The name of the store.
        chosen: The source of random numbers.
    """

    def __init__(self, world: World, store: str, chosen: random.Random) -> None:
        self.connection = world.connect(store)
        names = world.works if store == "none" else STORED
        self._works = {name: world.works[name] for name in names if name not in ONCE}
        self._all, self._chosen = world.works, chosen
        self.interrupted = self.handled = 0
        self.refused = 0
        self.problems: list[str] = []
        self._is_armed = False
        self._ends = threading.Event()

    def run(self, seconds: float, threads: int) -> None:
        """Send signals for *seconds*, while *threads* other threads make calls."""
        signal.signal(signal.SIGALRM, self._handle)
        others = [threading.Thread(target=self._work_on, daemon=True) for _ in range(threads)]
        for other in others:
            other.start()
        spans: dict[str, float] = {}
        for name, work in self._works.items():
            began = time.monotonic()
            for _ in range(5):
                work(self.connection)
            spans[name] = (time.monotonic() - began) / 5
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            name = self._chosen.choice(list(self._works))
            self._interrupt(name, spans[name])
            try:
                self._works[name](self.connection)
            except Exception as error:  # noqa: BLE001
                self.problems.append(f"the next {name}: {error!r}"[:200])
        self._ends.set()
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        for other in others:
            other.join()
        self.problems += left_behind(self.connection)
        faulthandler.cancel_dump_traceback_later()

    def _interrupt(self, name: str, span: float) -> None:
        try:
            try:
                self._is_armed = True
                signal.setitimer(signal.ITIMER_REAL, self._chosen.uniform(1e-5, 1.2 * span))
                self._works[name](self.connection)
            finally:
                self._is_armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupt:
            self.interrupted += 1
        except RuntimeError:
            self.refused += 1
        except Exception as error:  # noqa: BLE001
            self.problems.append(f"{name}: {error!r}"[:200])

    def _handle(self, *_: Any) -> None:
        if not self._is_armed:
            return
        self._is_armed = False
        if self._chosen.random() < 0.3:
            self.handled += 1
            name = self._chosen.choice(HANDLERS)
            try:
                if name == "cache_info":
                    self.connection.chats.cache_info()
                else:
                    self._all[name](self.connection)
            except RuntimeError:
                self.refused += 1
        else:
            raise Interrupt

    def _work_on(self) -> None:
        names = [name for name in self._works if name != "events"]
        chosen = random.Random(threading.get_ident())
        while not self._ends.is_set():
            try:
                self._works[chosen.choice(names)](self.connection)
            except Exception as error:  # noqa: BLE001, PERF203
                self.problems.append(f"another thread: {error!r}"[:200])


def main() -> None:
    """Send signals with each store, and exit with 1 after a problem."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60, help="for all stores together")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    options = parser.parse_args()
    chosen, wrong = random.Random(options.seed), 0
    print(f"Python {sys.version.split()[0]}, seed {options.seed}, {options.threads} threads beside")
    with world() as made:
        for store in made.stores:
            storm = Storm(made, store, chosen)
            storm.run(options.seconds / len(made.stores), options.threads)
            print(
                f"{store}: {storm.interrupted} calls interrupted, {storm.handled} with a call in "
                f"the handler, {storm.refused} refused by RuntimeError, "
                f"{len(storm.problems)} problems",
                flush=True,
            )
            for problem in sorted(set(storm.problems)):
                print(f"  {problem}: {storm.problems.count(problem)} times", flush=True)
            wrong += len(storm.problems)
    sys.stdout.flush()
    os._exit(bool(wrong))


if __name__ == "__main__":
    main()

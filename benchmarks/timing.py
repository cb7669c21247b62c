"""Measuring works beside each other, so that what else the machine does hits them all."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from typing import TYPE_CHECKING, Callable

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@frozen
class Scale:
    """How much of everything a run measures; a quick one only shows that all of it works.

    Attributes:
        rounds: Of what takes microseconds.
        lookups: In one round.
        requests: In one round.
        listings: Rounds of listings of `medium` chats.
        large_listings: Rounds of listings of `large` chats.
        changes: Rounds of refreshes after changes.
        imports: Fresh interpreters for each import.
        small: Chats of a small world.
        medium: Chats of a usual one.
        large: Chats of a large one.
    """

    rounds: int = 21
    lookups: int = 50_000
    requests: int = 30
    listings: int = 15
    large_listings: int = 7
    changes: int = 5
    imports: int = 25
    small: int = 100
    medium: int = 10_000
    large: int = 100_000


QUICK = Scale(
    rounds=3, lookups=2_000, requests=4, listings=2, large_listings=2, changes=1, imports=2,
    medium=2_000, large=4_000,
)  # fmt: skip


@frozen
class Sample:
    """Seconds that one piece of work took.

    Attributes:
        wall: On the clock on the wall.
        cpu: Of this process's processor time.
    """

    wall: float
    cpu: float


Samples = dict[str, list[Sample]]


@frozen
class Figure:
    """The middle of many measurements and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Summarise *values*."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


def timed(work: Callable[[], object], times: int = 1) -> Sample:
    """What one of *times* calls took. Garbage of earlier work is collected before."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sample(wall / times, cpu / times)


def looked_up(get: Callable[[str], object], keys: Sequence[str], count: int) -> Sample:
    """What one look-up took; the loop around it is counted for every candidate alike."""
    wanted = [keys[number % len(keys)] for number in range(count)]
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    for key in wanted:
        get(key)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sample(wall / count, cpu / count)


def looked_up_by_threads(
    get: Callable[[str], object], keys: Sequence[str], count: int, threads: int
) -> Sample:
    """What one look-up took while *threads* make *count* of them each."""
    wanted = [keys[number % len(keys)] for number in range(count)]
    gate = threading.Barrier(threads)
    # Each takes its own times: this thread would wait for the interpreter before it took any.
    times: list[float] = []

    def look_up() -> None:
        gate.wait()
        start = time.perf_counter()
        for key in wanted:
            get(key)
        times.extend((start, time.perf_counter()))

    workers = [threading.Thread(target=look_up) for _ in range(threads)]
    cpu = time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cpu = time.process_time() - cpu
    return Sample((max(times) - min(times)) / count / threads, cpu / count / threads)


def interleaved(works: Mapping[str, Callable[[], Sample]], rounds: int) -> Samples:
    """Measure all *works* in each round, beginning with another one each time."""
    names = list(works)
    samples: Samples = {name: [] for name in names}
    for name in names:
        works[name]()  # a first time that nobody counts
    for number in range(rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            samples[name].append(works[name]())
    return samples


def walls(samples: Iterable[Sample]) -> list[float]:
    """The times on the wall."""
    return [sample.wall for sample in samples]


def cpus(samples: Iterable[Sample]) -> list[float]:
    """The processor times."""
    return [sample.cpu for sample in samples]

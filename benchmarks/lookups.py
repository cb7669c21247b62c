"""Look-ups that are answered from memory."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from benchmarks.report import compare
from benchmarks.rivals import (
    CacheboxSnapshot,
    DictMethod,
    GuardedDict,
    LockedTtlCache,
    LockedTtlCacheItems,
    LoopThread,
    StandInAsyncSdk,
    decorated,
)
from benchmarks.timing import interleaved, looked_up, looked_up_by_threads, walls
from benchmarks.worlds import Pages
from teamwire_sync import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.report import Row
    from benchmarks.timing import Sample, Scale
    from benchmarks.worlds import World

# So few that the innermost cache of the processor keeps them, and all of the look-up is measured.
_HOT = 20
# As many as a program that posts in all of its chats goes through.
_MANY = 200
_THREADS = 8


def hot_rows(world: World, scale: Scale) -> list[Row]:
    """Look-ups by thread ID and by title in a usual world, again and again."""
    with world.connect() as connection:
        chats = connection.chats.get_subscriptions()
        by_tid = {chat.tid: chat for chat in chats}
        # The very strings of the listing: a rival's dict finds them by identity, at its fastest.
        tids = _sample(list(by_tid))
        get = connection.chats.get_by_thread_id
        rivals = {
            "dict": DictMethod(by_tid).get,
            "cachebox": CacheboxSnapshot(by_tid).get,
            "locked": LockedTtlCache(by_tid).get,
            "items": LockedTtlCacheItems(by_tid).get,
            "decorated": decorated(by_tid),
        }
        hot = _measure({"ours": get, **rivals}, tids, scale.rounds, scale.lookups)
        contended = interleaved(
            {
                name: _threads(method, tids, scale.lookups // 2)
                for name, method in (("ours", get), ("locked", rivals["locked"]))
            },
            max(3, scale.rounds // 3),
        )
        by_title: dict[str, list[Any]] = {}
        for chat in chats:
            if chat.title:
                by_title.setdefault(chat.title, []).append(chat)
        titles = _measure(
            {"ours": connection.chats.get_by_title, "dict": DictMethod(by_title).get},
            _sample(list(by_title)),
            scale.rounds,
            scale.lookups,
        )
        many = _measure(
            {"ours": get, "dict": DictMethod(by_tid).get},
            _sample(list(by_tid), _MANY), scale.rounds, scale.lookups,
        )  # fmt: skip
        many_titles = _measure(
            {"ours": connection.chats.get_by_title, "dict": DictMethod(by_title).get},
            _sample(list(by_title), _MANY), scale.rounds, scale.lookups,
        )  # fmt: skip
        driven = _driven(StandInAsyncSdk(by_tid), get, tids, scale)
    work = f"look-up by thread ID, hot, {world.chats:,} chats"
    in_threads = f"the same from {_THREADS} threads at once, each look-up"
    ours, shared = hot["ours"], walls(contended["ours"])
    return [
        compare("id_dict", work, ours, "a method around a dict", hot["dict"], at_most=3.5),
        compare(
            "id_cachebox", work, ours, "cachebox holding the snapshot", hot["cachebox"], at_most=1.3
        ),
        compare(
            "id_locked", work, ours, "TTLCache under a Lock", hot["locked"], at_least=5
        ),
        compare("id_items", work, ours, "the same with cache[key]", hot["items"]),
        compare(
            "id_decorated", work, ours, "cachetools.cached with lock and condition",
            hot["decorated"],
        ),
        compare(
            "threads_locked", in_threads, shared, "TTLCache under a Lock",
            walls(contended["locked"]), at_least=10,
        ),
        compare(
            "title_dict", f"look-up by title, hot, {world.chats:,} chats", titles["ours"],
            "a method around a dict", titles["dict"], at_most=5.5,
        ),
        compare(
            "id_dict_many", f"look-up by thread ID, {_MANY} of {world.chats:,} chats", many["ours"],
            "a method around a dict", many["dict"], at_most=3.5,
        ),
        compare(
            "title_dict_many", f"look-up by title, {_MANY} of {world.chats:,} chats",
            many_titles["ours"], "a method around a dict", many_titles["dict"], at_most=5.5,
        ),
        compare(
            "async_run", work, driven["ours"],
            "asyncio.run of a cached look-up in a stand-in for an async SDK", driven["run"],
        ),
        compare(
            "async_thread", work, driven["ours"],
            "the same coroutine sent to a loop in a thread", driven["thread"],
        ),
    ]  # fmt: skip


def size_rows(bodies: Sequence[bytes], scale: Scale) -> list[Row]:
    """Whether the number of chats matters, beyond what it does to a dict."""
    sizes = sorted({scale.small, min(1000, scale.medium), scale.medium, scale.large})
    connections = {
        size: Connection(transport=Pages(bodies, size))  # type: ignore[arg-type]
        for size in sizes
    }
    works: dict[str, Callable[[], Sample]] = {}
    for size, connection in connections.items():
        by_tid = {chat.tid: chat for chat in connection.chats.get_subscriptions()}
        tids = list(by_tid)
        random.Random(size).shuffle(tids)  # noqa: S311  the same order in each run
        for name, get in (
            ("ours", connection.chats.get_by_thread_id),
            ("dict", DictMethod(by_tid).get),
            ("guarded", GuardedDict(by_tid).get),
        ):
            works[f"{name} {size}"] = _lookup(get, tids, max(scale.lookups, size))
    samples = interleaved(works, max(3, scale.rounds // 2))
    figures = {name: walls(taken) for name, taken in samples.items()}
    for connection in connections.values():
        connection.close()
    rows = [
        compare(
            f"size_{name}", f"look-up by thread ID all over {size:,} chats",
            figures[f"ours {size}"], "a method around a dict of that size",
            figures[f"dict {size}"],
        )
        for name, size in zip(("least", "less", "more", "most"), sizes)
    ]  # fmt: skip
    extra = {
        name: [
            most - least
            for most, least in zip(figures[f"{name} {sizes[-1]}"], figures[f"{name} {sizes[0]}"])
        ]
        for name in ("ours", "guarded", "dict")
    }
    work = f"what {sizes[-1]:,} chats add to a look-up among {sizes[0]:,}"
    return [
        *rows,
        compare(
            "size_extra", work, extra["ours"], "what they add to a dict behind a clock and a count",
            extra["guarded"], at_most=1.25, paired=False,
        ),
        compare(
            "size_extra_bare", work, extra["ours"], "what they add to a bare dict's",
            extra["dict"], paired=False,
        ),
    ]  # fmt: skip


def _driven(
    sdk: StandInAsyncSdk, get: Callable[[str], Any], tids: Sequence[str], scale: Scale
) -> dict[str, list[float]]:
    thread = LoopThread()
    try:
        few = max(50, scale.lookups // 200)
        works = {
            "ours": _lookup(get, tids, scale.lookups),
            "run": _lookup(lambda tid: asyncio.run(sdk.get(tid)), tids, few),
            "thread": _lookup(lambda tid: thread.run(sdk.get(tid)), tids, few),
        }
        samples = interleaved(works, max(3, scale.rounds // 2))
        return {name: walls(taken) for name, taken in samples.items()}
    finally:
        thread.close()


def _measure(
    methods: dict[str, Callable[[str], Any]], keys: Sequence[str], rounds: int, count: int
) -> dict[str, list[float]]:
    works = {name: _lookup(method, keys, count) for name, method in methods.items()}
    return {name: walls(taken) for name, taken in interleaved(works, rounds).items()}


def _lookup(get: Callable[[str], Any], keys: Sequence[str], count: int) -> Callable[[], Sample]:
    return lambda: looked_up(get, keys, count)


def _threads(get: Callable[[str], Any], keys: Sequence[str], count: int) -> Callable[[], Sample]:
    return lambda: looked_up_by_threads(get, keys, count, _THREADS)


def _sample(keys: list[str], count: int = _HOT) -> list[str]:
    return random.Random(0).sample(keys, min(count, len(keys)))  # noqa: S311  the same in each run

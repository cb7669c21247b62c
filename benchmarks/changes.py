"""Refreshes after changes: beside a whole listing, and beside a refresh that finds nothing."""

from __future__ import annotations

import itertools
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Callable

from benchmarks.report import compare
from benchmarks.timing import Sample, cpus, interleaved, timed, walls
from benchmarks.worlds import Pages, pages_of
from teamwire_sync import Connection

if TYPE_CHECKING:
    from benchmarks.report import Row
    from benchmarks.timing import Scale
    from benchmarks.worlds import World
    from teamwire_sync import Chat

_COUNTS = (1, 10, 1000)
# The goals, by the world and the number of changes.
_OF_304 = {("medium", 1): 5.0, ("large", 1): 15.0}
_OF_LISTING = {("large", 1): 0.01}

USER = "rVRCfuQEtkgnZBZEgbHVji"

_numbers = itertools.count()


def change_rows(world: World, scale: Scale, key: str) -> list[Row]:
    """Refresh after another client has renamed 1, 10 or 1,000 chats of *world*.

    A world that has fewer chats of the bot's own gets more.
    """
    with (
        world.connect() as connection,
        world.connect() as writer,
        world.connect() as lister,
    ):
        bot = writer.check()
        own = [chat for chat in writer.chats.get_subscriptions() if bot in chat.admins]
        for number in range(len(own), max(_COUNTS)):
            title = f"a chat of the bot, {number}"
            own.append(writer.chats.create_chat(title=title, users=[USER]))
        chats = connection.chats.get_subscriptions()
        bodies = list(itertools.islice(pages_of(world), 2))
        decoder = Connection(transport=Pages(bodies))  # type: ignore[arg-type]
        by_tid = {chat.tid: chat for chat in chats}
        by_title = {chat.title: chat for chat in chats}

        def copy() -> object:
            return dict(by_tid), dict(by_title), tuple(chats)

        def decode() -> None:
            decoder.chats.invalidate()
            decoder.chats.get_by_thread_id("7MQKchz6wsSzmWTVnppGAc")

        def list_all() -> Sample:
            lister.chats.invalidate()
            return timed(lister.chats.get_subscriptions)

        def refresh() -> object:
            return connection.chats.get_subscriptions(refresh=True)

        works = {
            count: partial(_refreshed, refresh, own[:count], 5 if count < 1000 else 1)
            for count in _COUNTS
        }
        samples = interleaved(
            {
                "listing": list_all,
                "304": lambda: timed(refresh, scale.requests),
                "decoding": lambda: timed(lambda: (decode(), copy())),
                **{str(count): work for count, work in works.items()},
            },
            scale.changes,
        )
        decoder.close()
        info = connection.chats.cache_info()
        if info.listings != 1:
            message = f"{info.listings} whole listings instead of 1"
            raise RuntimeError(message)
    rows = []
    for count in _COUNTS:
        work = f"refresh after {count:,} change{'s' * (count > 1)}, {len(chats):,} chats"
        ours = walls(samples[str(count)])
        rows += [
            compare(
                f"changes_{key}_{count}", work, ours, "a refresh that finds nothing changed",
                walls(samples["304"]), at_most=_OF_304.get((key, count)),
            ),
            compare(
                f"changes_{key}_{count}_listing", work, ours, "a listing by the same client",
                walls(samples["listing"]), at_most=_OF_LISTING.get((key, count)),
            ),
        ]  # fmt: skip
    return [
        *rows,
        compare(
            f"changes_{key}_cpu", f"{work}: the client's CPU", cpus(samples[str(count)]),
            "decoding 1,000 chats, and copies of both indexes", cpus(samples["decoding"]),
            at_most=2,
        ),
    ]  # fmt: skip


def _refreshed(refresh: Callable[[], object], chats: list[Chat], times: int) -> Sample:
    """Return the mean time of a refresh after a change of all *chats*, of *times* refreshes."""
    samples = []
    for _ in range(times):
        number = next(_numbers)
        for chat in chats:
            chat.set_title(f"chat {chat.tid} {number}")
        samples.append(timed(refresh))
    return Sample(mean(walls(samples)), mean(cpus(samples)))

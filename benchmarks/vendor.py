"""The vendor's async SDK as the transport: what a hit costs, and what a listing costs beside it.

What is driven is the double of the tests: the vendor's package is not to be had everywhere.
"""

from __future__ import annotations

import importlib
import os
import random
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks.report import compare
from benchmarks.timing import cpus, interleaved, looked_up, timed, walls
from teamwire_sync import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.report import Row
    from benchmarks.timing import Sample, Scale
    from benchmarks.worlds import World

_DOUBLE = Path(__file__).parents[1] / "tests" / "support" / "vendor_double"
_HOT = 20


def vendor_rows(world: World, scale: Scale) -> list[Row]:
    """Hits and whole listings."""
    with _double(world) as factory:
        return [*_hits(world, factory, scale), *_listings(world, factory, scale.listings)]


@contextmanager
def _double(world: World) -> Iterator[Callable[[], Any]]:
    """Makes connections of the double to *world*."""
    own = {"DOUBLE_URL": world.url, "DOUBLE_APP_ID": world.app_id, "DOUBLE_SECRET": world.secret}
    with (
        patch.dict(os.environ, own),
        patch.object(sys, "path", [str(_DOUBLE), *sys.path]),
    ):
        yield importlib.import_module("teamwire_api").Connection


def _hits(world: World, factory: Callable[[], Any], scale: Scale) -> list[Row]:
    with world.connect() as http, Connection.from_vendor(factory) as vendor:
        chats = http.chats.get_subscriptions()
        vendor.chats.get_subscriptions()
        tids = [chat.tid for chat in chats]
        titles = list({chat.title for chat in chats if chat.title})
        rows = []
        for key, name, keys in (
            ("id", "get_by_thread_id", tids),
            ("title", "get_by_title", sorted(titles)),
        ):
            # The same in each run.
            hot = random.Random(0).sample(keys, min(_HOT, len(keys)))  # noqa: S311
            samples = interleaved(
                {
                    "vendor": _lookups(getattr(vendor.chats, name), hot, scale.lookups),
                    "http": _lookups(getattr(http.chats, name), hot, scale.lookups),
                },
                scale.rounds,
            )
            word = "thread ID" if key == "id" else "title"
            rows.append(
                compare(
                    f"vendor_{key}",
                    f"look-up by {word}, hot, {world.chats:,} chats, through the vendor's SDK",
                    walls(samples["vendor"]), "the same over HTTP", walls(samples["http"]),
                    at_most=1.1,
                )
            )  # fmt: skip
        return rows


def _listings(world: World, factory: Callable[[], Any], rounds: int) -> list[Row]:
    with Connection.from_vendor(factory) as connection, factory() as theirs:
        samples = interleaved(
            {
                "ours": lambda: _listed(connection),
                "theirs": lambda: timed(
                    lambda: theirs.exec_async(theirs.chats.get_subscriptions())
                ),
            },
            rounds,
        )
    work = f"cold listing, {world.chats:,} chats, through the vendor's SDK"
    rival = "exec_async(get_subscriptions()) of the same SDK"
    ours, bare = samples["ours"], samples["theirs"]
    return [
        compare("vendor_listing", work, walls(ours), rival, walls(bare)),
        compare(
            "vendor_listing_cpu", f"{work}: the client's CPU", cpus(ours), rival, cpus(bare)
        ),
    ]  # fmt: skip


def _listed(connection: Connection) -> Sample:
    # Freeing the last listing is no part of the next one, on neither side.
    connection.chats.invalidate()
    return timed(connection.chats.get_subscriptions)


def _lookups(get: Callable[[str], Any], keys: list[str], count: int) -> Callable[[], Sample]:
    return lambda: looked_up(get, keys, count)

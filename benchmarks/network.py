"""Requests: whole listings, refreshes that find nothing changed, and single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report import compare
from benchmarks.rivals import (
    caching_session,
    naive_decoding,
    naive_listing,
    plain_session,
    scan,
)
from benchmarks.timing import cpus, interleaved, looked_up, timed, walls
from benchmarks.worlds import CHATS_PATH, ME_PATH, Pages
from teamwire_sync import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import requests

    from benchmarks.report import Row
    from benchmarks.timing import Sample, Scale
    from benchmarks.worlds import World

_CPU_OF_NAIVE = {"large": 0.6}
_NAIVE = "requests.Session, response.json(), attrs(**d), two dicts"


def listing_rows(world: World, rounds: int, key: str) -> list[Row]:
    """List all the chats of *world* anew."""
    with (
        world.connect() as connection,
        plain_session(world) as as_shipped,
        plain_session(world, trust_env=False) as untrusting,
    ):
        samples = interleaved(
            {
                "ours": lambda: _listed(connection),
                "as shipped": lambda: timed(lambda: naive_listing(as_shipped, world)),
                "untrusting": lambda: timed(lambda: naive_listing(untrusting, world)),
            },
            rounds,
        )
    work = f"cold listing, {world.chats:,} chats"
    ours, theirs = samples["ours"], samples["as shipped"]
    return [
        compare(f"listing_{key}", work, walls(ours), _NAIVE, walls(theirs), at_most=1),
        compare(
            f"listing_{key}_untrusting", work, walls(ours), "the same with trust_env=False",
            walls(samples["untrusting"]),
        ),
        compare(
            f"listing_{key}_cpu", f"{work}: the client's CPU", cpus(ours), _NAIVE, cpus(theirs),
            at_most=_CPU_OF_NAIVE.get(key),
        ),
    ]  # fmt: skip


def decoding_row(bodies: Sequence[bytes], chats: int, rounds: int, key: str) -> Row:
    """Decode and index the pages of a listing that are there already."""
    connection = Connection(transport=Pages(bodies))  # type: ignore[arg-type]
    samples = interleaved(
        {
            "ours": lambda: _listed(connection),
            "naive": lambda: timed(lambda: naive_decoding(bodies)),
        },
        rounds,
    )
    connection.close()
    return compare(
        f"decoding_{key}", f"decode and index {chats:,} chats, CPU", cpus(samples["ours"]),
        "json.loads, attrs(**d), two dicts", cpus(samples["naive"]), at_most=1,
    )  # fmt: skip


def refresh_rows(world: World, scale: Scale) -> list[Row]:
    """Refresh when nothing has changed."""
    with (
        world.connect() as connection,
        world.connect() as lister,
        plain_session(world) as as_shipped,
        plain_session(world, trust_env=False) as untrusting,
    ):
        chats = connection.chats
        samples = interleaved(
            {
                "ours": lambda: timed(
                    lambda: chats.get_subscriptions(refresh=True), scale.requests
                ),
                "as shipped": unchanged(as_shipped, world, scale.requests),
                "untrusting": unchanged(untrusting, world, scale.requests),
            },
            scale.rounds,
        )
        listings = interleaved({"ours": lambda: _listed(lister)}, max(2, scale.listings // 3))
    work = f"refresh that finds nothing changed, {world.chats:,} chats"
    ours, theirs = samples["ours"], samples["as shipped"]
    return [
        compare(
            "refresh_listing", work, walls(ours), "a listing by the same client",
            walls(listings["ours"]), at_least=25, paired=False,
        ),
        compare(
            "refresh_304", work, walls(ours), "a bare 304 by requests", walls(theirs), at_most=1.2
        ),
        compare(
            "refresh_304_cpu", f"{work}: the client's CPU", cpus(ours), "a bare 304 by requests",
            cpus(theirs),
        ),
        compare(
            "refresh_304_untrusting", work, walls(ours), "the same with trust_env=False",
            walls(samples["untrusting"]),
        ),
    ]  # fmt: skip


def request_rows(world: World, scale: Scale) -> list[Row]:
    """One small request."""
    with (
        world.connect() as connection,
        plain_session(world, retries=3) as as_shipped,
        plain_session(world, retries=3, trust_env=False) as untrusting,
    ):
        url = world.url + ME_PATH
        samples = interleaved(
            {
                "ours": lambda: timed(connection.check, scale.requests),
                "as shipped": lambda: timed(
                    lambda: as_shipped.get(url, timeout=10).content, scale.requests
                ),
                "untrusting": lambda: timed(
                    lambda: untrusting.get(url, timeout=10).content, scale.requests
                ),
            },
            scale.rounds,
        )
    rival = "requests.Session.get with max_retries=Retry(3)"
    ours, theirs = samples["ours"], samples["as shipped"]
    work = "one small request (check)"
    return [
        compare("request", work, walls(ours), rival, walls(theirs), at_most=1),
        compare("request_cpu", f"{work}: the client's CPU", cpus(ours), rival, cpus(theirs)),
        compare(
            "request_untrusting", work, walls(ours), "the same with trust_env=False",
            walls(samples["untrusting"]),
        ),
    ]  # fmt: skip


def uncached_rows(world: World, rounds: int, key: str) -> list[Row]:
    """Look a chat up as a client without an index does."""
    with (
        world.connect() as connection,
        plain_session(world) as uncached,
        caching_session(world) as cached,
    ):
        # In the middle: what a scan finds on the average.
        chats = connection.chats.get_subscriptions()
        tid = chats[len(chats) // 2].tid
        samples = interleaved(
            {
                "ours": lambda: looked_up(connection.chats.get_by_thread_id, [tid], 1000),
                "uncached": lambda: timed(lambda: scan(uncached, world, tid)),
                "cached": lambda: timed(lambda: scan(cached, world, tid)),
            },
            rounds,
        )
    work = f"look-up by thread ID, hot, {world.chats:,} chats"
    ours = walls(samples["ours"])
    return [
        compare(
            f"uncached_{key}", work, ours, "no cache: requests, json, scan to the middle",
            walls(samples["uncached"]),
        ),
        compare(
            f"requests_cache_{key}", work, ours, "requests-cache in memory, json, the same scan",
            walls(samples["cached"]),
        ),
    ]  # fmt: skip


def unchanged(session: requests.Session, world: World, times: int) -> Callable[[], Sample]:
    """Asks whether the chats have changed, *times* times; they have not."""
    url = world.url + CHATS_PATH
    headers = {"If-None-Match": session.get(url, timeout=60).headers["ETag"]}

    def ask() -> None:
        response = session.get(url, headers=headers, timeout=15)
        if response.status_code != 304:
            message = f"not a 304, but {response.status_code}"
            raise RuntimeError(message)

    return lambda: timed(ask, times)


def _listed(connection: Connection) -> Sample:
    # Freeing the last listing is no part of the next one, on neither side.
    connection.chats.invalidate()
    return timed(lambda: connection.chats.get_by_thread_id("7MQKchz6wsSzmWTVnppGAc"))

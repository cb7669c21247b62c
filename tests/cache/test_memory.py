"""What the cache lets go."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

from teamwire_sync._load import Listing
from tests.support.builders import make_chat

if TYPE_CHECKING:
    from teamwire_sync._cache import ChatCache
    from teamwire_sync._load import Load


def test_a_connection_that_is_refreshed_two_hundred_times_keeps_one_listing(
    cache: ChatCache,
) -> None:
    seen = []

    def load(load: Load) -> Listing:
        chats = {f"t{n}": make_chat(f"t{n}", f"title {n}") for n in range(10_000)}
        seen.append(weakref.ref(chats["t5000"]))
        return Listing(chats, str(len(seen)))

    cache._load = load
    for _ in range(200):
        cache.all(None, refresh=True)
    gc.collect()

    assert [ref() is not None for ref in seen] == [False] * 199 + [True]


def test_closing_frees_the_view(cache: ChatCache) -> None:
    kept = weakref.ref(cache.all(None)[0])
    cache._load.__self__._chats.clear()
    cache.close()
    gc.collect()

    assert kept() is None

"""What the cache lets go."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Callable

from teamwire_sync._cache.listing import Listing
from tests.support.builders import make_chat, make_user
from tests.support.chat_server import by_title

if TYPE_CHECKING:
    from teamwire_sync import Chat
    from teamwire_sync._cache.chat_cache import ChatCache
    from teamwire_sync._cache.listing import ListingRequest
    from tests.support.chat_server import ChatServer


def test_a_connection_that_is_refreshed_two_hundred_times_keeps_one_listing(
    make_cache: Callable[..., ChatCache],
) -> None:
    seen = []

    def load(load: ListingRequest) -> Listing:
        chats = {f"t{n}": make_chat(f"t{n}", f"title {n}") for n in range(10)}
        seen.append(weakref.ref(chats["t5"]))
        return Listing(chats, str(len(seen)))

    cache = make_cache(read=load)
    for _ in range(200):
        cache.all(None, refresh=True)
    gc.collect()

    assert [ref() is not None for ref in seen] == [False] * 199 + [True]


def test_a_user_in_a_hundred_chats_is_one_object_after_each_of_them_has_changed(
    cache: ChatCache, server: ChatServer
) -> None:
    """A response with one changed chat has its own object for each of the users."""

    def decoded(number: int, title: str) -> Chat:
        return make_chat(f"c{number}", title, users=tuple(map(make_user, "abc")))

    users = tuple(map(make_user, "abc"))
    for number in range(100):
        server.put(make_chat(f"c{number}", "before", users=users))
    cache.all(None)
    for number in range(100):
        server.put(decoded(number, "after"))
        cache.all(None, refresh=True)
    chats = by_title(cache, "after")

    assert len(chats) == 100
    assert len({id(user) for chat in chats for user in chat.users}) == 3


def test_closing_frees_the_view(cache: ChatCache, server: ChatServer) -> None:
    (kept, _) = map(weakref.ref, cache.all(None))
    server.remove("t1")
    cache.close()
    gc.collect()

    assert kept() is None

"""A signal handler uses the cache at each point of another use. Look-ups show both changes."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

import teamwire_sync
from teamwire_sync import TWDeliveryUnknownError, TWRequestError
from tests.support.builders import make_chat
from tests.support.chat_server import by_tid, by_title, change, create, fail_to_create, hear, leave
from tests.support.points import Tracer

if TYPE_CHECKING:
    from teamwire_sync._cache.chat_cache import ChatCache
    from tests.support.builders import Clock
    from tests.support.chat_server import ChatServer

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 10),
    reason="Python 3.9 may run a handler between a comparison and the assignment after it",
)

_CACHE = str(Path(teamwire_sync.__file__).parent / "_cache")

UNO, ZWEI, THREE = make_chat("t1", "uno"), make_chat("t2", "zwei"), make_chat("t3", "three")

# The uses, and the title of the chat t1 that look-ups find after each.
USES: dict[str, tuple[Callable[[ChatCache], object], str | None]] = {
    "create": (lambda cache: create(cache, THREE), "one"),
    "change": (lambda cache: change(cache, UNO), "uno"),
    "leave": (lambda cache: leave(cache, "t1"), None),
    "event": (lambda cache: hear(cache, "t1", UNO), "uno"),
    "refused": (lambda cache: fail_to_create(cache, TWRequestError("no")), "one"),
    "look-up": (lambda cache: by_title(cache, "nothing"), "one"),
    "refresh": (lambda cache: cache.all(None, refresh=True), "one"),
}
HANDLERS: dict[str, Callable[[ChatCache], object]] = {
    "change": lambda cache: change(cache, ZWEI),
    "event": lambda cache: hear(cache, "t2", ZWEI),
}


def traced(tracer: Any, work: Callable[[], object]) -> None:
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        work()
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("use", USES)
def test_look_ups_show_the_change_of_the_use_and_of_the_handler(
    make_cache: Callable[[], ChatCache], server: ChatServer, use: str, handler: str
) -> None:
    """The server's list shows neither change, so the changes come from facts."""
    work, title = USES[use]
    target, tried = 1, True
    while tried:
        cache = make_cache()
        cache.all(None)
        server.put(make_chat("t4", f"change {target}"))  # so a refresh brings changes

        def handle(cache: ChatCache = cache) -> None:
            HANDLERS[handler](cache)

        tracer = Tracer(lambda name: name.startswith(_CACHE), target, handle)
        traced(tracer, lambda cache=cache: work(cache))  # type: ignore[misc]
        tried, target = bool(tracer.where), target + 1
        one, two = by_tid(cache, "t1"), by_tid(cache, "t2")

        assert (one.title if one else None) == title, tracer.where
        if tried:
            assert two is not None
            assert two.title == "zwei", tracer.where
            assert by_title(cache, "two") == (), tracer.where
    assert target > 5  # there were points to try


@pytest.mark.parametrize("use", USES)
def test_a_refresh_of_a_handler_may_end_the_last_doubt(
    make_cache: Callable[[], ChatCache], clock: Clock, use: str
) -> None:
    work, title = USES[use]
    target, tried = 1, True
    while tried:
        cache = make_cache()
        fail_to_create(cache, TWDeliveryUnknownError("lost"))
        clock.advance(1000)

        def handle(cache: ChatCache = cache) -> None:
            with suppress(RuntimeError):  # a refresh of the interrupted call is in progress
                cache.all(None, refresh=True)

        tracer = Tracer(lambda name: name.startswith(_CACHE), target, handle)
        traced(tracer, lambda cache=cache: work(cache))  # type: ignore[misc]
        tried, target = bool(tracer.where), target + 1
        found = by_tid(cache, "t1")

        assert (found.title if found else None) == title, tracer.where
    assert target > 5

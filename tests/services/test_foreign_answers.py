"""Responses of something between the client and the server, after the server has responded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import pytest

from teamwire_sync import (
    ConnectionConfig,
    TWNotFoundError,
    TWProtocolError,
    TWUnsupportedError,
)
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from tests.support.builders import Clock

if TYPE_CHECKING:
    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox

LISTING = ("GET", "/v1/bot/chats/")
CREATE = ("POST", "/v1/bot/chats/")
PAGES: dict[str, dict[str, Any]] = {
    "404": {"status": 404, "body": "default backend - 404"},
    "404 in the contract's words": {"status": 404},
    "HTML": {"status": 200, "body": "<html>Sign in</html>"},
    "302": {"status": 302, "headers": {"Location": "https://portal.example/"}},
    "403": {"status": 403, "body": "<html>blocked</html>"},
    "408": {"status": 408, "body": ""},
    "500": {"status": 500, "body": "<html>lighttpd</html>"},
    "520": {"status": 520, "body": "<html>CDN</html>"},
}
each_page = pytest.mark.parametrize("page", PAGES)


def foreign(page: dict[str, Any]) -> dict[str, Any]:
    """A fault of the sandbox without the header of the contract."""
    return {**page, "headers": {**page.get("headers", {}), "Teamwire-Bot-Contract": None}}


@pytest.fixture
def clock() -> Clock:
    """The clock of the caches."""
    return Clock()


def connect(box: Sandbox, clock: Clock | None = None, **settings: Any) -> Connection:
    """A Connection that has had a response of the server."""
    connection = box.connect(config=ConnectionConfig(retries=0, **settings), clock=clock)
    connection.check()
    return connection


class TestListing:
    @each_page
    def test_that_fails_is_no_missing_chat(self, page: str, box: Sandbox, clock: Clock) -> None:
        connection = connect(box, clock, cache_ttl=0)
        box.fault(*LISTING, **foreign(PAGES[page]))
        with pytest.raises(Exception) as caught:  # noqa: PT011  each type but one
            connection.chats.one_by_title("new")

        assert not isinstance(caught.value, TWNotFoundError)

    def test_that_the_server_does_not_find_is_no_missing_chat(self, box: Sandbox) -> None:
        connection = connect(box)
        box.fault(*LISTING, status=404)
        with pytest.raises(TWProtocolError, match=r"does the URL point to the bot API\?$"):
            connection.chats.one_by_title("new")

    def test_that_fails_makes_no_chat_twice(self, box: Sandbox, clock: Clock) -> None:
        connection = connect(box, clock, cache_ttl=0)

        def take_or_create() -> None:
            try:
                connection.chats.one_by_title("new")
            except TWNotFoundError:
                connection.chats.create_chat(title="new", users=[KNOWN_USER])

        take_or_create()
        box.fault(*LISTING, times=1, **foreign(PAGES["404"]))
        with pytest.raises(TWProtocolError):
            take_or_create()
        clock.advance(60)
        take_or_create()

        assert box.count(*CREATE) == 1

    @each_page
    def test_that_fails_is_replaced_by_the_last_one(
        self, page: str, box: Sandbox, clock: Clock
    ) -> None:
        connection = connect(box, clock, stale_if_error=600, cache_ttl=10)
        chats = connection.chats.get_subscriptions()
        box.fault(*LISTING, **foreign(PAGES[page]))
        clock.advance(11)

        assert connection.chats.get_subscriptions() == chats
        assert connection.chats.cache_info().stale_serves == 1

    def test_that_ends_with_a_401_leaves_nothing_in_memory(
        self, box: Sandbox, clock: Clock
    ) -> None:
        connection = connect(box, clock, stale_if_error=600, cache_ttl=10)
        connection.chats.get_subscriptions()
        box.fault(*LISTING, **foreign({"status": 401, "body": "<html>Sign in</html>"}))
        clock.advance(11)
        with pytest.raises(TWProtocolError):
            connection.chats.get_subscriptions()

        assert connection.chats.cache_info().chats == 0

    def test_of_groups_that_ends_with_a_401_is_not_replaced(
        self, box: Sandbox, clock: Clock
    ) -> None:
        connection = connect(box, clock, recheck_after=0)
        connection.groups.get_all()
        box.fault("GET", "/v1/bot/groups/", **foreign({"status": 401, "body": ""}))
        clock.advance(1)
        with pytest.raises(TWProtocolError):
            connection.groups.find("nothing has this title")


READS: dict[str, tuple[str, Callable[[Connection], object]]] = {
    "a user": ("/v1/bot/users/*/", lambda one: one.users.get_user("u0")),
    "a group": ("/v1/bot/groups/*/", lambda one: one.groups.get_group("g0")),
    "messages": ("/v1/bot/chats/*/messages/", lambda one: one.chats.at("t0").get_messages()),
    "events": ("/v1/bot/events/", lambda one: one.events()),
    "users": ("/v1/bot/users/", lambda one: one.users.get_all()),
    "groups": ("/v1/bot/groups/", lambda one: one.groups.get_all()),
    "me": ("/v1/bot/me/", lambda one: one.check()),
}


@pytest.mark.parametrize("what", READS)
def test_a_404_says_nothing_about_an_object(what: str, box: Sandbox) -> None:
    path, read = READS[what]
    connection = connect(box)
    box.fault("GET", path, **foreign({"status": 404}))
    with pytest.raises(TWProtocolError) as caught:
        read(connection)

    assert caught.value._is_foreign


class TestWrite:
    @pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 405, 408, 413, 422])
    def test_that_was_refused_on_the_way_has_no_effect_on_the_cache(
        self, status: int, box: Sandbox
    ) -> None:
        connection = connect(box)
        chats = connection.chats.get_subscriptions()
        box.fault(*CREATE, **foreign({"status": status, "body": "<html>no</html>"}))
        with pytest.raises(TWProtocolError):
            connection.chats.create_chat(title="new", users=[KNOWN_USER])
        connection.chats.get_by_thread_id(chats[0].tid)

        assert box.count(*LISTING) == (2 if status == 401 else 1)

    def test_that_the_server_does_not_support_has_none_either(self, box: Sandbox) -> None:
        connection = connect(box)
        chats = connection.chats.get_subscriptions()
        box.fault(*CREATE, status=501)
        with pytest.raises(TWUnsupportedError):
            connection.chats.create_chat(title="new", users=[KNOWN_USER])
        connection.chats.get_by_thread_id(chats[0].tid)

        assert box.count(*LISTING) == 1

    def test_whose_chat_a_proxy_does_not_find_does_not_hide_the_chat(self, box: Sandbox) -> None:
        connection = connect(box)
        chat = connection.chats.get_subscriptions()[0]
        box.fault("POST", "/v1/bot/chats/*/messages/", **foreign({"status": 404}))
        with pytest.raises(TWProtocolError):
            chat.post("hello")

        assert connection.chats.get_by_thread_id(chat.tid) == chat
        assert box.count(*LISTING) == 1

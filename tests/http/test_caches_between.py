"""A session of the caller that caches responses: nothing of ours may come from its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import Connection, ConnectionConfig, TWAuthError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import Sandbox, sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

requests_cache = pytest.importorskip("requests_cache")

SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "for ever": {"expire_after": -1},
    "by the headers of the server": {"cache_control": True},
    "revalidating": {"expire_after": 300, "always_revalidate": True},
    "stale after errors": {"expire_after": 1, "stale_if_error": True},
    "stale meanwhile": {"expire_after": 1, "stale_while_revalidate": True},
    "all methods and statuses": {
        "expire_after": 300,
        "allowable_methods": ("GET", "POST", "PATCH", "DELETE"),
        "allowable_codes": (200, 304, 401, 404),
    },
    "by all headers": {"expire_after": 300, "match_headers": True},
}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=5, seed=7) as box:
        yield box


@pytest.fixture(params=SETTINGS)
def session(request: pytest.FixtureRequest) -> Iterator[requests.Session]:
    settings = SETTINGS[request.param]
    with requests_cache.CachedSession(backend="memory", **settings) as session:
        yield session


@pytest.fixture
def connect(box: Sandbox, session: requests.Session) -> Iterator[Callable[..., Connection]]:
    """Makes a Connection over the session, without a cache of its own."""
    made = []
    known = {"app_id": box.app_id, "secret": box.secret, "url": box.url}

    def one(**arguments: Any) -> Connection:
        config = ConnectionConfig(cache_ttl=0, retries=0)
        made.append(Connection(**{**known, **arguments}, session=session, config=config))
        return made[-1]

    yield one
    for connection in made:
        connection.close()


def test_an_own_message_is_in_the_messages(connect: Callable[..., Connection]) -> None:
    chat = connect().chats.at(KNOWN_CHAT)
    before = len(chat.get_messages(50))
    posted = [chat.post("the same text").mid for _ in range(2)]

    assert [message.mid for message in chat.get_messages(50)[:2]] == posted[::-1]
    assert len(chat.get_messages(50)) == before + 2


def test_an_own_chat_is_in_the_list(connect: Callable[..., Connection]) -> None:
    connection = connect()
    connection.chats.get_subscriptions()
    made = connection.chats.create_chat(title="new", users=[KNOWN_USER])

    assert connect().chats.one_by_title("new").tid == made.tid


def test_a_user_who_has_gone_is_asked_for_again(
    box: Sandbox, connect: Callable[..., Connection]
) -> None:
    assert connect().users.get_user(KNOWN_USER) is not None
    before = len(box.requests)
    connect().users.get_user(KNOWN_USER)

    assert len(box.requests) == before + 1


def test_the_chats_of_another_bot_are_not_shown(connect: Callable[..., Connection]) -> None:
    connect().chats.get_subscriptions()
    with pytest.raises(TWAuthError):
        connect(secret="wrong").chats.get_subscriptions()


def test_an_old_event_does_not_come_again(box: Sandbox, connect: Callable[..., Connection]) -> None:
    cursor = connect().events(timeout=5).cursor
    texts = []
    for text in ("first", "second"):
        box.post_message(KNOWN_CHAT, text)
        stream = connect().events(since=cursor, timeout=30)
        texts.append(next(iter(stream)).message.msg)
        cursor = stream.cursor

    assert texts == ["first", "second"]


def test_what_the_program_has_cached_itself_is_not_used(
    box: Sandbox, session: requests.Session, connect: Callable[..., Connection]
) -> None:
    chat = connect().chats.at(KNOWN_CHAT)
    url = f"{box.url}/v1/bot/chats/{KNOWN_CHAT}/messages/?limit=50"
    session.get(url, auth=(box.app_id, box.secret))
    posted = chat.post("new")

    assert chat.get_messages(50)[0] == posted


def test_nothing_of_ours_stays_in_the_cache(
    session: Any, connect: Callable[..., Connection]
) -> None:
    connection = connect()
    connection.chats.get_subscriptions()
    connection.chats.at(KNOWN_CHAT).post("hello")

    assert list(session.cache.responses) == []

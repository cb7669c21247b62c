"""Behind an nginx that caches: the server's answers tell it to keep nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import Connection, ConnectionConfig, TWAuthError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import Sandbox, sandbox
from tests.support.proxies import nginx
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

HTTP = """
proxy_cache_path {folder}/cache keys_zone=bots:1m;
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass {upstream};
        proxy_cache bots;
        proxy_cache_valid 200 1m;
        add_header X-Cache $upstream_cache_status always;
    }}
}}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=5, seed=7) as box:
        yield box


@pytest.fixture
def url(box: Sandbox, tmp_path: Path) -> Iterator[str]:
    """The address of the proxy."""
    names = {"folder": tmp_path, "upstream": box.url}
    with nginx(tmp_path, lambda port: HTTP.format(port=port, **names)) as (host, port):
        yield f"http://{host}:{port}"


@pytest.fixture
def connect(url: str, box: Sandbox) -> Iterator[Callable[..., Connection]]:
    """Makes a Connection through the proxy, without a cache of its own."""
    made = []

    def one(secret: str = box.secret) -> Connection:
        config = ConnectionConfig(cache_ttl=0, default_timeout=PATIENCE)
        made.append(Connection(box.app_id, secret, url, config=config))
        return made[-1]

    yield one
    for connection in made:
        connection.close()


def test_the_proxy_caches_what_it_may(url: str, box: Sandbox) -> None:
    box.fault("GET", "/health", times=None, headers={"Cache-Control": None})
    found = [requests.get(f"{url}/health", timeout=PATIENCE).headers["X-Cache"] for _ in range(2)]

    assert found == ["MISS", "HIT"]


def test_own_messages_and_chats_are_shown(connect: Callable[..., Connection]) -> None:
    chat = connect().chats.at(KNOWN_CHAT)
    before = len(chat.get_messages(50)), len(connect().chats.get_subscriptions())
    chat.post("hello")
    connect().chats.create_chat(title="new", users=[KNOWN_USER])
    after = len(chat.get_messages(50)), len(connect().chats.get_subscriptions())

    assert after == (before[0] + 1, before[1] + 1)


def test_a_wrong_secret_shows_no_chats(connect: Callable[..., Connection]) -> None:
    connect().chats.get_subscriptions()
    with pytest.raises(TWAuthError):
        connect("wrong").chats.get_subscriptions()

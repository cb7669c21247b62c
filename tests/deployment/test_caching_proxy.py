"""Behind an nginx that caches: the server's answers tell it to keep nothing."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import Connection, ConnectionConfig, TWAuthError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from teamwire_sync.testing import Sandbox, sandbox
from tests.support.needed import missing
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

# The user counts only if the tests run as root: others may not read the folder of the test.
CONFIG = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
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
}}
"""


@pytest.fixture(scope="session")
def nginx() -> str:
    """The path of nginx."""
    path = shutil.which("nginx", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if path is None:
        missing("nginx")
    return path


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=5, seed=7) as box:
        yield box


@pytest.fixture
def url(nginx: str, box: Sandbox, tmp_path: Path) -> Iterator[str]:
    """The address of the proxy."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
        config = tmp_path / "nginx.conf"
        config.write_text(CONFIG.format(folder=tmp_path, port=port, upstream=box.url))
        # It inherits a socket that listens already: no port that somebody else could take.
        process = subprocess.Popen(
            [nginx, "-c", config, "-e", tmp_path / "error.log"],
            pass_fds=[listening.fileno()],
            env={**os.environ, "NGINX": f"{listening.fileno()};"},
        )
    with process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


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

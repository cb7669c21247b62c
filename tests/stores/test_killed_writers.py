"""Processes that are killed during a write, or paused during a listing, with a real store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import ConnectionConfig
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.support.store_workers import store_at
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox
    from tests.support.redis_process import RedisProcess

LIST = ("GET", "/v1/bot/chats/")
KILLS = int(os.environ.get("STORE_KILLS", "20"))
TITLE = "daily report"
# A short lease, so that other processes do not wait long for a paused process.
LEASE = 0.5
GET_OR_CREATE = f"""
import sys
from teamwire_sync import Connection

with Connection() as connection:
    if not connection.chats.get_by_title(sys.argv[1]):
        connection.chats.create_chat(title=sys.argv[1], users=[{KNOWN_USER!r}])
"""
RENAME = """
import sys
from teamwire_sync import Connection

with Connection() as connection:
    connection.chats.at(sys.argv[1]).set_title("renamed")
"""
ALL = f"""
from teamwire_sync import Connection
from teamwire_sync._stores import sharing

sharing.LEASE = {LEASE}
with Connection() as connection:
    connection.chats.get_subscriptions()
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=20) as box:
        yield box


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The value of TEAMWIRE_STORE for a store that processes share."""
    if getattr(request, "param", "file") == "file":
        return f"file:{tmp_path / 'store'}"
    server: RedisProcess = request.getfixturevalue("redis_server")
    return server.url


class Scripts:
    """Runs scripts that use the server and the store."""

    def __init__(self, box: Sandbox, store: str) -> None:
        self._box, self._store = box, store
        self._env = {**os.environ, **box.env, "TEAMWIRE_STORE": store}

    def connect(self) -> Connection:
        """Return the Connection of a long process, which checks the store at each look-up."""
        config = ConnectionConfig(store_check_interval=0)
        return self._box.connect(store=store_at(self._store), config=config)

    def start(self, code: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, *arguments], env=self._env)

    def run(self, code: str, *arguments: str) -> None:
        with self.start(code, *arguments) as script:
            assert script.wait(PATIENCE) == 0

    def kill_in(self, request: tuple[str, str], code: str, *arguments: str) -> None:
        """Kill a script when the server has done its *request*, but has not responded."""
        with self._box.hold(*request) as held, self.start(code, *arguments) as script:
            try:
                held.wait_arrived(timeout=PATIENCE)
            finally:
                script.kill()


@pytest.fixture
def scripts(box: Sandbox, store: str) -> Scripts:
    return Scripts(box, store)


def made(box: Sandbox, title: str) -> int:
    with box.connect() as connection:
        return len(connection.chats.get_by_title(title))


def test_a_script_that_was_killed_during_a_creation_creates_no_second_chat(
    box: Sandbox, scripts: Scripts
) -> None:
    scripts.kill_in(("POST", "/v1/bot/chats/"), GET_OR_CREATE, TITLE)
    scripts.run(GET_OR_CREATE, TITLE)

    assert made(box, TITLE) == 1


@pytest.mark.slow
@pytest.mark.parametrize("store", ["file", "redis"], indirect=True)
def test_scripts_that_are_killed_again_and_again_create_no_second_chats(
    box: Sandbox, scripts: Scripts
) -> None:
    found = []
    for number in range(KILLS):
        scripts.kill_in(("POST", "/v1/bot/chats/"), GET_OR_CREATE, f"{TITLE} {number}")
        scripts.run(GET_OR_CREATE, f"{TITLE} {number}")
        found.append(made(box, f"{TITLE} {number}"))

    assert found == [1] * KILLS


@pytest.mark.parametrize("store", ["file", "redis"], indirect=True)
def test_other_processes_see_the_new_title_of_a_killed_process(scripts: Scripts) -> None:
    with scripts.connect() as connection:
        tid = connection.chats.create_chat(title=TITLE, users=[KNOWN_USER]).tid
        assert connection.chats.get_by_thread_id(tid).title == TITLE
        scripts.kill_in(("PATCH", f"/v1/bot/chats/{tid}/"), RENAME, tid)

        assert connection.chats.get_by_thread_id(tid).title == "renamed"


@pytest.mark.parametrize("store", ["file", "redis"], indirect=True)
def test_a_process_that_was_paused_puts_no_older_listing_over_a_newer_one(
    box: Sandbox, scripts: Scripts
) -> None:
    with box.hold(*LIST) as held, scripts.start(ALL) as paused:
        try:
            held.wait_arrived(timeout=PATIENCE)
            paused.send_signal(signal.SIGSTOP)
            held.release()
            box.add_chat(TITLE, users=[KNOWN_USER])
            with scripts.connect() as connection:
                assert connection.chats.get_by_title(TITLE)
            paused.send_signal(signal.SIGCONT)
            assert paused.wait(PATIENCE) == 0
        finally:
            paused.kill()
    with scripts.connect() as connection:
        assert connection.chats.get_by_title(TITLE)
        assert connection.chats.cache_info().listings == 0

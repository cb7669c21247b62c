"""What stores are for, shown with real processes, a real server and a real Redis.

STORE_CREATES sets how many chats are made in one process and looked up in another (100 by
default): STORE_CREATES=1000 pytest tests/stores/test_must_show.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from teamwire_sync.testing import sandbox
from tests.support.store_listings import confirm, slot_in
from tests.support.store_worker_process import Workers
from tests.support.store_workers import TTL, store_at
from tests.support.waiting import PATIENCE, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync._stores.base import StoreSlot
    from teamwire_sync.testing import Sandbox
    from tests.support.redis_process import RedisProcess
    from tests.support.store_worker_process import WorkerProcess

LIST = ("GET", "/v1/bot/chats/")
CREATES = int(os.environ.get("STORE_CREATES", "100"))
INTERVAL = 0.01
# Long enough for who holds one to extend it on a busy machine.
LEASE = 4.0
LOG = ["the store of the chats can't be used", "the store of the chats works again"]
TITLE = "Operations"
ONE_SHOT = f"""
from teamwire_sync import Connection

with Connection() as connection:
    print(connection.chats.one_by_title({TITLE!r}).tid)
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox whose list of chats is one page, so that a listing is one request."""
    with sandbox(chats=20) as box:
        yield box


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each store that processes share, as TEAMWIRE_STORE names it."""
    if request.param == "file":
        return f"file:{tmp_path / 'store'}"
    server: RedisProcess = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def workers(box: Sandbox, store: str, tmp_path: Path) -> Iterator[Workers]:
    """Starts processes that use the server and the store."""
    with Workers({**box.env, "TEAMWIRE_STORE": store}, tmp_path) as workers:
        yield workers


@pytest.mark.slow
class TestOneShotScripts:
    @pytest.fixture
    def starts(self, store: str) -> int:
        # 50 starts take five times as long, and say nothing more of the second store.
        return 50 if store.startswith("file:") else 10

    def test_all_within_the_ttl_list_once(self, box: Sandbox, store: str, starts: int) -> None:
        tid = box.add_chat(TITLE, users=[KNOWN_USER]).tid
        env = {**os.environ, **box.env, "TEAMWIRE_STORE": store}

        def start() -> str:
            command = [sys.executable, "-c", ONE_SHOT]
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        with Threads(3) as threads:
            found = [each.result() for each in [threads.start(start) for _ in range(starts)]]

        assert found == [tid] * starts
        assert box.count(*LIST) == 1


class TestExpired:
    """Processes that have seen the stored snapshot, and all meet it when it has expired."""

    @pytest.fixture
    def slot(self, box: Sandbox, store: str) -> StoreSlot:
        """Where the snapshot is stored."""
        kept = store_at(store)
        with Connection(box.app_id, box.secret, box.url, store=kept) as connection:
            connection.chats.get_subscriptions()
            identity = connection._transport.identity
        assert identity is not None
        return slot_in(kept, identity)

    def meet(
        self,
        box: Sandbox,
        slot: StoreSlot,
        workers: Workers,
        *,
        processes: int,
        threads: int,
        lease: float | None = None,
    ) -> list[WorkerProcess]:
        """Processes whose threads all look for a chat that the expired snapshot has not."""
        started = [workers.start("burst", TITLE, threads, lease) for _ in range(processes)]
        assert [worker.hear() for worker in started] == [20] * processes
        assert box.count(*LIST) == 1, "the stored snapshot was not used"
        box.add_chat(TITLE, users=[KNOWN_USER])
        status = slot.status()
        assert status.revision is not None
        confirm(slot, status.revision, asked_at=status.now - TTL)
        for worker in started:
            worker.tell("go")
        return started

    def list_once(
        self, box: Sandbox, slot: StoreSlot, workers: Workers, processes: int, threads: int
    ) -> None:
        with box.hold(*LIST) as held:
            started = self.meet(box, slot, workers, processes=processes, threads=threads)
            words = sorted(worker.hear() for worker in started)
            held.release()
            found = [worker.result() for worker in started]

        assert words == ["asks", *["waits"] * (processes - 1)]
        assert found == [{"found": threads}] * processes
        assert box.count(*LIST) == 2

    def test_3_processes_of_2_threads_list_once(
        self, box: Sandbox, slot: StoreSlot, workers: Workers
    ) -> None:
        self.list_once(box, slot, workers, 3, 2)

    @pytest.mark.slow
    def test_16_processes_of_4_threads_list_once(
        self, box: Sandbox, slot: StoreSlot, workers: Workers
    ) -> None:
        self.list_once(box, slot, workers, 16, 4)

    @pytest.mark.slow
    def test_when_the_leader_is_killed_the_others_go_on_and_list_once_more(
        self, box: Sandbox, slot: StoreSlot, workers: Workers
    ) -> None:
        with box.hold(*LIST) as held:
            started = self.meet(box, slot, workers, processes=4, threads=2, lease=LEASE)
            (leader,) = [worker for worker in started if worker.hear() == "asks"]
            held.wait_arrived(1, timeout=PATIENCE)
            leader.kill()
            # The lease of the killed one ends by itself.
            held.wait_arrived(2, timeout=PATIENCE)
            held.release()
            started.remove(leader)
            found = [worker.result() for worker in started]

        assert found == [{"found": 2}] * 3
        assert box.count(*LIST) == 3


@pytest.mark.slow
def test_what_one_process_creates_the_other_finds_after_the_check_interval(
    box: Sandbox, workers: Workers
) -> None:
    """At the first look-up, each time, and by one listing."""
    creator, seeker = workers.start("create"), workers.start("seek", INTERVAL)
    assert [creator.hear(), seeker.hear()] == ["ready", "ready"]
    found = []
    for number in range(CREATES):
        creator.tell(title := f"{TITLE} {number}")
        tid = creator.hear()
        seeker.tell(title)
        found.append(seeker.hear())
        # So that the last listing takes no longer than the first.
        box.remove_chat(tid)

    assert found == [1] * CREATES
    assert box.count(*LIST) == 1 + CREATES


@pytest.mark.slow
class TestRedisIsKilled:
    @pytest.fixture
    def store(self, own_redis: RedisProcess) -> str:
        return own_redis.url

    def test_under_load_and_nobody_has_an_error(
        self, box: Sandbox, workers: Workers, own_redis: RedisProcess
    ) -> None:
        """Once it is back, it is used, and all that was written meanwhile is found."""
        started = [workers.start("load", number, 0.2) for number in range(8)]
        assert [worker.hear() for worker in started] == ["ready"] * 8

        def all_do(order: str) -> None:
            for worker in started:
                worker.tell(order)
            assert [worker.hear() for worker in started] == [order] * 8

        all_do("work")
        own_redis.kill()
        all_do("work")
        own_redis.start()
        all_do("recover")
        for worker in started:
            worker.tell("end")
        done = [worker.hear() for worker in started]
        titles = [each["title"] for each in done]
        for worker in started:
            worker.tell(titles)
        found = [worker.hear() for worker in started]

        assert found == [[1] * 8] * 8
        assert [[line.partition(",")[0] for line in each["log"]] for each in done] == [LOG] * 8
        assert own_redis.run("KEYS", "*:parts") != []

"""Many programs that refresh their list of chats through one gateway."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock
    from tests.support.gateways import ServedGateway

pytestmark = pytest.mark.slow(seconds=15)
PROCESSES, THREADS, TTLS = 10, 5, 4
LISTING = ("GET", "/v1/bot/chats/")
# Each line of input is one refresh of each Connection.
REFRESHES = f"""
import sys
from concurrent.futures import ThreadPoolExecutor

from teamwire_sync import Connection, ConnectionConfig

config = ConnectionConfig(cache_ttl=0.000001)
connections = [Connection(*sys.argv[1:], config=config) for _ in range({THREADS})]
with ThreadPoolExecutor({THREADS}) as pool:
    for _ in sys.stdin:
        listings = list(pool.map(lambda each: each.chats.get_subscriptions(), connections))
        print(*map(len, listings), flush=True)
"""


def test_50_clients_in_10_processes_cost_one_upstream_listing_per_ttl(
    gateway: ServedGateway, box: Sandbox, clock: Clock
) -> None:
    with ExitStack() as exits:
        processes = []
        for _ in range(PROCESSES):
            command = [sys.executable, "-c", REFRESHES, *gateway.login, gateway.url]
            process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, encoding="utf-8")
            exits.enter_context(process)
            exits.callback(process.kill)
            processes.append(process)
        listed = []
        for _ in range(TTLS):
            before = box.count(*LISTING)
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline().split() == ["100"] * THREADS
            listed.append(box.count(*LISTING) - before)
            clock.advance(301)
    assert listed == [1] * TTLS
    statuses = gateway.statuses(*LISTING)
    assert statuses.count(304) == PROCESSES * THREADS * (TTLS - 1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_304_of_the_gateway_takes_about_as_much_cpu_as_one_of_the_sandbox(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.gateway.gateway_load", "refreshes", "vendor", tmp_path],
        capture_output=True,
        check=True,
        timeout=9 * PATIENCE,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["errors"] == {}
    assert found["ratio"] <= 1.5

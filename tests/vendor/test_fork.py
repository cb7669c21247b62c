"""A Connection made before a fork works on both sides, each with a thread of its own."""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync._vendor import session
from teamwire_sync.testing import sandbox
from tests.support.forks import exit_status, in_child
from tests.support.leftovers import threads
from tests.support.waiting import PATIENCE, Gate, Threads
from tests.vendor.conftest import DOUBLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Python 3.12 warns that locks of other threads stay locked in the child; those are the point.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox with few chats: the double lists them all for each post."""
    with sandbox(chats=3, seed=7) as box:
        yield box


def talk(connection: Connection) -> None:
    """Ask and post, a few times."""
    for number in range(3):
        assert connection.users.get_user(KNOWN_USER, timeout=PATIENCE) is not None
        connection.chats.at(KNOWN_CHAT).post(f"hello {number}", timeout=PATIENCE)


def test_both_sides_of_a_fork_talk(vendor: Vendor, uncached: Connection) -> None:
    talk(uncached)
    child = in_child(lambda: talk(uncached))
    talk(uncached)

    assert exit_status(child) == 0


def test_the_child_has_a_thread_and_a_connection_of_its_own(
    vendor: Vendor, uncached: Connection
) -> None:
    def check() -> None:
        assert threads() == []
        before = vendor.calls["enter"]
        talk(uncached)
        assert (len(threads()), vendor.calls["enter"]) == (1, before + 1)

    talk(uncached)

    assert exit_status(in_child(check)) == 0


def test_the_child_can_close_its_side(vendor: Vendor, uncached: Connection) -> None:
    def check() -> None:
        talk(uncached)
        uncached.close()
        assert threads() == []

    talk(uncached)
    assert exit_status(in_child(check)) == 0
    talk(uncached)

    assert vendor.calls["enter"] == 1


@pytest.mark.parametrize("how", ["close", "collect", "leave"])
def test_a_child_that_has_not_called_leaves_the_parent_s_connection(
    vendor: Vendor, uncached: Connection, how: str
) -> None:
    def end() -> None:
        if how == "close":
            uncached.close()
        if how == "collect":
            uncached._transport._thread = None  # type: ignore[attr-defined]
            gc.collect()
        assert vendor.calls["exit"] == 0

    talk(uncached)
    assert exit_status(in_child(end)) == 0
    talk(uncached)

    assert (vendor.calls["enter"], vendor.calls["exit"]) == (1, 0)


def test_a_fork_during_a_call_of_another_thread(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.hold("get_group", times=1) as hold:
        other = workers.start(lambda: uncached.groups.get_group(BOT_LIST))
        hold.wait_arrived()
        child = in_child(lambda: uncached.groups.get_group(BOT_LIST, timeout=PATIENCE))
        assert exit_status(child) == 0
        hold.release()

        assert other.result(PATIENCE) is not None


def test_a_fork_while_the_connection_opens(vendor: Vendor, uncached: Connection) -> None:
    with Threads(1) as workers, vendor.faults.block("enter", times=1) as block:
        other = workers.start(lambda: uncached.groups.get_group(BOT_LIST))
        block.wait_arrived()
        child = in_child(lambda: uncached.groups.get_group(BOT_LIST, timeout=PATIENCE))
        assert exit_status(child) == 0
        block.release()

        assert other.result(PATIENCE) is not None


def test_a_fork_while_locks_are_held(vendor: Vendor, uncached: Connection) -> None:
    """What another thread holds at that moment is never let go in the child."""

    def work() -> None:
        talk(uncached)
        session._end_all()  # as its end would

    talk(uncached)
    thread = uncached._transport._thread  # type: ignore[attr-defined]
    locked = Gate()

    def hold() -> None:
        with thread._lock, thread._session._lock:
            locked()

    with Threads(1) as workers:
        workers.start(hold)
        locked.wait_arrived()
        child = in_child(work)
        locked.open()

    assert exit_status(child) == 0


def test_a_fork_before_the_first_call(vendor: Vendor, uncached: Connection) -> None:
    child = in_child(lambda: talk(uncached))
    talk(uncached)

    assert exit_status(child) == 0


def test_a_grandchild(vendor: Vendor, uncached: Connection) -> None:
    def work() -> None:
        talk(uncached)
        assert exit_status(in_child(lambda: talk(uncached))) == 0
        talk(uncached)

    talk(uncached)

    assert exit_status(in_child(work)) == 0


def test_both_sides_of_multiprocessing_talk(vendor: Vendor, uncached: Connection) -> None:
    talk(uncached)
    process = multiprocessing.get_context("fork").Process(target=talk, args=(uncached,))
    process.start()
    talk(uncached)
    process.join(6 * PATIENCE)

    assert process.exitcode == 0


# Processes that end in the ordinary way

PROGRAM = """
import logging, multiprocessing, os, sys, time
import teamwire_api
from teamwire_sync import Connection
from teamwire_sync._vendor import session

session._EXIT_TIMEOUT *= 15  # what ends by itself is waited for, however busy the machine is
logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of a slow machine

class Noted(teamwire_api.Connection):
    def __exit__(self, *args):
        super().__exit__(*args)
        print("left by", "parent" if os.getpid() == parent else "child", flush=True)

def use():
    connection.chats.get_subscriptions(refresh=True)
    print("used by", "parent" if os.getpid() == parent else "child", flush=True)

def make():
    global parent, connection
    parent = int(os.environ.setdefault("PARENT", str(os.getpid())))
    teamwire_api.__version__ = sys.argv[-1]
    connection = Connection.from_vendor(Noted)

def spawned():
    make()
    use()

if __name__ == "__main__":
    make()
    use()
"""
FORK = """
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
"""
SPAWN = """
    process = multiprocessing.get_context("spawn").Process(target=spawned)
    process.start()
    process.join()
"""
USE = "    use()\n"
PARENT = ["used by parent"]
CHILD = ["used by child", "left by child"]


@pytest.mark.parametrize(
    ("rest", "lines"),
    [
        (f"{FORK}", [*PARENT, "left by parent"]),
        (f"{FORK}{USE}", [*PARENT, *CHILD, *PARENT, "left by parent"]),
        (f"{SPAWN}{USE}", [*PARENT, *CHILD, *PARENT, "left by parent"]),
    ],
    ids=["fork", "fork and use", "spawn"],
)
def test_each_process_leaves_what_it_has_entered(
    vendor: Vendor, box: Sandbox, tmp_path: Path, rest: str, lines: list[str]
) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM + rest, "utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", path, vendor.version],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(DOUBLE), *sys.path])},
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        check=False,
    )
    errors = [line for line in done.stderr.splitlines() if "fork" not in line]

    assert (done.returncode, done.stdout.splitlines(), errors) == (0, lines, [])

"""gevent and eventlet replace threads, before or after the import of the package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync.testing import sandbox
from tests.support.needed import missing
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "support" / "greenlets_program.py"
LISTING = ("GET", "/v1/bot/chats/")
USER = ("GET", "/v1/bot/users/*/")


@pytest.fixture(params=["gevent", "eventlet"])
def library(request: pytest.FixtureRequest) -> str:
    if importlib.util.find_spec(request.param) is None:
        missing(request.param)
    return str(request.param)


@pytest.fixture(params=["first", "early", "late"])
def moment(request: pytest.FixtureRequest) -> str:
    """The moment at which the library replaces threads: see the program."""
    return str(request.param)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=20, seed=7) as box:
        yield box


@contextmanager
def program(box: Sandbox, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(PROGRAM), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **box.env, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def result_of(process: subprocess.Popen[str], line: str = "") -> Any:
    """Send *line* to the program, and return the result of its scenario."""
    out, _ = process.communicate(line, timeout=3 * PATIENCE)
    return json.loads(out)


def test_the_timeout_of_one_greenlet_ends_no_call_of_another(
    box: Sandbox, library: str, moment: str
) -> None:
    with program(box, "time_outs", library, moment) as process, box.hold(*USER):
        with box.hold(*LISTING) as held:
            assert process.stdout is not None
            assert process.stdout.readline() == "hasty ones ended\n"
            held.release()

        assert result_of(process) == [20, "TWTimeoutError", "TWTimeoutError"]


def test_close_ends_all_greenlets_that_listen(box: Sandbox, library: str, moment: str) -> None:
    with program(box, "listeners", library, moment) as process:
        wait_until(lambda: box.waiting == 3)

        assert result_of(process, "close\n") == ["TWClosedError"] * 3


def test_greenlets_share_one_listing(box: Sandbox, library: str, moment: str) -> None:
    with program(box, "sharing", library, moment) as process:
        assert result_of(process) == [20] * 20

    assert box.count(*LISTING) == 20  # pages


def test_a_look_up_within_a_look_up_raises(box: Sandbox, library: str, moment: str) -> None:
    with program(box, "within", library, moment) as process:
        assert result_of(process) == "RuntimeError"


def test_connections_of_two_greenlets_share_one_listing_of_a_store(
    box: Sandbox, library: str, moment: str
) -> None:
    with program(box, "storing", library, moment) as process:
        assert result_of(process) == [20] * 2

    assert box.count(*LISTING) == 20  # pages


def test_a_time_limit_of_the_library_ends_a_call_with_its_own_exception(
    box: Sandbox, library: str, moment: str
) -> None:
    with program(box, "limit", library, moment) as process, box.hold(*USER):
        assert result_of(process) is True

    # On a busy machine, the time limit ends before the request is sent.
    assert box.count(*USER) <= 1


def test_other_greenlets_go_on_while_one_posts(box: Sandbox, library: str, moment: str) -> None:
    with program(box, "posting", library, moment) as process:
        with box.hold("POST", "/v1/bot/chats/*/messages/") as held:
            held.wait_arrived()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert process.stdout.readline() == "others are done\n"
            held.release()

        assert result_of(process) == "hello"

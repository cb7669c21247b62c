"""gevent replaces threads after the import of the package, as gunicorn does with --preload."""

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
# Whether the Connection is made before or after gevent replaces threads.
each_moment = pytest.mark.parametrize("made", ["early", "late"])


@pytest.fixture(autouse=True)
def _gevent() -> None:
    if importlib.util.find_spec("gevent") is None:
        missing("gevent")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with sandbox(chats=20, seed=7) as box:
        yield box


@contextmanager
def program(box: Sandbox, scenario: str, made: str) -> Iterator[subprocess.Popen[str]]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(PROGRAM), scenario, made],
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


@each_moment
def test_the_timeout_of_one_greenlet_ends_no_call_of_another(box: Sandbox, made: str) -> None:
    with program(box, "time_outs", made) as process, box.hold(*USER):
        with box.hold(*LISTING) as held:
            assert process.stdout is not None
            assert process.stdout.readline() == "hasty ones ended\n"
            held.release()

        assert result_of(process) == [20, "TWTimeoutError", "TWTimeoutError"]


@each_moment
def test_close_ends_all_greenlets_that_listen(box: Sandbox, made: str) -> None:
    with program(box, "listeners", made) as process:
        wait_until(lambda: box.waiting == 3)

        assert result_of(process, "close\n") == ["TWClosedError"] * 3


@each_moment
def test_greenlets_share_one_listing(box: Sandbox, made: str) -> None:
    with program(box, "sharing", made) as process:
        assert result_of(process) == [20] * 10

    assert box.count(*LISTING) == 20  # pages


@each_moment
def test_a_look_up_within_a_look_up_raises(box: Sandbox, made: str) -> None:
    with program(box, "within", made) as process:
        assert result_of(process) == "RuntimeError"


@each_moment
def test_connections_of_two_greenlets_share_one_listing_of_a_store(box: Sandbox, made: str) -> None:
    with program(box, "storing", made) as process:
        assert result_of(process) == [20] * 2

    assert box.count(*LISTING) == 20  # pages


@each_moment
def test_a_time_limit_of_gevent_ends_a_call_with_its_own_exception(box: Sandbox, made: str) -> None:
    with program(box, "limit", made) as process, box.hold(*USER):
        assert result_of(process) is True

    assert box.count(*USER) == 1

"""A test that hangs shows all stacks, and ends with its processes; the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HANGING = """
import ctypes, subprocess, sys, threading
from pathlib import Path
from tests.conftest import WATCHDOG
from tests.support.watchdog import Watchdog

def waits_for_ever():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

def keeps_the_interpreter():
    ctypes.PyDLL(None).sleep(1000)

def test_it_hangs(pytestconfig):
    watchdog = pytestconfig.stash[WATCHDOG]
    arm = watchdog.arm
    # Nothing that the worker's death closes ends it.
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = subprocess.Popen(sleep, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    Path("child").write_text(str(child.pid))
    threading.Thread(target=waits_for_ever, daemon=True).start()
    {hang}

def test_another():
    pass
"""
# As if the time were up.
DEADLOCK = 'arm("the test", 0); waits_for_ever()'
IN_C = "Watchdog(2, silence=3).start(); keeps_the_interpreter()"
A_THREAD = (
    "threading.Thread(target=waits_for_ever).start();"
    "watchdog.arm = lambda step, seconds: arm(step, 0 if 'process' in step else seconds)"
)


def run(
    folder: Path,
    hang: str,
    *options: str,
    conftest: str = "from tests.conftest import *",
    more: str = "",
) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(conftest, "utf-8")
    (folder / "test_hanging.py").write_text(HANGING.format(hang=hang) + more, "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-c", os.devnull, *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=1.5 * PATIENCE,
        check=False,
    )


HURRIED_COLLECTION = """
from tests.conftest import *

def pytest_sessionstart(session):
    watchdog = session.config.stash[WATCHDOG]
    arm = watchdog.arm
    watchdog.arm = lambda step, seconds: arm(step, 0 if "collection" in step else seconds)
"""


def is_there(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and " Z " not in stat.read_text("utf-8")


@pytest.fixture(autouse=True)
def _without_the_options_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)


def test_a_deadlock_shows_the_stacks_of_all_threads_and_ends_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, DEADLOCK)

    assert done.returncode == 70
    assert "the test has not ended within 0 s" in done.stderr
    assert done.stderr.count("in waits_for_ever") == 2


def test_under_xdist_the_stacks_are_shown_and_the_run_goes_on(tmp_path: Path) -> None:
    done = run(tmp_path, DEADLOCK, "-n", "1")

    assert done.stderr.count("in waits_for_ever") == 2
    assert "crashed while running 'test_hanging.py::test_it_hangs'" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which they are")
@pytest.mark.parametrize("hang", [DEADLOCK, IN_C], ids=["deadlock", "in C"])
def test_the_processes_of_the_test_die_too(hang: str, tmp_path: Path) -> None:
    run(tmp_path, hang)
    child = int((tmp_path / "child").read_text("utf-8"))

    wait_until(lambda: not is_there(child))


@pytest.mark.skipif(os.name == "nt", reason="there is no sleep in its C library")
def test_a_call_in_c_that_keeps_the_interpreter_ends_too(tmp_path: Path) -> None:
    done = run(tmp_path, IN_C)

    assert done.returncode == -signal.SIGABRT
    assert "in keeps_the_interpreter" in done.stderr


def test_a_process_that_does_not_end_after_its_tests_is_ended(tmp_path: Path) -> None:
    done = run(tmp_path, A_THREAD)

    assert done.returncode == 70
    assert "the end of the process has not ended within 0 s" in done.stderr


def test_a_module_that_hangs_when_it_is_imported_ends_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, "pass", conftest=HURRIED_COLLECTION, more="waits_for_ever()")

    assert done.returncode == 70
    assert "the collection has not ended" in done.stderr

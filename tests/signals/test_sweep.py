"""Signal handlers at random points of calls. `sweep` tries all points, by hand."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest


@pytest.mark.slow(seconds=40)
def test_a_handler_at_any_point_of_a_call_leaves_nothing_behind() -> None:
    seed = str(time.time_ns() % 10**6)
    options = ["-X", "faulthandler", "-m", "tests.signals.sweep"]
    command = [sys.executable, *options, "--seconds", "40", "--seed", seed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"

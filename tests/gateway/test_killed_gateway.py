"""Posts whose gateway ends in the middle: none is executed twice, none that was done fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
POSTS = int(os.environ.get("GATEWAY_POSTS", "500"))


def findings(*arguments: object) -> dict[str, Any]:
    """Run the program that kills gateways."""
    command = [sys.executable, "-m", "tests.gateway.killed_gateway", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=10 * PATIENCE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_a_gateway_that_ends_at_any_line_executes_no_post_twice(
    tmp_path: Path, signal: str
) -> None:
    found = findings(signal, tmp_path)
    assert found["wrong"] == []
    assert found["lines"] > 100


def test_a_gateway_that_is_killed_at_random_executes_no_post_twice(tmp_path: Path) -> None:
    found = findings("random", tmp_path, 50)
    assert found["wrong"] == []
    assert found["kills"] > 0


@pytest.mark.slow
def test_a_gateway_that_is_killed_at_random_executes_none_of_500_posts_twice(
    tmp_path: Path,
) -> None:
    found = findings("random", tmp_path, POSTS)
    assert found["wrong"] == []
    assert found["kills"] > POSTS / 10

"""A gateway and its upstream are killed during posts: nothing is done twice or told wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8"),
]
POSTS = int(os.environ.get("GATEWAY_KILLS_POSTS", "60"))


@pytest.mark.parametrize("upstream", ["http", "vendor"])
def test_a_killed_gateway_and_upstream_do_nothing_twice_and_tell_no_failure_of_what_was_done(
    tmp_path: Path, upstream: str
) -> None:
    command = [sys.executable, "-m", "tests.gateway.gateway_kills"]
    done = subprocess.run(
        [*command, upstream, tmp_path, str(POSTS)],
        capture_output=True,
        check=True,
        timeout=9 * PATIENCE,
    )
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert sum(found["told"].values()) == POSTS
    assert sum(found["kills"].values()) > 2

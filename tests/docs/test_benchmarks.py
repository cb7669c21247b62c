"""The benchmarks run; what they find is no matter of a test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cachebox", reason="the rivals of benchmarks/requirements.txt are not there")
pytest.importorskip(
    "requests_cache", reason="the rivals of benchmarks/requirements.txt are not there"
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WITH_GOALS = {
    "changes_large_1",
    "changes_large_1_listing",
    "changes_large_cpu",
    "changes_medium_1",
    "changes_medium_cpu",
    "changes_thousand_cpu",
    "decoding_large",
    "decoding_medium",
    "id_cachebox",
    "id_dict",
    "id_dict_many",
    "id_locked",
    "import",
    "listing_large",
    "listing_large_cpu",
    "listing_medium",
    "look_file",
    "memory",
    "process_bare",
    "refresh_304",
    "refresh_listing",
    "request",
    "size_extra",
    "start_file_large",
    "start_file_medium",
    "store_id",
    "threads_locked",
    "title_dict",
    "title_dict_many",
    "vendor_id",
    "vendor_title",
}
WITH_REDIS = {"look_redis", "start_redis_large", "start_redis_medium"}
CHANGES = {
    f"changes_{world}_{count}{rival}"
    for world in ("thousand", "medium", "large")
    for count in (1, 10, 1000)
    for rival in ("", "_listing")
}
SHOWN = {
    *(CHANGES - WITH_GOALS),
    "async_run",
    "async_thread",
    "id_decorated",
    "id_items",
    "listing_large_untrusting",
    "listing_medium_cpu",
    "listing_medium_untrusting",
    "process_listing",
    "refresh_304_cpu",
    "refresh_304_untrusting",
    "request_cpu",
    "request_untrusting",
    "requests_cache_medium",
    "requests_cache_small",
    "size_extra_bare",
    "size_least",
    "size_less",
    "size_more",
    "size_most",
    "start_file_large_cpu",
    "start_file_medium_cpu",
    "uncached_medium",
    "uncached_small",
    "vendor_listing",
    "vendor_listing_cpu",
}


def test_a_quick_run_has_every_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(file)]

    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stderr
    rows = {row["key"]: row for row in json.loads(file.read_text("utf-8"))["rows"]}
    with_goals = WITH_GOALS | WITH_REDIS if shutil.which("redis-server") else WITH_GOALS
    assert set(rows) == with_goals | SHOWN
    assert {key for key, row in rows.items() if row["met"] is not None} == with_goals
    assert "goals met" in done.stdout

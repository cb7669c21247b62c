"""Blocks of pages that are run as programs of their own, as their readers do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from teamwire_sync._cli.tools import sandbox as sandbox_command
from teamwire_sync.testing import sandbox
from tests.support.pages import DOCS, block_with, blocks
from tests.support.sdk_double import DOUBLE, vendor_env
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from teamwire_sync.testing import Sandbox


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )


def test_the_process_pool_finds_each_title_with_one_listing_per_process(
    box: Sandbox, tmp_path: Path
) -> None:
    program = block_with("concurrency.md", "python", "ProcessPoolExecutor")
    (tmp_path / "pool.py").write_text(program, "utf-8")
    done = run(tmp_path, "-X", "utf8", "-W", "error", "pool.py", **box.env)
    lines = [line.partition(" ") for line in done.stdout.splitlines()]

    assert (done.returncode, done.stderr) == (0, "")
    assert [title for _, _, title in lines] == [
        str(chat.title) for chat in box.connect().chats.get_subscriptions()
    ]
    # One of this test, one of the program, and one of each process that was given work.
    assert box.count("GET", "/v1/bot/chats/") == 2 + len({pid for pid, _, _ in lines})


# The world that `teamwire-sync sandbox` serves.
SERVED = {
    each.name: each.default for each in sandbox_command.params if each.name in {"chats", "seed"}
}


def test_the_tutorial_works_twice_in_the_world_that_its_command_serves(tmp_path: Path) -> None:
    (tmp_path / "tutorial.py").write_text("\n".join(blocks("tutorial.md", "python")), "utf-8")
    with sandbox(**SERVED) as box:
        runs = [run(tmp_path, "-X", "utf8", "-W", "error", "tutorial.py", **box.env) for _ in "12"]

    assert [(done.returncode, done.stderr) for done in runs] == [(0, "")] * 2
    assert ["1000 chats\n" in runs[0].stdout, "1001 chats\n" in runs[1].stdout] == [True, True]


def test_the_program_of_the_readme_works_in_this_world_each_way(tmp_path: Path) -> None:
    (program,) = blocks("../README.md", "python")
    (tmp_path / "first.py").write_text(program, "utf-8")
    with sandbox(**SERVED) as box:
        vendor = {**vendor_env(box), "PYTHONPATH": str(DOUBLE), "TEAMWIRE_TRANSPORT": "vendor"}
        runs = [
            run(tmp_path, "-X", "utf8", "-W", "error", "first.py", **settings)
            for settings in (box.env, vendor)
        ]

    assert [(done.returncode, done.stderr) for done in runs] == [(0, "")] * 2
    assert ["\nrefreshes                  2\n" in done.stdout for done in runs] == [True] * 2


def test_the_chats_that_pages_look_up_are_in_the_world_that_the_command_serves() -> None:
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md")]
    looked_up = re.compile(r"one_by_title(?:\(|, )\"([^\"]+)|--title (?:\"([^\"]+)|(\w+))")
    titles = {
        "".join(groups) for page in pages for groups in looked_up.findall(page.read_text("utf-8"))
    }
    # Those that a page makes, those that a command fails with, and the reader's own.
    other = {
        "night shift",
        "day shift",
        "operations",
        "mittagessen",
        "nobody",
        "Test",
        "Operations",
    }
    with sandbox(**SERVED) as box:
        served = {chat.title for chat in box.connect().chats.get_subscriptions()}

    assert titles - other <= served


def test_the_tests_that_use_the_fixture_pass(tmp_path: Path) -> None:
    tests = block_with("testing.md", "python", "def test_finding")
    (tmp_path / "test_page.py").write_text(tests, "utf-8")
    done = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers")

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout

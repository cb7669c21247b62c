"""The shell blocks of docs/testing.md: one talks to a bot in a sandbox that runs as a command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from tests.support.pages import blocks
from tests.support.processes import SandboxProcess
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.name == "nt", reason="they are lines of a POSIX shell")

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture
def server() -> Iterator[SandboxProcess]:
    server = SandboxProcess()
    server.start()
    yield server
    server.close()


def sh(line: str, server: SandboxProcess) -> str:
    return subprocess.run(
        ["/bin/sh", "-e", "-c", line],
        cwd=ROOT,
        env={**os.environ, **server.env, "PATH": PATH},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    ).stdout


def test_the_bot_of_the_examples_answers_what_the_shell_says(server: SandboxProcess) -> None:
    run_bot, talk = blocks("testing.md", "sh")
    say, read = talk.splitlines()
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {run_bot}"],
        cwd=ROOT,
        env={**os.environ, **server.env, "PATH": PATH},
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as bot:
        try:
            assert bot.stdout is not None
            assert bot.stdout.readline().startswith("watching Mittagessen")
            sh(say, server)
            wait_until(lambda: "Weather Bot: hello " in sh(read, server))
        finally:
            bot.kill()


def test_the_exported_lines_are_valid_after_a_restart(server: SandboxProcess) -> None:
    before = server.env.copy()
    server.stop()
    server.start()

    assert server.env == before
    credentials = [before[f"TEAMWIRE_{name}"] for name in ("APP_ID", "SECRET", "URL")]
    with Connection(*credentials) as connection:
        assert connection.check().is_bot

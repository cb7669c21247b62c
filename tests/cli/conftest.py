"""A sandbox, and ways to run a command against it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync._cli import main
from teamwire_sync.testing import sandbox
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox

COMMAND = [sys.executable, "-m", "teamwire_sync"]
BASH = shutil.which("bash") or "/bin/bash"
# Seconds before a signal is sent once more.
AGAIN = PATIENCE / 3


def write_config(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a config file. On Linux, the folder of a FileStore has the name of its folder."""
    path.parent.mkdir(0o700, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the config file."""
    return tmp_path / "teamwire_sync" / "config.ini"


class Done:
    """What came of a command.

    Attributes:
        code: The exit code.
        out: What it wrote to stdout.
        err: What it wrote to stderr.
    """

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.out.splitlines()


class Cli:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *args: str, stdin: str | io.TextIOBase | None = "") -> Done:
        """Run ``teamwire-sync args``; with None for stdin, it is closed."""
        self._capsys.readouterr()
        if isinstance(stdin, str):
            stdin = io.StringIO(stdin)
        self._monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as caught:
            main(args, prog_name="teamwire-sync")
        out, err = self._capsys.readouterr()
        code: Any = caught.value.code
        return Done(code, out, err)


@pytest.fixture
def bare_cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """For commands where nothing is set up."""
    return Cli(capsys, monkeypatch)


@pytest.fixture
def cli(bare_cli: Cli, box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """For commands that lead to the sandbox."""
    for name, value in box.env.items():
        monkeypatch.setenv(name, value)
    return bare_cli


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with sandbox(chats=30, seed=7) as box:
        yield box


def environment_of(box: Sandbox | None, **more: str) -> dict[str, str]:
    """The environment of a process that is to use *box*."""
    environment = {name: value for name, value in os.environ.items() if name not in _TERMINAL}
    environment.update({} if box is None else box.env)
    environment.update(more)
    return environment


_TERMINAL = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}


def run(*args: str, box: Sandbox | None, then: str = "", **more: str) -> Done:
    """Run a command as a process; with *then*, what stands behind it in a line of bash."""
    command = [*COMMAND, *args]
    if then:
        command = [BASH, "-c", f'"$@" {then}', "bash", *command]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=environment_of(box, **more),
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)

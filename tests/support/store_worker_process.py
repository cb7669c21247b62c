"""Processes of tests/support/store_workers.py, as a test sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).parents[2]


class WorkerProcess:
    """A process that does one of the works; it need not be ready yet.

    Args:
        work: The name of the work.
        arguments: Of the work.
        env: Is added to the environment.
        stderr: The file for it.
    """

    def __init__(self, work: str, *arguments: Any, env: Mapping[str, str], stderr: Path) -> None:
        self._name = " ".join(map(str, (work, *arguments)))
        self._stderr = stderr
        command = [
            sys.executable,
            "-m",
            "tests.support.store_workers",
            work,
            *map(json.dumps, arguments),
        ]
        with stderr.open("wb") as file:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env={**os.environ, **env}, stdin=PIPE, stdout=PIPE, stderr=file
            )

    def tell(self, word: Any) -> None:
        """Let it hear *word*."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(word).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def hear(self) -> Any:
        """What it says next. It ends when it says nothing for long, and the test with it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        return json.loads(line)

    def result(self) -> Any:
        """What it says at the end, after all the single words."""
        while True:
            said = self.hear()
            if not isinstance(said, str):
                return said

    def kill(self) -> None:
        """End it at once: SIGKILL."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def close(self) -> None:
        """End it, if it runs, and close the pipes."""
        self.kill()
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def _fail(self) -> None:
        self._process.kill()
        status = self._process.wait(PATIENCE)
        text = self._stderr.read_text("utf-8", "replace")
        pytest.fail(f"the worker '{self._name}' ended with {status}:\n{text}", pytrace=False)


class Workers:
    """Starts workers; leaving the block ends them all.

    Args:
        env: Is added to their environment.
        folder: For what they write to stderr.
    """

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self._env, self._folder = env, folder
        self._exits = ExitStack()
        self._started = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def start(self, work: str, *arguments: Any) -> WorkerProcess:
        """A worker, just started."""
        self._started += 1
        stderr = self._folder / f"worker-{self._started}.stderr"
        worker = WorkerProcess(work, *arguments, env=self._env, stderr=stderr)
        self._exits.callback(worker.close)
        return worker

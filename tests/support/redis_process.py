"""A Redis server that tests start, kill and start again."""

from __future__ import annotations

import signal
import subprocess
from subprocess import DEVNULL
from typing import TYPE_CHECKING, Any

import redis

from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from pathlib import Path


class RedisProcess:
    """Redis on a socket in a folder, which no other process can take, however often it starts.

    Args:
        program: The path of redis-server.
        folder: Where the socket is.
        options: Of the command line.
    """

    def __init__(self, program: str, folder: Path, *options: str) -> None:
        self.path = folder / "redis.sock"
        self._command = [
            program, "--port", "0", "--unixsocket", str(self.path), "--dir", str(folder),
            "--save", "", "--appendonly", "no", *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self.path}"

    def start(self) -> None:
        """Start it; it answers when this returns."""
        self._process = subprocess.Popen(self._command, stdout=DEVNULL)
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.run("PING"))
        except redis.ConnectionError:
            return False

    def run(self, *command: Any) -> Any:
        """What it answers to *command*."""
        with redis.Redis(unix_socket_path=str(self.path)) as client:
            return client.execute_command(*command)

    def freeze(self) -> None:
        """Let it do nothing more; its sockets stay open."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it do again what it does."""
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, with all that it has."""
        self._send(signal.SIGKILL)
        assert self._process is not None
        with self._process as process:
            process.wait(PATIENCE)
        self._process = None
        self.path.unlink()

    def close(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self.kill()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

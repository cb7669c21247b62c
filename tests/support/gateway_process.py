"""A gateway in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from teamwire_sync._gateway.clients import Clients
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from typing import Protocol

    class HasEnv(Protocol):
        """A server whose clients need these variables."""

        @property
        def env(self) -> dict[str, str]: ...


COMMAND = [sys.executable, "-m", "teamwire_sync._cli", "gateway", "--upstream", "http"]


class GatewayProcess:
    """A gateway, over HTTP to a sandbox unless the options say otherwise.

    Args:
        box: The upstream, which has the variables that lead to it.
        state: The folder of the state.
        options: Options of the command.

    Attributes:
        url: The URL.
        app_id: The App ID of a client.
        secret: Its Secret.
        lines: The lines on stderr: the log.
    """

    def __init__(self, box: HasEnv, state: Path, *options: str) -> None:
        clients = Clients(state)
        name = f"client{len(clients.all())}"
        self.app_id, secret = clients.add(name)
        self.secret = secret.reveal()
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--state", state, *options],
            env={**os.environ, **box.env},
            stdout=PIPE,
            stderr=PIPE,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        if first.startswith("The proxy at "):
            first = self._process.stdout.readline()
        if not first.startswith("The gateway runs at "):
            self.end(signal.SIGKILL)
            pytest.fail(f"the gateway did not start: {self.lines}")
        self.url = first.split()[-1].rstrip(".")
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        self.address = host.strip("[]"), int(port)

    def _read(self) -> None:
        assert self._process.stderr is not None
        self.lines.extend(line.rstrip("\n") for line in self._process.stderr)

    def connect(self, **kwargs: object) -> Connection:
        """A client; keyword arguments are Connection's."""
        return Connection(self.app_id, self.secret, self.url, **kwargs)  # type: ignore[arg-type]

    def open_files(self) -> int:
        """The number of its open files and sockets."""
        return len([*Path(f"/proc/{self._process.pid}/fd").iterdir()])

    def memory(self) -> int:
        """Its resident memory in kB."""
        text = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return int(text.partition("VmRSS:")[2].split()[0])

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code."""
        try:
            return self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._reader.join(PATIENCE)
            for each in (self._process.stdout, self._process.stderr):
                assert each is not None
                each.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal, and return the exit code."""
        self.send(number)
        return self.wait()

    def close(self) -> None:
        """End it, unless it has ended."""
        if self._process.poll() is None:
            self.end(signal.SIGKILL)

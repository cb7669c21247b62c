"""A gateway in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from teamwire_sync._gateway.clients import Clients
from tests.support.processes import cpu_seconds
from tests.support.sdk_double import process_env
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.support.sdk_double import HasEnv


_COMMAND = [sys.executable, "-m", "teamwire_sync", "gateway", "--upstream"]
COMMAND = [*_COMMAND, "http"]


class GatewayProcess:
    """A gateway to a sandbox.

    Args:
        box: The sandbox.
        state: The folder of the state.
        options: Options of the command.
        upstream: The way to the sandbox: "http", or "vendor" for the double of the vendor's SDK.

    Attributes:
        url: The URL.
        app_id: The App ID of a client.
        secret: Its Secret.
        lines: The lines on stderr: the log.
    """

    def __init__(self, box: HasEnv, state: Path, *options: str, upstream: str = "http") -> None:
        clients = Clients(state)
        name = f"client{len(clients.all())}"
        self.app_id, secret = clients.add(name)
        self.secret = secret.reveal()
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            [*_COMMAND, upstream, "--port", "0", "--state", state, *options],
            env={**os.environ, **(box.env if upstream == "http" else process_env(box))},
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

    def size_of_open_files(self, folder: Path) -> int:
        """The size in bytes of its open files in a folder, also of those that have no name."""
        size = 0
        for each in Path(f"/proc/{self._process.pid}/fd").iterdir():
            # It may be closed now.
            with suppress(FileNotFoundError):
                size += each.stat().st_size if str(each.readlink()).startswith(str(folder)) else 0
        return size

    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        return cpu_seconds(self._process.pid)

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

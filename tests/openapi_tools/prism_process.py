"""Prism, a proxy that validates requests and responses by an OpenAPI file."""

from __future__ import annotations

import re
import socket
import subprocess
from typing import TYPE_CHECKING

import requests

from tests.openapi_tools.installed import CONTRACT
from tests.support.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Nobody connects from here, so that no connection takes the port of the proxy.
_HOST = "127.0.0.4"
_FAULT = re.compile(r"Violation: .*|Request terminated with error: .*")


class Prism:
    """Prism in front of a server.

    Args:
        program: The path of prism.
        upstream: The URL of the server.
        folder: Where its log goes.
        options: More arguments.
    """

    def __init__(
        self, program: Path, upstream: str, folder: Path, options: Sequence[str] = ()
    ) -> None:
        with socket.create_server((_HOST, 0)) as unused:
            port = unused.getsockname()[1]
        self.url = f"http://{_HOST}:{port}"
        self._log = folder / "prism.log"
        self._told = 0
        command = [str(program), "proxy", str(CONTRACT), upstream, *options]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--host", _HOST, "--port", str(port)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(lambda: self._process.poll() is not None or self._listens())
            assert self._process.poll() is None, self._text()
        except BaseException:
            self.close()
            raise

    def faults(self) -> list[str]:
        """Return the violations in requests and responses since the last call."""
        # The log may be behind: it has the line of this request last.
        before = self._answered()
        requests.get(f"{self.url}/health", timeout=PATIENCE).raise_for_status()
        wait_until(lambda: self._answered() > before)
        found = _FAULT.findall(self._text())
        told, self._told = self._told, len(found)
        return found[told:]

    def close(self) -> None:
        """End it."""
        with self._process as process:
            process.kill()

    def _listens(self) -> bool:
        return "Prism is listening" in self._text()

    def _answered(self) -> int:
        return self._text().count("The upstream call to /health has returned")

    def _text(self) -> str:
        return self._log.read_text("utf-8")

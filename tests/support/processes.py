"""Programs that tests start, kill and start again."""

from __future__ import annotations

import csv
import io
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# As github.com/teamwire/platform has it, but for what only its own services need. That has no
# `option httpchk`: its checks only connect. Here they are quick, so that the tests are.
_CONFIG = """
global
    maxconn 256
    ssl-default-bind-options ssl-min-ver TLSv1.2

defaults
    mode http
    option dontlognull
    option redispatch
    option http-server-close
    option forwardfor
    balance roundrobin
    retries 3
    timeout connect 5s
    timeout client 5m
    timeout server 120s
    timeout check 3s
    timeout http-request 15s
    timeout queue 30s
    timeout http-keep-alive {keep_alive}
    {error_pages}

frontend https-in
    bind fd@{http}
    bind fd@{https} ssl crt {certificate}
    http-response set-header Strict-Transport-Security max-age=15768000
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request add-header X-Forwarded-Proto https if {{ ssl_fc }}
    redirect scheme https code 301 if !{{ ssl_fc }}
    unique-id-format %{{+X}}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
    unique-id-header X-Request-ID
    default_backend teamwire-backend

backend teamwire-backend
    option httpchk GET /health
    http-response del-header Server
    http-response set-header Connection keep-alive
    {hidden}
    default-server check inter 200ms fall 2 rise 1
    {servers}

frontend stats
    bind fd@{stats}
    stats enable
    stats uri /
"""
_ERROR_PAGE = """HTTP/1.0 503 Service Unavailable\r
Cache-Control: no-cache\r
Connection: close\r
Content-Type: text/html\r
\r
<html><body><h1>503 Service Unavailable</h1>
No server is available to handle this request.
</body></html>
"""
_HIDING = "http-response del-header Teamwire-Bot-Contract"
_OWN_ERRORS = (400, 403, 408, 500, 502, 503, 504)


def _lines(lines: Iterable[str]) -> str:
    return "\n    ".join(lines)


class HaProxy:
    """HAProxy in front of servers, as it stands in front of a Teamwire installation.

    Args:
        program: The path of haproxy.
        folder: Where its configuration goes.
        certificate: A file with its certificate and key.
        servers: Host and port of each.
        keep_alive: How long a connection without a request stays open.
        one_page: Whether each error of its own is the same 503, as in older installations.
        hides_contract: Whether answers don't tell that the server keeps the contract.
    """

    def __init__(
        self,
        program: str,
        folder: Path,
        certificate: Path,
        servers: Sequence[tuple[str, int]],
        *,
        keep_alive: str = "5m",
        one_page: bool = False,
        hides_contract: bool = False,
    ) -> None:
        page = folder / "503.http"
        page.write_bytes(_ERROR_PAGE.encode())
        config = folder / "haproxy.cfg"
        with ExitStack() as exits:
            # It inherits sockets that listen already: no port that somebody else could take.
            sockets = [
                exits.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
                for _ in range(3)
            ]
            http, https, stats = files = [each.fileno() for each in sockets]
            config.write_text(
                _CONFIG.format(
                    certificate=certificate,
                    error_pages=_lines(
                        f"errorfile {status} {page}"
                        for status in (_OWN_ERRORS if one_page else [503])
                    ),
                    hidden=_HIDING if hides_contract else "",
                    http=http,
                    https=https,
                    keep_alive=keep_alive,
                    servers=_lines(
                        f"server backend_{number} {host}:{port}"
                        for number, (host, port) in enumerate(servers)
                    ),
                    stats=stats,
                )
            )
            self._process = subprocess.Popen([program, "-db", "-f", config], pass_fds=files)
            ports = [each.getsockname()[1] for each in sockets]
        self.plain_url = f"http://127.0.0.1:{ports[0]}"
        self.url = f"https://127.0.0.1:{ports[1]}"
        self._stats_url = f"http://127.0.0.1:{ports[2]}/;csv"

    def close(self) -> None:
        """End it."""
        with self._process as process:
            process.kill()

    def is_up(self, number: int) -> bool:
        """Whether it takes a server for healthy."""
        return self._server(number)["status"].startswith("UP")

    def under_way(self, number: int) -> int:
        """How many requests a server is at."""
        return int(self._server(number)["scur"])

    @property
    def connections(self) -> int:
        """How many connections clients have made so far."""
        return int(self._stats("https-in", "FRONTEND")["conn_tot"])

    @property
    def open_connections(self) -> int:
        """How many of them are open."""
        return int(self._stats("https-in", "FRONTEND")["scur"])

    def _server(self, number: int) -> dict[str, str]:
        return self._stats("teamwire-backend", f"backend_{number}")

    def _stats(self, proxy: str, name: str) -> dict[str, str]:
        with urllib.request.urlopen(self._stats_url, timeout=PATIENCE) as answer:  # noqa: S310 - ours
            text = answer.read().decode().lstrip("# ")
        return next(
            row
            for row in csv.DictReader(io.StringIO(text))
            if (row["pxname"], row["svname"]) == (proxy, name)
        )


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used, on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SandboxProcess:
    """A sandbox in a process of its own, at the same address each time that it is started.

    Args:
        path: The file that keeps its world; None for a new world at each start.
    """

    # Nobody connects from here, so that no connection takes the port while the process is away.
    _HOST = "127.0.0.2"

    def __init__(self, path: Path | None = None) -> None:
        self._options = [] if path is None else ["--path", str(path)]
        # Not the sandbox's own choice: one that it has chosen can't be had again at once.
        with socket.create_server((self._HOST, 0)) as unused:
            self.address: tuple[str, int] = unused.getsockname()
        self._process: subprocess.Popen[str] | None = None
        self.env: dict[str, str] = {}

    def start(self) -> None:
        """Start it; it answers when this returns."""
        host, port = self.address
        command = [sys.executable, "-m", "teamwire_sync", "sandbox", *self._options]
        self._process = subprocess.Popen(
            [*command, "--host", host, "--port", str(port)], stdout=PIPE, encoding="utf-8"
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("export "):
                name, _, value = line[len("export ") :].strip().partition("=")
                self.env[name] = value
            if line.startswith("Ctrl-C"):
                return
        pytest.fail("the sandbox did not start")

    def cpu_seconds(self) -> float:
        """The processor time that it has used."""
        assert self._process is not None
        return cpu_seconds(self._process.pid)

    def freeze(self) -> None:
        """Let it do nothing more; its sockets stay open."""
        self._send(signal.SIGSTOP)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """Let it end in order."""
        self._send(signal.SIGINT)
        self._wait()

    def close(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self.kill()

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait(self) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        with process:
            try:
                process.wait(PATIENCE)
            finally:
                # Leaving the block waits for it: for ever, where it ignores SIGINT as what a shell
                # starts in the background does.
                process.kill()

"""Proxies as processes, which inherit a socket: no port that somebody else could take."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.needed import needed_program
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@contextmanager
def running(command: Sequence[str], listening: socket.socket) -> Iterator[None]:
    """Run a proxy that accepts the connections of *listening*."""
    number = listening.fileno()
    env = {**os.environ, "NGINX": f"{number};"}
    with subprocess.Popen(command, env=env, pass_fds=[number]) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextmanager
def nginx(folder: Path, lines: Callable[[int], str]) -> Iterator[tuple[str, int]]:
    """Run nginx, and return its address.

    Args:
        folder: The folder of its files.
        lines: A function that returns the lines of the section ``http`` for a port.
    """
    program = needed_program("nginx")
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        address = listening.getsockname()
        # Only root can read the folder of a test.
        user = "user root;\n" if os.getuid() == 0 else ""
        folders = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in _FOLDERS)
        config = folder / "nginx.conf"
        config.write_text(
            f"daemon off;\n{user}worker_processes 1;\nworker_rlimit_nofile 4096;\n"
            f"pid {folder}/nginx.pid;\nevents {{ worker_connections 2048; }}\n"
            f"http {{\naccess_log off;\n{folders}{lines(address[1])}}}\n"
        )
        with running([program, "-c", str(config), "-e", str(folder / "error.log")], listening):
            yield address

"""A command at a terminal."""

from __future__ import annotations

import errno
import os
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cli.conftest import AGAIN, COMMAND, environment_of
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from types import TracebackType

    from teamwire_sync.testing import Sandbox

# Makes the terminal that one of its streams is the one whose Ctrl-C it hears.
_TAKE = (
    "import fcntl, os, sys, termios\n"
    "at = int(sys.argv[1])\n"
    "fcntl.ioctl(at, termios.TIOCSCTTY, 0)\n"
    "os.execv(sys.argv[2], sys.argv[2:])\n"
)
CTRL_C = "\x03"


def settle(pid: int) -> None:
    """Let a process come to the system call that it waits in, where /proc tells.

    A signal that comes just before that is heard with the next one only.
    """
    stat = Path(f"/proc/{pid}/stat")
    pause = threading.Event()
    for _ in range(300):
        if not stat.exists() or stat.read_text("utf-8").rpartition(")")[2].split()[0] != "R":
            return
        pause.wait(0.001)


class Terminal:
    """Runs a command whose streams are a terminal, but for those that are given.

    Attributes:
        shown: What it has shown so far.
        process: The process.
    """

    def __init__(
        self,
        *args: str,
        box: Sandbox | None,
        columns: int = 100,
        stdout: int | None = None,
        stderr: int | None = None,
        **more: str,
    ) -> None:
        import fcntl  # noqa: PLC0415  there is none on Windows
        import pty  # noqa: PLC0415
        import termios  # noqa: PLC0415

        self._own, theirs = pty.openpty()
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process: subprocess.Popen[Any] = subprocess.Popen(
            [sys.executable, "-c", _TAKE, "0", *COMMAND, *args],
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs if stderr is None else stderr,
            env=environment_of(box, **{"TERM": "xterm-256color", **more}),
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        self.process.wait()
        os.close(self._own)

    def wait_for(self, text: str) -> None:
        """Return when it has shown *text*."""
        while text not in self.shown:
            assert self._read(), f"it has ended, and shown {self.shown!r}"

    def type(self, text: str) -> None:
        """Type *text*."""
        os.write(self._own, text.encode())

    def finish(self) -> int:
        """Wait for its end, and give its exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE)

    def leave(self, key: str) -> int:
        """Type *key* until it ends, and give its exit code."""
        give_up = time.monotonic() + PATIENCE
        settle(self.process.pid)
        self.type(key)
        typed = time.monotonic()
        while self._read(wait=False):
            assert time.monotonic() < give_up, f"it waits, and has shown {self.shown!r}"
            if time.monotonic() - typed > AGAIN:
                self.type(key)
                typed = time.monotonic()
        return self.process.wait(PATIENCE)

    def _read(self, *, wait: bool = True) -> bool:
        """Read what it shows; False when it has ended."""
        give_up = time.monotonic() + PATIENCE
        while not select.select([self._own], [], [], 0.2)[0]:
            if self.process.poll() is not None:
                return False
            if not wait:
                return True
            assert time.monotonic() < give_up, f"it waits, and has shown {self.shown!r}"
        try:
            piece = os.read(self._own, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # which is how Linux says that it is the end
                raise
            piece = b""
        self.shown += piece.decode("utf-8", "replace")
        return bool(piece)

"""An end for a test that hangs: all stacks are shown, and its processes are killed.

Under pytest-xdist the run goes on: another worker takes the place of the one that died, and the
test counts as failed. Alone, the run ends there.
"""

from __future__ import annotations

import faulthandler
import math
import os
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

# By name: tests put clocks of their own in the place of what `time` has.
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROCESSES = Path("/proc")
_EXIT_CODE = 70


class Watchdog:
    """Ends the process when a step of a test takes too long.

    It has a thread of its own. When that can't run, since a call in C keeps the interpreter's lock,
    `faulthandler` shows the stacks and ends the process without it.

    Args:
        stderr: A file descriptor that no test captures.
        heartbeat: Seconds for which the thread may be unable to run.
    """

    def __init__(self, stderr: int, heartbeat: float) -> None:
        self._stderr = stderr
        self._heartbeat = heartbeat
        self._deadline = math.inf
        self._limit = math.inf
        self._step = ""

    def start(self) -> None:
        """Start to watch."""
        threading.Thread(target=self._watch, name="watchdog of the tests", daemon=True).start()

    @contextmanager
    def watching(self, step: str, seconds: float) -> Iterator[None]:
        """Give the block *seconds* to end."""
        self.arm(step, seconds)
        try:
            yield
        finally:
            self.disarm()

    def disarm(self) -> None:
        """Give it all the time there is."""
        self._deadline = math.inf

    def arm(self, step: str, seconds: float) -> None:
        """Give the process *seconds* to end, or to be disarmed."""
        self._step = step
        self._limit = seconds
        self._deadline = monotonic() + seconds

    def _watch(self) -> None:
        while monotonic() < self._deadline:
            faulthandler.dump_traceback_later(self._heartbeat, exit=True, file=self._stderr)
            sleep(0.5)
        os.write(self._stderr, f"\n{self._step} hangs since {self._limit:g} s\n".encode())
        faulthandler.dump_traceback(self._stderr, all_threads=True)
        for process in descendants(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        os._exit(_EXIT_CODE)


def descendants(process: int) -> list[int]:
    """The children of a process, their children, and so on. Only Linux tells."""
    children: dict[int, list[int]] = {}
    for stat in _PROCESSES.glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended meanwhile
            # pid (name) state parent: a name can have spaces and parentheses.
            parent = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(stat.parent.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found[1:]


def real_stderr() -> int:
    """A file descriptor of stderr that stays when pytest captures."""
    return os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)

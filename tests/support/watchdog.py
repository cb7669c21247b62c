"""An end for a test that hangs: all stacks are shown, and its processes are killed.

Under pytest-xdist the run goes on: another worker takes the place of the one that died, and the
test counts as failed. Alone, the run ends there.

As a program, it is the helper of a `Watchdog`: ``python watchdog.py PROCESS SECONDS``.
"""

from __future__ import annotations

import faulthandler
import math
import os
import select
import signal
import subprocess
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
_TICK = 0.5


class Watchdog:
    """Ends the process when a step of a test takes too long.

    A thread counts the time. A call in C may keep the lock of the interpreter, so that the thread
    can't run; then a helper, which is a process, hears no tick, and ends this one.

    Args:
        stderr: A file descriptor that no test captures.
        silence: Seconds without a tick after which the helper acts.
    """

    def __init__(self, stderr: int, *, silence: float = 70) -> None:
        self._stderr = stderr
        self._silence = silence
        # Replaced as a whole: the thread that counts shares nothing else with the tests.
        self._armed = "", math.inf

    def start(self) -> None:
        """Start to watch."""
        self._helper = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__, str(os.getpid()), str(self._silence)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
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
        self._armed = "", math.inf

    def arm(self, step: str, seconds: float) -> None:
        """Give the process *seconds* to end, or to be disarmed."""
        self._armed = step, seconds

    def _watch(self) -> None:
        assert self._helper.stdin is not None
        armed, passed, ticked_at = self._armed, 0.0, monotonic()
        while passed < armed[1]:
            with suppress(OSError):  # a test may have killed the helper
                self._helper.stdin.write(b".")
            sleep(_TICK)
            ticked_at, before = monotonic(), ticked_at
            # A busy machine or a stopped process may take more time than the test did.
            passed += min(ticked_at - before, 2 * _TICK)
            if self._armed is not armed:
                armed, passed = self._armed, 0.0
        try:
            text = f"\n{armed[0]} has not ended within {armed[1]:g} s\n"
            os.write(self._stderr, text.encode())
            faulthandler.dump_traceback(self._stderr, all_threads=True)
            kill_descendants(os.getpid())
        finally:
            os._exit(_EXIT_CODE)


def kill_descendants(process: int) -> None:
    """Kill the children of a process, their children, and so on."""
    # Again, for those that were made meanwhile. Another user's stay: no count would reach zero.
    for _ in range(5):
        for one in descendants(process):
            if one != os.getpid():
                with suppress(OSError):  # it may have ended meanwhile
                    os.kill(one, signal.SIGKILL)


def descendants(process: int) -> list[int]:
    """The processes below a process that have not ended. Only Linux tells."""
    children: dict[int, list[int]] = {}
    for stat in _PROCESSES.glob("[0-9]*/stat"):
        with suppress(OSError):  # it may have ended meanwhile
            # pid (name) state parent: a name can have spaces and parentheses.
            state, parent = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                children.setdefault(int(parent), []).append(int(stat.parent.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found[1:]


def real_stderr() -> int:
    """A file descriptor of stderr that stays when pytest captures."""
    return os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)


def _help(process: int, silence: float) -> None:
    # Ctrl-C is for the tests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while select.select([0], [], [], silence)[0]:
        if not os.read(0, 4096):
            return
    # It may have ended: a forked child of its keeps the pipe open.
    if os.getppid() == process:
        kill_descendants(process)
        # pytest has faulthandler show the stacks then.
        os.kill(process, signal.SIGABRT)


if __name__ == "__main__":
    _help(int(sys.argv[1]), float(sys.argv[2]))

"""Work in a forked child."""

from __future__ import annotations

import os
import signal
import traceback
from typing import TYPE_CHECKING

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from typing import Callable


def in_child(work: Callable[[], object]) -> int:
    """Fork, do *work* in the child, and give its process id to the parent."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001  the child has no one else to tell
            traceback.print_exc()
        finally:
            os._exit(status)
    return pid


def exit_status(pid: int) -> int:
    """Wait for the end of a child; kill it when it does not end."""
    ended: list[int] = []

    def has_ended() -> bool:
        done, status = os.waitpid(pid, os.WNOHANG)
        ended.append(status)
        return done == pid

    try:
        wait_until(has_ended)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    return ended[-1]

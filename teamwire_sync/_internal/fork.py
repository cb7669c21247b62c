"""Renewal of locks and sockets in a forked child.

A thread of the parent may have held a lock, and two processes can't share a socket. A comparison of
process IDs at each look-up would take longer than the look-up. So each object with locks or sockets
registers itself, and one handler in the child renews all registered objects.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """An object whose locks or sockets a forked child must replace."""

    def after_fork(self) -> None:
        """Replace the locks and sockets that the child can't share with its parent."""


_alive: WeakSet[Renewable] = WeakSet()


def on_fork(one: Renewable) -> None:
    """Call ``one.after_fork()`` in each forked child, as long as *one* exists."""
    _alive.add(one)


def _renew_all() -> None:
    for one in list(_alive):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)

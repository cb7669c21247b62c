"""What a forked child has to make anew: locks that another thread held, and sockets.

A process id compared on each look-up would cost more than the look-up. So each object that has
something to renew registers itself, and one handler goes through them in the child.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Something that does not survive a fork as it is."""

    def after_fork(self) -> None:
        """Make anew what the child can't share with its parent."""


_alive: WeakSet[Renewable] = WeakSet()


def on_fork(one: Renewable) -> None:
    """Have *one* renewed in each forked child, while it lives."""
    _alive.add(one)


def _renew_all() -> None:
    for one in list(_alive):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)

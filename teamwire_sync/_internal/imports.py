"""Imports that wait for their first use, whole."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import Any

# While a module is being imported, no fork: the child would wait for ever for the rest of it.
_under_way = threading.RLock()


def import_in_thread(name: str) -> None:
    """Import the module *name*, which takes long, in the middle of a program.

    It is done in a thread of its own, as Ctrl-C comes in the main one: that would leave half of the
    module's own imports, and with those it can't be imported again.
    """
    if name in sys.modules:
        return

    def work() -> None:
        # What goes wrong, the import that follows says.
        with _under_way, suppress(Exception):
            import_module(name)

    thread = threading.Thread(target=work, name=f"teamwire_sync imports {name}", daemon=True)
    with suppress(RuntimeError):  # the interpreter is ending
        thread.start()
        thread.join()


class LazyModule:
    """Stands for the module *name*, which is imported when one of its names is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        import_in_thread(self._name)
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)  # this method is not called again
        return value


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_under_way.acquire,
        after_in_parent=_under_way.release,
        after_in_child=_under_way.release,
    )

"""Imports at first use. No function of the package imports in another way.

An import in the middle of a program has four hazards:

- Fork: thread A imports a module; thread B forks. In the child, the module's lock stays locked
  forever. So a fork waits for the end of an import.
- Ctrl-C: a module whose import is interrupted may leave modules behind, and then the import can't
  be repeated. So the main thread lets another thread import, and waits for it.
- Deadlines: an import may take longer than the time-out of the call that needs it. So the time of
  an import does not count; see `seconds_waited`.
- File descriptors: the process may have none left. Then the import raises `TWConnectionError`, and
  leaves no modules behind.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any

from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.waiting import Gate, run_in_thread
from teamwire_sync.exceptions import TWConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds that a fork waits for an import, and an import for a fork or another import. The waiting
# thread may hold a lock of another library that the other thread needs. So the wait has an end.
_LONGEST_WAIT = 10.0
_NO_FILES = {errno.EMFILE, errno.ENFILE}

# Held by the thread that imports, and by a thread that forks.
_under_way = threading.RLock()
_is_after_logging = False


# No threading.local: all greenlets of gevent or eventlet would share one that was made before these
# packages replaced threads.
_waited: ContextVar[float] = ContextVar("teamwire_sync seconds_waited", default=0.0)


def seconds_waited() -> float:
    """Return the seconds that this thread spent in `first_use` since `reset_seconds_waited`."""
    return _waited.get()


def reset_seconds_waited() -> None:
    """Set the result of `seconds_waited` to zero."""
    _waited.set(0.0)


@contextmanager
def first_use(failure: str) -> Iterator[None]:
    """Surround work that only the first call needs, such as an import.

    Args:
        failure: The beginning of the text of the error.

    Raises:
        TWConnectionError: A file can't be opened or read.
    """
    before, began = _waited.get(), time.monotonic()
    try:
        yield
    except not_by_signal(OSError) as error:
        number, reason = error.errno, error.strerror or type(error).__name__
    except not_by_signal(ImportError):
        # Without a descriptor, an extension module is not found.
        number = _why_no_file_opens()
        if number is None:
            raise
        reason = os.strerror(number)
    else:
        return
    finally:
        # Set, not add: a first use inside this block has already added its seconds.
        _waited.set(before + time.monotonic() - began)
    if number in _NO_FILES:
        reason += "; close files or sockets, or raise the limit (ulimit -n)"
    message = f"{failure}: {reason}"
    raise TWConnectionError(message)


def import_whole(name: str) -> Any:
    """Import the module *name*, unless it is imported, and return it.

    Raises:
        TWConnectionError: A file of the module can't be opened or read.
        ImportError: There is no such module, or it can't be imported.
    """
    with first_use(f"can't import {name}"):
        if name not in sys.modules and threading.get_ident() == threading.main_thread().ident:
            _import_in_thread(name)
        if name not in sys.modules:
            _import(name)
        # This also waits for another thread that is importing the module.
        return import_module(name)


def _why_no_file_opens() -> int | None:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except not_by_signal(OSError) as error:
        return error.errno if error.errno in _NO_FILES else None
    return None


class LazyModule:
    """A stand-in for the module *name*, which is imported when one of its names is first used."""

    __slots__ = ("__dict__", "_name")

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        module = import_whole(self._name)
        # From now on, Python finds the names without a call, also names that a test replaces.
        self.__dict__ = module.__dict__
        return getattr(module, name)


def _import_in_thread(name: str) -> None:
    done = Gate()

    def work() -> None:
        try:
            # The caller imports again, and raises the error.
            with suppress(Exception):
                _import(name)
        finally:
            done.open()

    # At the end of the interpreter, no thread can be started.
    with suppress(RuntimeError):
        run_in_thread(work)
        done.wait(None)


def _import(name: str) -> None:
    global _is_after_logging  # noqa: PLW0603  one registration for each process
    with _forks_held_off():
        if not _is_after_logging:
            # Fork handlers run in the reverse order of their registration. The handler of logging
            # takes a lock that an import may need. So register our handler after it.
            import_module("logging")
            _register_fork_handlers()
            _is_after_logging = True
        before = {*sys.modules}
        try:
            import_module(name)
        except BaseException:
            _forget_orphans(before)
            raise


def _forget_orphans(before: set[str]) -> None:
    """Remove the new modules whose packages could not be imported.

    Otherwise, the next import of such a package would find these modules, but would not set them as
    attributes of the package.
    """
    for name in sorted({*sys.modules} - before):
        package = name.rpartition(".")[0]
        if package and package not in sys.modules:
            del sys.modules[name]


@contextmanager
def _forks_held_off() -> Iterator[None]:
    acquired = False
    try:
        acquired = _under_way.acquire(timeout=_LONGEST_WAIT)
        yield
    finally:
        if acquired:
            _under_way.release()


def _before_fork() -> None:
    _under_way.acquire(timeout=_LONGEST_WAIT)


def _after_fork_in_parent() -> None:
    with suppress(RuntimeError):  # the wait was too long
        _under_way.release()


def _after_fork_in_child() -> None:
    global _under_way  # noqa: PLW0603  the child needs a new lock
    try:
        _under_way.release()
    except RuntimeError:
        # The thread that holds it is not in this process.
        _under_way = threading.RLock()


def _register_fork_handlers() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork,
            after_in_parent=_after_fork_in_parent,
            after_in_child=_after_fork_in_child,
        )


_register_fork_handlers()

"""A local Teamwire-compatible server for tests and demos; needs ``teamwire_sync[sandbox]``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from teamwire_sync._internal.extras import install_command

try:
    from teamwire_sync._sandbox.controls.box import Sandbox
except ModuleNotFoundError as error:
    if error.name not in {"cheroot", "flask"}:
        raise
    message = f"the sandbox needs {error.name}: {install_command('sandbox')}"
    raise ImportError(message, name=error.name) from error
from teamwire_sync._sandbox.controls.faults import Fault
from teamwire_sync._sandbox.controls.holds import Hold
from teamwire_sync._sandbox.controls.request_log import ServedRequest

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["Fault", "Hold", "Sandbox", "ServedRequest", "sandbox"]


@contextmanager
def sandbox(
    *,
    chats: int = 100,
    seed: int = 0,
    path: str | os.PathLike[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    live: bool | float = False,
) -> Iterator[Sandbox]:
    """Serve a sandbox while the ``with`` block runs.

    Args:
        chats: How many chats its world has.
        seed: Varies the world; the same number of chats and seed give the same one.
        path: A file for the world; one that holds a world already is served as it is. By default
            the world is kept in memory.
        host: The address to listen on; anything but loopback is warned about.
        port: The port; 0 takes a free one.
        live: Whether people do something in the bot's chats by themselves, about once a second; or
            the number of seconds between two things that they do.
    """
    box = Sandbox(chats=chats, seed=seed, path=path, host=host, port=port, live=live)
    try:
        yield box
    finally:
        box.close()

"""A local Teamwire-compatible server for tests and demos; needs ``teamwire_sync[sandbox]``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from teamwire_sync._internal.extras import install_command

try:
    from teamwire_sync._sandbox.controls.box import Sandbox
except ModuleNotFoundError as error:
    if error.name not in {"cheroot", "flask", "werkzeug"}:
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
    """Run a sandbox for the duration of a ``with`` block.

    The sandbox's world is its users, groups, chats and messages.

    Args:
        chats: The number of chats in a new world.
        seed: The seed of the world. The same number of chats and the same seed produce the same
            world.
        path: A file that stores the world. If the file already contains a world, the sandbox
            serves that world unchanged. By default the world is kept in memory.
        host: The address to listen on. Any address other than loopback causes a warning.
        port: The port to listen on; 0 selects a free port.
        live: Whether simulated users act in the bot's chats, about once a second. A number is the
            interval in seconds between two actions.
    """
    box = Sandbox(chats=chats, seed=seed, path=path, host=host, port=port, live=live)
    try:
        yield box
    finally:
        box.close()


def __dir__() -> list[str]:
    return [name for name in globals() if name in __all__ or name[:2] == "__"]

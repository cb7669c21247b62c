"""Stores: where listings of the chats outlive a process, for others and for the next start.

`StoreSource` is what the cache asks; `SharedListing` is one slot of a store, of which no failure
reaches a look-up. Only the Connection and the command line use this package.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.secret import Secret
from teamwire_sync._stores.sharing import SharedListing
from teamwire_sync._stores.source import StoreSource
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from teamwire_sync._stores import file, redis
    from teamwire_sync._stores.base import Store, StoreSlot
else:
    file = LazyModule("teamwire_sync._stores.file")
    redis = LazyModule("teamwire_sync._stores.redis")

__all__ = ["SharedListing", "StoreSource", "find_store", "slot_in"]

_KINDS = "none, file, file:FOLDER, redis://HOST, rediss://HOST or unix://SOCKET"


def slot_in(store: Store | None, identity: str | None) -> StoreSlot | None:
    """The slot of the bot *identity* in *store*, else in the one that the environment names.

    Raises:
        TypeError: *store* is none.
        TWConfigError: There is no saying whose chats these are, or the environment names no store.
        ImportError: The store needs a package that is not there.
    """
    if store is None:
        store = find_store(os.environ.get("TEAMWIRE_STORE", ""), "TEAMWIRE_STORE")
        if store is None:
            return None
    elif isinstance(store, type) or not hasattr(store, "_slot"):
        kind = f"the class {store.__name__}" if isinstance(store, type) else type(store).__name__
        message = f"store must be made by FileStore(), RedisStore(url) or MemoryStore(), not {kind}"
        raise TypeError(message)
    if identity is None:
        message = (
            "a store has to know whose chats it keeps, and this transport can't say it. With the "
            "vendor's SDK: Connection.from_vendor(bot='the App ID and the server'). Without a "
            "store: no store=..., and TEAMWIRE_STORE=none"
        )
        raise TWConfigError(message)
    return store._slot(identity)


def find_store(text: str, source: str) -> Store | None:
    """The store that *text* names; None for ``none``, and for nothing.

    Args:
        text: As in ``TEAMWIRE_STORE``.
        source: Where it stands, for the text of an error.

    Raises:
        TWConfigError: It names none.
        ImportError: The store needs a package that is not there.
    """
    given = Secret(text.strip())
    # Locals may be shown with an error, and this one may hold a password.
    del text
    kind = given.reveal().partition(":")[0]
    if given.reveal() in {"", "none"}:
        return None
    problem = f"{source} must be one of {_KINDS}"
    if kind == "file":
        if given.reveal() != "file:":
            try:
                return file.FileStore(given.reveal()[len("file:") :] or None)
            except ValueError as error:
                problem = f"{source}: {error}"
    elif kind in {"redis", "rediss", "unix"}:
        try:
            return redis.RedisStore(given.reveal())
        except ValueError as error:
            problem = f"{source}: {error}"
    # Not echoed: it may hold a password.
    raise TWConfigError(problem)

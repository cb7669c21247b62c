"""Stores: they keep listings of the chats for other processes, and for the next start.

The cache gets its listings from `StoreSource`. `SharedListing` uses one slot of a store, and keeps
the store's failures away from look-ups. Only the Connection and the command line use this package.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._profiles import Setting, problem_of_spelling
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
    """Return the bot's slot; None without a store.

    Args:
        store: The store, or None for the store in ``TEAMWIRE_STORE``.
        identity: A text that identifies the bot and its server, or None if it is unknown.

    Raises:
        TypeError: *store* is not a store.
        TWConfigError: *identity* is None, or ``TEAMWIRE_STORE`` is invalid.
        ImportError: The store needs a package that is not installed.
    """
    if store is None:
        # Not one statement: IPython shows the value of each name and attribute in a statement that
        # raises, and os.environ may contain passwords.
        named = Secret(os.environ.get("TEAMWIRE_STORE", "").strip())
        problem = problem_of_spelling(Setting(named, "TEAMWIRE_STORE", "the environment"))
        if problem:
            raise TWConfigError(problem)
        store = find_store(named, "TEAMWIRE_STORE")
        if store is None:
            return None
    elif isinstance(store, type) or not hasattr(store, "_slot"):
        kind = f"the class {store.__name__}" if isinstance(store, type) else type(store).__name__
        message = f"store must be a FileStore(), RedisStore(url) or MemoryStore(), not {kind}"
        raise TypeError(message)
    if identity is None:
        message = (
            "a store needs the identity of the bot, and this transport has none. With the vendor's "
            "SDK, choose a text such as 'the App ID and the server': Connection(bot=...), "
            "Connection.from_vendor(bot=...) or VendorTransport(bot=...), TEAMWIRE_BOT, or "
            "bot = ... in the config file. To use no store, omit store=... and set "
            "TEAMWIRE_STORE=none"
        )
        raise TWConfigError(message)
    return store._slot(identity)


def find_store(text: str | Secret, source: str) -> Store | None:
    """Return the store that *text* names; None for ``none`` and for an empty text.

    Args:
        text: The text, in the format of ``TEAMWIRE_STORE``.
        source: The place of the text, for error messages.

    Raises:
        TWConfigError: *text* names no store.
        ImportError: The store needs a package that is not installed.
    """
    given = Secret(Secret(text).reveal().strip())
    # A traceback may show local variables, and the variable `text` may contain a password.
    del text
    kind = given.reveal().partition(":")[0]
    if given.reveal() in {"", "none"}:
        return None
    problem = f"{source} must be one of {_KINDS}"
    if kind == "file":
        if given.reveal() != "file:":
            try:
                return file.FileStore(given.reveal()[len("file:") :] or None)
            except not_by_signal(ValueError) as error:
                problem = f"{source}: {error}"
    elif kind in {"redis", "rediss", "unix"}:
        try:
            return redis.RedisStore(given.reveal())
        except not_by_signal(ValueError) as error:
            problem = f"{source}: {error}"
    # The message does not repeat the text, which may contain a password.
    raise TWConfigError(problem)

"""The choice of a transport, and the composition of the parts that use it.

`Connection` and the gateway both start here.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable

from teamwire_sync._cache.chat_cache import ChatCache
from teamwire_sync._cache.source import ServerSource, Source
from teamwire_sync._cache.state import CacheState
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._services.chat_actions import ChatActions
from teamwire_sync._services.chats import Chats
from teamwire_sync._services.directory import GroupDirectory, Groups, UserDirectory, Users
from teamwire_sync._services.paging import read_listing

if TYPE_CHECKING:
    import requests

    from teamwire_sync import _profiles, _stores, _vendor
    from teamwire_sync._http import credentials as http_credentials
    from teamwire_sync._http import transport as http_transport
    from teamwire_sync._internal.secret import Secret
    from teamwire_sync._stores.base import Store, StoreSlot
    from teamwire_sync._transport import Transport
else:
    # A program that passes a transport does not need these.
    _profiles = LazyModule("teamwire_sync._profiles")
    http_credentials = LazyModule("teamwire_sync._http.credentials")
    http_transport = LazyModule("teamwire_sync._http.transport")
    # Few programs have a store, or use the vendor's SDK.
    _stores = LazyModule("teamwire_sync._stores")
    _vendor = LazyModule("teamwire_sync._vendor")

__all__ = [
    "Chats",
    "Groups",
    "Parts",
    "Users",
    "check_settings",
    "check_transport",
    "default_clock",
    "has_store",
    "transport_for",
    "vendor_transport",
]


def has_store(store: Store | None = None) -> bool:
    """Return whether there is a store: *store*, or that of ``TEAMWIRE_STORE``."""
    # No local variable: the value may contain a password.
    return store is not None or os.environ.get("TEAMWIRE_STORE", "").strip() not in {"", "none"}


def check_settings(config: object, clock: object) -> None:
    """Raise unless *config* is a `ConnectionConfig` or None, and *clock* is callable or None."""
    if config is not None and not isinstance(config, ConnectionConfig):
        kind = type(config)
        # The vendor's class has the same name.
        module = f"{kind.__module__}." if kind.__name__ == ConnectionConfig.__name__ else ""
        message = f"config must be a ConnectionConfig, not {module}{kind.__name__}"
        if module:
            message += ": use teamwire_sync.ConnectionConfig"
        raise TypeError(message)
    if clock is not None and not callable(clock):
        message = f"clock must be callable, not {type(clock).__name__}"
        raise TypeError(message)


def check_transport(transport: object) -> None:
    """Raise unless *transport* may be the argument of that name of a Connection."""
    message = "transport must be 'http', 'vendor' or a transport such as VendorTransport()"
    if isinstance(transport, str):
        if transport not in _profiles.WAYS:
            # Do not quote the value, which may be the Secret by mistake.
            raise ValueError(message)
    elif isinstance(transport, type):
        message += f", not the class {transport.__name__}"
        raise TypeError(message)
    elif not hasattr(transport, "iter_chat_pages"):
        message += f", not {type(transport).__name__}"
        raise TypeError(message)


def transport_for(
    credentials: list[Secret | None],
    config: ConnectionConfig,
    *,
    session: requests.Session | None = None,
    named: str | None = None,
    app_name: str | None = None,
    bot: str | None = None,
    is_stored: bool = False,
) -> Transport:
    """Return the transport that the arguments, the environment or the config file choose.

    Args:
        credentials: The App ID, the Secret and the URL; None for each that is not an argument.
        config: The settings.
        session: The session of the caller, or None.
        named: The name of the transport, or None.
        app_name: The name of the program, or None.
        bot: The text that identifies the bot, or None.
        is_stored: Whether there is a store.
    """
    is_http = any(one is not None for one in (*credentials, session))
    if is_http and named == _profiles.VENDOR:
        message = "app_id, secret, url and session can't be combined with transport='vendor'"
        raise TypeError(message)
    profile = _profiles.Profile()
    if not is_http and profile.is_vendor(named):
        return vendor_transport(
            None, config.total_timeout, bot=bot, profile=profile if is_stored else None
        )
    others = {"session": session, "transport": named}
    found = http_credentials.find_credentials(
        *credentials,
        profile=profile,
        chosen_by=[name for name, value in others.items() if value is not None],
        allow_insecure_http=config.allow_insecure_http,
    )
    return http_transport.HttpTransport(
        found, config, session=session, app_name=app_name, lazy=is_stored
    )


def vendor_transport(
    factory: Callable[[], Any] | None,
    total_timeout: float,
    *,
    bot: str | None = None,
    profile: _profiles.Profile | None = None,
) -> Transport:
    """Return a `VendorTransport`. If *bot* is None, it is the one of *profile*."""
    if bot is None and profile is not None:
        found = profile.find("bot")
        bot = None if found is None else found.value.reveal()
    return _vendor.VendorTransport(factory, total_timeout=total_timeout, bot=bot)


def default_clock() -> Callable[[], float]:
    """Return a clock that also runs while the machine sleeps, if the system has one."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    # Every look-up calls the clock, and a partial is faster than a function.
    return time.monotonic if boottime is None else partial(time.clock_gettime, boottime)


class Parts:
    """The cache, the directories and the actions over one transport.

    Args:
        transport: The transport.
        config: The settings.
        clock: The clock of the caches; None for the system's clock.
        slot: The slot of a store for the chats, or None.

    Attributes:
        users: The look-ups of users.
        groups: The look-ups of groups.
        cache: The cache of the chats.
        actions: The actions on chats.
    """

    def __init__(
        self,
        transport: Transport,
        config: ConnectionConfig,
        clock: Callable[[], float] | None,
        slot: StoreSlot | None = None,
    ) -> None:
        self._transport = transport
        clock = default_clock() if clock is None else clock
        timeout = config.listing_timeout
        state = CacheState(
            clock=clock,
            ttl=config.cache_ttl,
            recheck_after=config.recheck_after,
            own_write_grace=config.own_write_grace,
            write_timeout=config.total_timeout,
            stale_if_error=config.stale_if_error,
        )
        # The cache and the actions need each other. `actions` is set before the first listing.
        source: Source
        source = server = ServerSource(
            state,
            lambda request: read_listing(
                transport, request, timeout=timeout, attach=actions.attach
            ),
        )
        if slot is not None:
            shared = _stores.SharedListing(
                slot,
                check_interval=config.store_check_interval,
                attach=lambda stored: actions.attach(
                    list(stored.chats.values()), stored.users, stored.groups
                ),
                patience=timeout,
                grace=config.own_write_grace,
            )
            source = _stores.StoreSource(state, server, shared)
        self.cache = ChatCache(state, source)
        ttls: dict[str, Any] = {
            "clock": clock,
            "ttl": config.cache_ttl,
            "recheck_after": config.recheck_after,
            "listing_timeout": timeout,
        }
        self.users = UserDirectory(transport, **ttls)
        self.groups = GroupDirectory(transport, self.users, writing=self.cache.writing, **ttls)
        self.actions = actions = ChatActions(
            transport,
            self.users,
            self.groups,
            self.cache,
            hide_deleted_messages=config.hide_deleted_messages,
            listing_timeout=timeout,
        )
        transport.on_unauthorized = self.cache.on_unauthorized

    def close(self) -> None:
        """Drop the caches, and close the transport. Idempotent."""
        self.cache.close()
        self.users.close()
        self.groups.close()
        self._transport.close()

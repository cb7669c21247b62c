"""Connection: where a program starts."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, NoReturn

from teamwire_sync._config import ConnectionConfig
from teamwire_sync._display.html import html_table
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.secret import as_secrets
from teamwire_sync._internal.validation import require_bool, require_id
from teamwire_sync.exceptions import TWClosedError

if TYPE_CHECKING:
    from types import TracebackType

    import requests

    from teamwire_sync import _credentials, _stores, _vendor
    from teamwire_sync._http import transport as http_transport
    from teamwire_sync._models import events as event_models
    from teamwire_sync._models.events import Event
    from teamwire_sync._models.people import LoggedInUser
    from teamwire_sync._services import events as event_services
    from teamwire_sync._services import parts
    from teamwire_sync._services.events import EventStream
    from teamwire_sync._stores.base import Store, StoreSlot
    from teamwire_sync._transport import Transport
else:
    # A program without a Connection needs none of them, and one with a transport not the first two.
    _credentials = LazyModule("teamwire_sync._credentials")
    http_transport = LazyModule("teamwire_sync._http.transport")
    parts = LazyModule("teamwire_sync._services.parts")
    # Few programs have a store, listen, or use the vendor's SDK.
    _stores = LazyModule("teamwire_sync._stores")
    event_models = LazyModule("teamwire_sync._models.events")
    event_services = LazyModule("teamwire_sync._services.events")
    _vendor = LazyModule("teamwire_sync._vendor")


class Connection:
    """A bot's connection to a Teamwire server. Many threads may share one.

    No request is made before the first call that needs one. Each credential is taken from the
    arguments, else from the environment (``TEAMWIRE_APP_ID``, ``TEAMWIRE_SECRET``,
    ``TEAMWIRE_URL``), else from an INI file: the one that ``TEAMWIRE_CONFIG`` names, or
    ``teamwire_sync/config.ini`` in the user's configuration folder, in the section ``[default]``
    or the one that ``TEAMWIRE_PROFILE`` names.

    Args:
        app_id: The App ID of the bot, from the dashboard.
        secret: Its Secret.
        url: The server, ``https://backend.example.org``.
        config: Time-outs, cache and network settings.
        session: A `requests.Session` to use, which is neither changed nor closed.
        transport: Another way to a server than HTTP; credentials and session are its own then.
        store: Where the chats outlive this process, for others and for the next start: a
            `FileStore`, a `RedisStore`, or a `MemoryStore`. None takes the one that
            ``TEAMWIRE_STORE`` names, if it names one.
        clock: Gives the seconds that the caches count by; for tests.
        app_name: The name of your program, for the server's log.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: *app_name* can't stand in a header.
        TWConfigError: A credential, a CA bundle or a client certificate is missing or unusable, or
            ``TEAMWIRE_STORE`` is; the text says what to do.
        ImportError: The store needs a package that is not there; the text says what to install.
    """

    def __init__(
        self,
        app_id: str | None = None,
        secret: str | None = None,
        url: str | None = None,
        *,
        config: ConnectionConfig | None = None,
        session: requests.Session | None = None,
        transport: Transport | None = None,
        store: Store | None = None,
        clock: Callable[[], float] | None = None,
        app_name: str | None = None,
    ) -> None:
        given = as_secrets(app_id, secret, url)
        # Locals may be shown with an error, and then self is one of them.
        del app_id, secret, url
        self._closed = False
        if config is None:
            config = ConnectionConfig()
        elif not isinstance(config, ConnectionConfig):
            kind = type(config)
            # The vendor's has the same name.
            module = f"{kind.__module__}." if kind.__name__ == ConnectionConfig.__name__ else ""
            message = f"config must be a ConnectionConfig, not {module}{kind.__name__}"
            if module:
                message += ": teamwire_sync has one of its own"
            raise TypeError(message)
        if clock is None:
            clock = _default_clock()
        elif not callable(clock):
            message = f"clock must be callable, not {type(clock).__name__}"
            raise TypeError(message)
        has_store = store is not None or bool(os.environ.get("TEAMWIRE_STORE"))
        if transport is None:
            credentials = _credentials.find_credentials(
                *given, allow_insecure_http=config.allow_insecure_http
            )
            transport = http_transport.HttpTransport(
                credentials, config, session=session, app_name=app_name, lazy=has_store
            )
        elif not all(one is None for one in (*given, session, app_name)):
            message = "app_id, secret, url, session and app_name do not go with a transport"
            raise TypeError(message)
        slot = None
        if has_store:
            slot = _stores.slot_in(store, getattr(transport, "identity", None))
        self._transport = transport
        ttls: dict[str, Any] = {
            "clock": clock,
            "ttl": config.cache_ttl,
            "recheck_after": config.recheck_after,
            "listing_timeout": config.listing_timeout,
        }
        self._users = parts.UserDirectory(transport, **ttls)
        self._groups = parts.GroupDirectory(transport, self._users, **ttls)
        self.users = parts.Users(self._users)
        self.groups = parts.Groups(self._groups)
        self._make_chats(config, clock, slot)
        self._hide_deleted_messages = config.hide_deleted_messages
        transport.on_unauthorized = self._cache.on_unauthorized

    def _make_chats(
        self, config: ConnectionConfig, clock: Callable[[], float], slot: StoreSlot | None
    ) -> None:
        """Make the cache of the chats, and the actions of its chats, which expire it."""
        transport, timeout = self._transport, config.listing_timeout
        state = parts.CacheState(
            clock=clock,
            ttl=config.cache_ttl,
            recheck_after=config.recheck_after,
            own_write_grace=config.own_write_grace,
            stale_if_error=config.stale_if_error,
        )
        # `actions` is read when a listing comes: the cache and the actions need each other.
        source: parts.Source
        source = server = parts.ServerSource(
            state,
            lambda request: parts.read_listing(
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
            )
            source = _stores.StoreSource(state, server, shared)
        self._cache = parts.ChatCache(state, source)
        self._actions = actions = parts.ChatActions(
            transport,
            self._users,
            self._groups,
            self._cache,
            hide_deleted_messages=config.hide_deleted_messages,
            listing_timeout=timeout,
        )
        self.chats = parts.Chats(transport, self._cache, actions)

    @classmethod
    def from_vendor(
        cls,
        connection_factory: Callable[[], Any] | None = None,
        *,
        bot: str | None = None,
        config: ConnectionConfig | None = None,
        store: Store | None = None,
        clock: Callable[[], float] | None = None,
    ) -> Connection:
        """A Connection that works through the vendor's own async SDK, see `VendorTransport`.

        Args:
            connection_factory: Makes the vendor's connection; ``teamwire_api.Connection`` when
                None. How that finds its credentials is the vendor's to say.
            bot: Names the bot in a store, for all programs that are to share its chats: the App ID
                and the server, for example. The vendor's SDK does not say whose chats it lists.
            config: The settings; those of HTTP have no effect, as the vendor's SDK does that.
            store: As in `Connection`; needs *bot*.
            clock: Gives the seconds that the caches count by; for tests.

        Raises:
            TypeError: An argument has the wrong type.
            TWConfigError: The vendor's SDK can't be imported; the text says what to do.
        """
        total_timeout = getattr(config, "total_timeout", ConnectionConfig().total_timeout)
        transport = _vendor.VendorTransport(
            connection_factory, total_timeout=total_timeout, bot=bot
        )
        return cls(config=config, transport=transport, store=store, clock=clock)

    def check(self, *, timeout: float | None = None) -> LoggedInUser:
        """Ask the server who the bot is: the quickest way to see that all the settings are right.

        Args:
            timeout: Seconds that this call may take at most.

        Raises:
            TWAuthError: The server does not know the credentials.
            TWConnectionError: There is no server.
            TWUnsupportedError: The transport has no way to ask.
            TWError: Something else is wrong; the text says what.
        """
        me = self._transport.get_me(deadline=deadline_of(timeout))
        self._users.attach([me])
        return me

    def events(
        self,
        timeout: float | None = None,
        since: Event | str | None = None,
        *,
        own: bool = False,
    ) -> EventStream:
        """What happens in the bot's chats, for a ``for`` loop that waits for the next event.

        It begins with what happens after this call. When the network or the server fails, it asks
        again until that is over, and goes on where it was: no event is lost, and none comes twice.
        An event that changes a chat makes the next look-up list the chats anew.

        Args:
            timeout: Seconds after which the loop ends by itself; None for never.
            since: Go on after this event, or after a noted ``cursor`` of an event or a stream.
            own: Give what the bot itself does, too. A bot that answers its own answers never stops.

        `close` ends a loop at once; with a session of your own, when the question under way does,
        after half a minute at most.

        Raises:
            TypeError: An argument has the wrong type.
            TWError: The server could not be asked where the events are.
        """
        require_bool(own, "own")
        ends_at = deadline_of(timeout)
        if since is None:
            page = self._transport.get_events(cursor=None, wait=0, deadline=ends_at)
            cursor = page.cursor
        elif isinstance(since, event_models.Event):
            cursor = since.cursor
        elif isinstance(since, str):
            cursor = require_id(since, "since")
        else:
            message = f"since must be an Event or the cursor of one, not {type(since).__name__}"
            raise TypeError(message)
        return event_services.EventStream(
            self._transport,
            cursor,
            ends_at=ends_at,
            own=own,
            hide_deleted_messages=self._hide_deleted_messages,
            attach=self._actions.attach_events,
            on_event=self._cache.on_event,
        )

    def close(self) -> None:
        """Let go of the sockets and the cache; may be called twice.

        Calls that wait in other threads end with `TWClosedError`: at once where they wait for
        another thread, for a free connection or for an event, else when their request ends.
        """
        self._closed = True
        self._cache.close()
        self._users.close()
        self._groups.close()
        self._transport.close()

    def __enter__(self) -> Connection:
        if self._closed:
            message = "the Connection is closed; make a new one"
            raise TWClosedError(message)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<Connection {state}, {getattr(self, '_transport', 'not made')!r}>"

    def _repr_html_(self) -> str:
        rows = [
            ("state", "closed" if self._closed else "open"),
            ("transport", repr(getattr(self, "_transport", "not made"))),
        ]
        info = self.chats.cache_info() if hasattr(self, "chats") else None
        if info is not None and info.chats:
            rows.append(("in memory", f"{info.chats:,} chats, for {info.expires_in:,.0f} s"))
        return html_table(("Connection", ""), rows)

    def __reduce__(self) -> NoReturn:
        message = (
            "a Connection can't be pickled or copied: it has sockets, locks and a Secret; make one "
            "in each process"
        )
        raise TypeError(message)


def _default_clock() -> Callable[[], float]:
    """A clock that goes on while the machine sleeps, where the system has one."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    # A partial is quicker to call than a function, and every look-up calls it.
    return time.monotonic if boottime is None else partial(time.clock_gettime, boottime)

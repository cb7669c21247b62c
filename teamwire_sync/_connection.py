"""The class `Connection`, with which every program starts."""

from __future__ import annotations

from abc import ABCMeta
from typing import TYPE_CHECKING, Any, Callable, Literal, NoReturn, TypeVar

from teamwire_sync._config import ConnectionConfig
from teamwire_sync._display.html import count_of, html_table
from teamwire_sync._internal.deadlines import deadline_of
from teamwire_sync._internal.imports import LazyModule
from teamwire_sync._internal.secret import as_secrets
from teamwire_sync._internal.validation import require_bool, require_id
from teamwire_sync.exceptions import TWClosedError

if TYPE_CHECKING:
    from types import TracebackType

    import requests

    from teamwire_sync import _composition, _profiles, _stores
    from teamwire_sync._models import events as event_models
    from teamwire_sync._models.events import Event
    from teamwire_sync._models.people import LoggedInUser
    from teamwire_sync._services import events as event_services
    from teamwire_sync._services.events import EventStream
    from teamwire_sync._stores.base import Store
    from teamwire_sync._transport import Transport
else:
    # A program without a Connection does not need this module.
    _composition = LazyModule("teamwire_sync._composition")
    # Few programs have a store, listen, or use the vendor's SDK.
    _profiles = LazyModule("teamwire_sync._profiles")
    _stores = LazyModule("teamwire_sync._stores")
    event_models = LazyModule("teamwire_sync._models.events")
    event_services = LazyModule("teamwire_sync._services.events")

_ConnectionT = TypeVar("_ConnectionT", bound="Connection")


class _ConnectionType(ABCMeta):
    """The type of `Connection`. On the class, the services are their classes.

    `unittest.mock.create_autospec` needs this. Attributes of `Connection` itself would make each
    `connection.chats` slower. It is an ABCMeta so that a subclass may have `ABC` as a second base.
    """

    chats = property(lambda _: _composition.Chats)
    users = property(lambda _: _composition.Users)
    groups = property(lambda _: _composition.Groups)

    def __dir__(cls) -> list[str]:
        return [*super().__dir__(), "chats", "groups", "users"]


class Connection(metaclass=_ConnectionType):
    """A bot's connection to a Teamwire server. Many threads may share a Connection.

    Creating a Connection sends no request. The first call that needs the server sends one. A
    ``with`` block closes the Connection at its end.

    There are two ways to a server, see docs/connect.md: HTTP for a server of the bot contract, and
    the vendor's SDK for a Teamwire server. The arguments *app_id*, *secret*, *url* and *session*
    choose HTTP. Without them, and for each of the arguments *app_id*, *secret*, *url*, *transport*
    and *bot* that is None, the first of these places that has a value counts:

    1. the environment variable ``TEAMWIRE_APP_ID``, ``TEAMWIRE_SECRET``, ``TEAMWIRE_URL``,
       ``TEAMWIRE_TRANSPORT`` or ``TEAMWIRE_BOT``;
    2. the config file, an INI file: the path in ``TEAMWIRE_CONFIG``, or
       ``teamwire_sync/config.ini`` in the user's configuration folder. The section is the one that
       ``TEAMWIRE_PROFILE`` names, or ``[default]``.

    Args:
        app_id: The App ID of the bot. None (default): see above.
        secret: The Secret of the bot. None (default): see above.
        url: The URL of the server, such as ``https://backend.example.org``. None (default): see
            above.
        config: The time limits, the settings of the cache and the settings of the network. None
            (default): ``ConnectionConfig()``.
        session: A `requests.Session` that sends the requests. It is neither changed nor closed.
            None (default): a new session, which `close` closes.
        transport: ``"http"``, ``"vendor"`` for the vendor's SDK, or a transport such as
            `VendorTransport`. Only HTTP uses *app_id*, *secret*, *url* and *session*, so they must
            be None for the others. None (default): see above, and HTTP if no place has a value.
        store: A `FileStore`, a `RedisStore` or a `MemoryStore`, which shares the chats with other
            Connections. The first two also share them with other processes and keep them for the
            next start. None (default): the store that ``TEAMWIRE_STORE`` names, or no store.
        clock: A function that returns the time in seconds, for the expiry of the caches in tests.
            None (default): the system's clock.
        app_name: The name of your program, which is added to the User-Agent header for the server's
            log. It must be printable ASCII. Only HTTP uses it. None (default): no addition.
        bot: A text that identifies the bot in a store, such as the App ID and the server. Only the
            vendor's SDK needs it, because it does not name the bot. All programs that share the
            bot's chats must use the same text. None (default): see above, or no store can be used.

    Attributes:
        chats: The look-ups of chats, and the creation of chats.
        users: The look-ups of users.
        groups: The look-ups of circles and distribution lists.

    Raises:
        TypeError: An argument has the wrong type, or can't be combined with *transport*.
        ValueError: *app_name* is not printable ASCII, *transport* is another text, or *bot* is
            empty.
        TWConfigError: A credential, the vendor's SDK, the CA bundle, the client certificate, a
            proxy or another setting is missing or invalid, or a credential is set beside
            ``transport = vendor``. The text says what to do.
        ImportError: The store needs a package that is not installed. The text says what to install.
    """

    def __init__(
        self,
        app_id: str | None = None,
        secret: str | None = None,
        url: str | None = None,
        *,
        config: ConnectionConfig | None = None,
        session: requests.Session | None = None,
        transport: Transport | Literal["http", "vendor"] | None = None,
        store: Store | None = None,
        clock: Callable[[], float] | None = None,
        app_name: str | None = None,
        bot: str | None = None,
    ) -> None:
        given = as_secrets(app_id, secret, url)
        # Reporters of errors show local variables. So delete the Secret, and let repr(self) work.
        del app_id, secret, url
        self._closed = False
        _composition.check_settings(config, clock)
        if transport is not None:
            _composition.check_transport(transport)
        config = config or ConnectionConfig()
        if bot is not None:
            require_id(bot, "bot")
        is_stored = _composition.has_store(store)
        if transport is None or isinstance(transport, str):
            transport = _composition.transport_for(
                given,
                config,
                session=session,
                named=transport,
                app_name=app_name,
                bot=bot,
                is_stored=is_stored,
            )
        elif not all(one is None for one in (*given, session, app_name, bot)):
            message = (
                "app_id, secret, url, session, app_name and bot can't be combined with a transport"
            )
            raise TypeError(message)
        slot = None
        if is_stored:
            slot = _stores.slot_in(store, getattr(transport, "identity", None))
        self._transport = transport
        self._parts = parts = _composition.Parts(transport, config, clock, slot)
        self.chats = _composition.Chats(transport, parts.cache, parts.actions)
        self.users = _composition.Users(parts.users)
        self.groups = _composition.Groups(parts.groups)
        self._hide_deleted_messages = config.hide_deleted_messages
        self._proxy_error_timeout = config.proxy_error_timeout

    @classmethod
    def from_vendor(
        cls: type[_ConnectionT],
        connection_factory: Callable[[], Any] | None = None,
        *,
        bot: str | None = None,
        config: ConnectionConfig | None = None,
        store: Store | None = None,
        clock: Callable[[], float] | None = None,
    ) -> _ConnectionT:
        """Return a Connection that uses the vendor's async SDK, see `VendorTransport`.

        It ignores ``TEAMWIRE_TRANSPORT`` and the credentials of HTTP. docs/vendor.md documents what
        works. See also its section "Not yet run on a real server".

        Args:
            connection_factory: A callable that creates the vendor's connection. None (default):
                ``teamwire_api.Connection``, which finds its credentials itself.
            bot: As for `Connection`.
            config: The settings. The settings of HTTP have no effect, except ``total_timeout``,
                because the vendor's SDK sends the requests. None (default): ``ConnectionConfig()``.
            store: The store, as for `Connection`. It needs *bot*.
            clock: The clock, as for `Connection`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: *bot* is empty.
            TWConfigError: The vendor's SDK can't be imported, a store needs *bot*, or
                ``TEAMWIRE_STORE`` is invalid. The text says what to do.
            ImportError: The store needs a package that is not installed.
        """
        total_timeout = getattr(config, "total_timeout", ConnectionConfig().total_timeout)
        profile = _profiles.Profile() if _composition.has_store(store) else None
        transport = _composition.vendor_transport(
            connection_factory, total_timeout, bot=bot, profile=profile
        )
        return cls(config=config, transport=transport, store=store, clock=clock)

    def check(self, *, timeout: float | None = None) -> LoggedInUser:
        """Check all settings with one request, and return the bot's own user.

        Args:
            timeout: A limit for the call in seconds. If None, only `ConnectionConfig` sets limits.

        Raises:
            TWAuthError: The server does not accept the credentials.
            TWConnectionError: The server can't be reached, or did not answer in time.
            TWUnsupportedError: The transport can't request the bot's own user.
            TWError: The request failed for another reason. The text says why.
        """
        me = self._transport.get_me(deadline=deadline_of(timeout))
        self._parts.users.attach([me])
        return me

    def events(
        self,
        timeout: float | None = None,
        since: Event | str | None = None,
        *,
        own: bool = False,
    ) -> EventStream:
        """Return the events in the bot's chats, for a ``for`` loop that waits for the next event.

        The events start after this call, or after *since*. If the network or the server fails, the
        loop retries and continues at the same place: no event is lost or repeated. An event that
        changes a chat invalidates the cache: the next look-up lists the chats again. `close` ends
        the loop at once. With your own *session*, the loop ends with the current request, after
        half a minute at most. In a notebook, ``EventList(connection.events(timeout=60))`` is a
        table.

        Args:
            timeout: The seconds from this call after which the loop ends. None (default): never.
            since: The event after which the stream starts, or the ``cursor`` of an event or of a
                stream. None (default): the stream starts now.
            own: Whether to include the bot's own actions. A bot that replies to messages could then
                reply to its own replies, without end. Default: False.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: *timeout* is out of range, or *since* is empty.
            TWError: The request for the current cursor failed. With *since*, no request is sent.
        """
        own = require_bool(own, "own")
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
            proxy_error_timeout=self._proxy_error_timeout,
            attach=self._parts.actions.attach_events,
            on_event=self._parts.cache.on_state,
        )

    def close(self) -> None:
        """Close the sockets, and drop the cache. Idempotent.

        Calls that are waiting in other threads raise `TWClosedError`: at once if they wait for
        another thread, a free connection or an event, otherwise when their request ends.
        """
        self._closed = True
        self._parts.close()

    def __enter__(self: _ConnectionT) -> _ConnectionT:
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
            rows.append(
                ("in memory", f"{count_of(info.chats, 'chat')}, for {info.expires_in:,.0f} s")
            )
        return html_table(("Connection", ""), rows)

    def __reduce__(self) -> NoReturn:
        message = (
            "a Connection can't be pickled or copied: it has sockets, locks and a Secret; make one "
            "in each process"
        )
        raise TypeError(message)

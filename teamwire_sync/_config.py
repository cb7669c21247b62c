"""The settings of a Connection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from attrs import Attribute, field, frozen

from teamwire_sync._internal.immutable import Immutable
from teamwire_sync._internal.validation import check_seconds, plain, require_bool, require_count
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_VARIABLE = "TEAMWIRE_ALLOW_INSECURE_HTTP"

INSECURE_HTTP = f"ConnectionConfig(allow_insecure_http=True), or {_VARIABLE}=1"
"""The ways to allow ``http://``, for error texts."""


def _validator(check: Callable[[Any, str], object]) -> Callable[[Any, Attribute[Any], Any], None]:
    """Return an attrs validator that calls *check* with the value and the name of the setting.

    None is accepted without a check if it is the default.
    """

    def validate(config: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None or attribute.default is not None:
            check(value, f"ConnectionConfig.{attribute.name}")
            object.__setattr__(config, attribute.name, plain(value))

    return validate


def _seconds(*, zero: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    return _validator(lambda value, name: check_seconds(name, value, zero=zero))


def _count(least: int) -> Callable[[Any, Attribute[Any], Any], None]:
    return _validator(lambda value, name: require_count(value, name, least))


def _check_path(path: Any, name: str, what: str) -> None:
    if not isinstance(path, (str, os.PathLike)):
        message = f"{name} must be {what}"
        raise TypeError(message)
    # requests takes an empty path as "verify nothing". (pathlib would double this import's time.)
    if not os.path.exists(path):  # noqa: PTH110
        message = f"{name}: there is no file or folder {os.fspath(path)!r}"
        raise ValueError(message)


def _check_verify(value: Any, name: str) -> None:
    if not isinstance(plain(value), bool):
        _check_path(value, name, "True, False or the path of a CA bundle")


def _check_cert(value: Any, name: str) -> None:
    for path in value if isinstance(value, tuple) and len(value) == 2 else (value,):
        _check_path(path, name, "a path, or a tuple of two paths: certificate and key")


def _check_proxies(value: Any, name: str) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(part, str) for item in value.items() for part in item
    ):
        message = f'{name} must be a dict such as {{"https": "http://proxy:3128"}}'
        raise TypeError(message)


def _insecure_http_of_environment() -> bool:
    text = os.environ.get(_VARIABLE, "").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"", "0", "false", "no", "off"}:
        return False
    message = f"{_VARIABLE} must be 1 or 0"
    raise TWConfigError(message)


@frozen
class ConnectionConfig(Immutable):
    """The settings of a Connection. All times are in seconds.

    Each value is checked when the object is created.
    The first four settings have the names and defaults of the vendor's settings.

    Args:
        hide_deleted_messages: Whether to omit messages that their sender deleted, both from the
            messages that you read and from the events. Default: True.
        default_timeout: The time limit for connecting to the server, and for each wait for data of
            its response. Default: 10 s.
        long_timeout: The same limit for a page of chats, users or groups. Default: 15 s.
        assets_timeout: The same limit for attachments and pictures. It applies to each piece of a
            file, not to the whole file. Default: 60 s.
        total_timeout: The time limit for one request with all retries and the pauses between them.
            Two things are not limited: the resolution of the host name, and the transfer of a file,
            which continues as long as its pieces arrive. Default: 60 s.
        retries: The limit on retries of one request after a network failure or a busy server
            (429, 502, 503, 504). A write is retried only if it was provably never sent, or if the
            server keeps the contract and so does the write only once. Default: 3.
        listing_timeout: The time limit for reading all pages of the chats, of a user search, of the
            groups or of messages. Default: 600 s.
        cache_ttl: The time for which a listing of the chats answers look-ups. Users and groups are
            cached for the same time. 0 disables the cache. Default: 300 s.
        recheck_after: If a look-up finds no chat and the last listing is older than this time, the
            chats are listed again. A user or group that was not found is looked up again after the
            same time. Default: 5 s.
        own_write_grace: The time for which the cache keeps an own write visible while the listings
            do not show it yet. Default: 30 s.
        stale_if_error: The time after ``cache_ttl`` for which the last listing still answers
            look-ups while the server fails. Default: 0 s.
        proxy_error_timeout: The time for which ``connection.events()`` retries while something
            between this client and the server, such as a proxy, sends the responses. This applies
            only after a response of the server itself. 0: the loop raises the error at once.
            Default: 3600 s.
        store_check_interval: The time between two checks whether another process has written, for
            a Connection with a store. 0 means a check at each look-up. Default: 1 s.
        pool_size: The limit on TCP connections. Further threads wait for a free connection.
            Default: 32.
        page_size: The number of chats on one page. None (default): the server decides.
        allow_insecure_http: Whether to allow ``http://`` for hosts other than this machine.
            Default: False, or True if ``TEAMWIRE_ALLOW_INSECURE_HTTP`` is ``1``.
        verify: The path of a CA bundle. True: the bundle of requests. False: certificates are not
            verified. None (default): the path in ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``;
            without these variables or with an ``http://`` URL, the same as True.
        cert: The client certificate: a path, or a tuple of the paths of certificate and key. None
            (default): no client certificate.
        proxies: The proxy URLs by the scheme of the server's URL (``https``, ``http`` or ``all``).
            None (default): the proxies of the environment. ``{}``: no proxy.

    Raises:
        TypeError: A value has the wrong type. The text names the setting.
        ValueError: A value is out of range. The text names the setting.
        TWConfigError: ``TEAMWIRE_ALLOW_INSECURE_HTTP`` is neither ``1`` nor ``0``.
    """

    hide_deleted_messages: bool = field(default=True, validator=_validator(require_bool))
    default_timeout: float = field(default=10, validator=_seconds())
    long_timeout: float = field(default=15, validator=_seconds())
    assets_timeout: float = field(default=60, validator=_seconds())
    total_timeout: float = field(default=60, validator=_seconds(), kw_only=True)
    retries: int = field(default=3, validator=_count(0), kw_only=True)
    listing_timeout: float = field(default=600, validator=_seconds(), kw_only=True)
    cache_ttl: float = field(default=300, validator=_seconds(zero=True), kw_only=True)
    recheck_after: float = field(default=5, validator=_seconds(zero=True), kw_only=True)
    own_write_grace: float = field(default=30, validator=_seconds(zero=True), kw_only=True)
    stale_if_error: float = field(default=0, validator=_seconds(zero=True), kw_only=True)
    proxy_error_timeout: float = field(default=3600, validator=_seconds(zero=True), kw_only=True)
    store_check_interval: float = field(default=1, validator=_seconds(zero=True), kw_only=True)
    pool_size: int = field(default=32, validator=_count(1), kw_only=True)
    page_size: int | None = field(default=None, validator=_count(1), kw_only=True)
    allow_insecure_http: bool = field(
        factory=_insecure_http_of_environment, validator=_validator(require_bool), kw_only=True
    )
    verify: bool | str | os.PathLike[str] | None = field(
        default=None, validator=_validator(_check_verify), kw_only=True
    )
    cert: str | tuple[str, str] | None = field(
        default=None, validator=_validator(_check_cert), kw_only=True
    )
    proxies: dict[str, str] | None = field(
        default=None, validator=_validator(_check_proxies), kw_only=True, repr=False
    )

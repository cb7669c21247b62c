"""Settings of a Connection."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from attrs import Attribute, field, frozen

from teamwire_sync._internal.validation import check_seconds, require_bool, require_count

if TYPE_CHECKING:
    from collections.abc import Callable


def _validator(check: Callable[[Any, str], object]) -> Callable[[Any, Attribute[Any], Any], None]:
    """Has *check* look at a value that is given, with the name of its setting."""

    def validate(_config: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None or attribute.default is not None:
            check(value, f"ConnectionConfig.{attribute.name}")

    return validate


def _seconds(*, zero: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    return _validator(lambda value, name: check_seconds(name, value, zero=zero))


def _count(least: int) -> Callable[[Any, Attribute[Any], Any], None]:
    return _validator(lambda value, name: require_count(value, name, least))


def _check_path(path: Any, name: str, what: str) -> None:
    if not isinstance(path, (str, os.PathLike)):
        message = f"{name} must be {what}"
        raise TypeError(message)
    # To requests an empty path means to check nothing. (pathlib would double this import's time.)
    if not os.path.exists(path):  # noqa: PTH110
        message = f"{name}: there is no file or folder {os.fspath(path)!r}"
        raise ValueError(message)


def _check_verify(value: Any, name: str) -> None:
    if not isinstance(value, bool):
        _check_path(value, name, "True, False or the path of a CA bundle")


def _check_cert(value: Any, name: str) -> None:
    for path in value if isinstance(value, tuple) and len(value) == 2 else (value,):
        _check_path(path, name, "a path, or a tuple of two: certificate and key")


def _check_proxies(value: Any, name: str) -> None:
    if not isinstance(value, dict) or not all(
        isinstance(part, str) for item in value.items() for part in item
    ):
        message = f'{name} must be a dict such as {{"https": "http://proxy:3128"}}'
        raise TypeError(message)


@frozen
class ConnectionConfig:
    """Settings of a Connection. Times are in seconds; each value is checked when it is given.

    The first four are the vendor's, by name and default.

    Args:
        hide_deleted_messages: Leave out messages that their sender deleted, of those that are read
            and of the events.
        default_timeout: How long one request may wait for the server to connect, and to answer.
        long_timeout: The same for requests that may take long: a page of chats, users or groups.
        assets_timeout: The same for attachments and pictures: each piece of a file has so long.
        total_timeout: How long one request may take in all, with further tries and the pauses
            between them. Only the resolution of the host's name can take longer, and a file, which
            takes as long as its pieces come.
        retries: How often a request is tried again after the network failed, or the server was too
            busy (429, 502, 503, 504). A write is tried again only when it provably never left, or
            the server keeps the contract and so does it once.
        listing_timeout: How long reading all the pages of the chats may take, or of a search for
            users, of the groups, or of messages.
        cache_ttl: How long a listing of the chats answers look-ups; 0 switches the cache off.
            Users and groups are kept as long.
        recheck_after: A look-up that finds no chat lists them anew when the last listing is older
            than this.
        own_write_grace: How long an own write is remembered that the listing does not show yet.
        stale_if_error: How long after ``cache_ttl`` the last listing may still answer while the
            server fails.
        store_check_interval: How long a process with a store may go on before it looks whether
            another one has written; 0 looks at each look-up.
        pool_size: TCP connections at most; further threads wait for one.
        page_size: Chats asked for in one request; None leaves it to the server.
        allow_insecure_http: Allow ``http://`` for hosts other than this one.
        verify: Path of a CA bundle; True for the one that comes with requests; False to check no
            certificate. None takes ``REQUESTS_CA_BUNDLE`` or ``CURL_CA_BUNDLE``, else is True.
        cert: Client certificate: a path, or a tuple of the paths of certificate and key.
        proxies: Proxy URLs by scheme. None takes them from the environment, ``{}`` is no proxy.

    Raises:
        TypeError: A value has the wrong type.
        ValueError: A value is out of range. Both name the field.
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
    store_check_interval: float = field(default=1, validator=_seconds(zero=True), kw_only=True)
    pool_size: int = field(default=32, validator=_count(1), kw_only=True)
    page_size: int | None = field(default=None, validator=_count(1), kw_only=True)
    allow_insecure_http: bool = field(
        default=False, validator=_validator(require_bool), kw_only=True
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

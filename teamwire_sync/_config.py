"""Settings of a Connection, and where it finds its credentials."""

from __future__ import annotations

import configparser
import os
import stat
import threading
from ipaddress import ip_address
from pathlib import Path
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from warnings import warn

from attrs import field, frozen

from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attrs import Attribute

_VARIABLES = {
    "app_id": "TEAMWIRE_APP_ID",
    "secret": "TEAMWIRE_SECRET",
    "url": "TEAMWIRE_URL",
}


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """Raise unless *value* is a finite number of seconds above zero, or zero where *zero* allows.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        message = f"{name} must be a number of seconds, not {type(value).__name__}"
        raise TypeError(message)
    # No socket and no lock can wait longer than TIMEOUT_MAX; nan fails both comparisons.
    if not 0 <= value <= threading.TIMEOUT_MAX or (value == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        limits = f"{least} and at most {threading.TIMEOUT_MAX:,.0f} seconds"
        message = f"{name} must be {limits}, got {short_repr(value)}"
        raise ValueError(message)


def _seconds(*, zero: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(_config: Any, attribute: Attribute[Any], value: Any) -> None:
        check_seconds(f"ConnectionConfig.{attribute.name}", value, zero=zero)

    return check


def _count(_config: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is None and attribute.default is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"ConnectionConfig.{attribute.name} must be an int, not {type(value).__name__}"
        raise TypeError(message)
    if value < 1:
        message = f"ConnectionConfig.{attribute.name} must be 1 or more, got {value}"
        raise ValueError(message)


def _flag(_config: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, bool):
        message = (
            f"ConnectionConfig.{attribute.name} must be True or False, not {type(value).__name__}"
        )
        raise TypeError(message)


def _existing(path: str | os.PathLike[str], name: str) -> None:
    # Path("") is the current folder, and to requests an empty path means to check nothing.
    if not os.fspath(path) or not Path(path).exists():
        message = f"{name}: there is no file or folder {os.fspath(path)!r}"
        raise ValueError(message)


def _check_verify(_config: Any, _attribute: Attribute[Any], value: Any) -> None:
    if value is None or isinstance(value, bool):
        return
    if not isinstance(value, (str, os.PathLike)):
        message = "ConnectionConfig.verify must be True, False or the path of a CA bundle"
        raise TypeError(message)
    _existing(value, "ConnectionConfig.verify")


def _check_cert(_config: Any, _attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    paths = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            message = "ConnectionConfig.cert must be a path, or a tuple of two: certificate and key"
            raise TypeError(message)
        _existing(path, "ConnectionConfig.cert")


def _check_proxies(_config: Any, _attribute: Attribute[Any], value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, dict) or not all(
        isinstance(part, str) for item in value.items() for part in item
    ):
        message = 'ConnectionConfig.proxies must be a dict such as {"https": "http://proxy:3128"}'
        raise TypeError(message)


@frozen
class ConnectionConfig:
    """Settings of a Connection. Times are in seconds; each value is checked when it is given.

    The first four are the vendor's, by name and default.

    Args:
        hide_deleted_messages: Leave out messages that their sender deleted. Nothing in this
            release reads messages.
        default_timeout: How long one request may wait for the server to connect, and to answer.
        long_timeout: The same for requests that may take long: a page of chats.
        assets_timeout: The same for up- and downloads of attachments, which this release has not.
        listing_timeout: How long reading all the pages of the chats may take.
        cache_ttl: How long a listing of the chats answers look-ups; 0 switches the cache off.
            Users and groups are kept as long.
        recheck_after: A look-up that finds no chat lists them anew when the last listing is older
            than this.
        own_write_grace: How long an own write is remembered that the listing does not show yet.
        stale_if_error: How long after ``cache_ttl`` the last listing may still answer while the
            server fails.
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

    hide_deleted_messages: bool = field(default=True, validator=_flag)
    default_timeout: float = field(default=10, validator=_seconds())
    long_timeout: float = field(default=15, validator=_seconds())
    assets_timeout: float = field(default=60, validator=_seconds())
    listing_timeout: float = field(default=600, validator=_seconds(), kw_only=True)
    cache_ttl: float = field(default=300, validator=_seconds(zero=True), kw_only=True)
    recheck_after: float = field(default=5, validator=_seconds(zero=True), kw_only=True)
    own_write_grace: float = field(default=30, validator=_seconds(zero=True), kw_only=True)
    stale_if_error: float = field(default=0, validator=_seconds(zero=True), kw_only=True)
    pool_size: int = field(default=32, validator=_count, kw_only=True)
    page_size: int | None = field(default=None, validator=_count, kw_only=True)
    allow_insecure_http: bool = field(default=False, validator=_flag, kw_only=True)
    verify: bool | str | os.PathLike[str] | None = field(
        default=None, validator=_check_verify, kw_only=True
    )
    cert: str | tuple[str, str] | None = field(default=None, validator=_check_cert, kw_only=True)
    proxies: dict[str, str] | None = field(
        default=None, validator=_check_proxies, kw_only=True, repr=False
    )


@frozen
class Credentials:
    """What a Connection needs to reach a server, checked.

    Attributes:
        app_id: The App ID of the bot.
        secret: Its Secret.
        url: The server, without a slash at the end.
    """

    app_id: str
    secret: str = field(repr=False)
    url: str


def find_credentials(
    app_id: str | None = None,
    secret: str | None = None,
    url: str | None = None,
    *,
    allow_insecure_http: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> Credentials:
    """Find each credential in the arguments, else the environment, else the config file.

    Raises:
        TypeError: An argument is no str.
        TWConfigError: One is nowhere, or unusable.
    """
    given: dict[str, str | None] = {"app_id": app_id, "secret": secret, "url": url}
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            message = f"{name} must be a str, not {type(value).__name__}"
            raise TypeError(message)
        if value is None:
            given[name] = environ.get(_VARIABLES[name]) or None
    if None in given.values():
        in_file = _read_file(environ)
        for name, value in given.items():
            if value is None:
                given[name] = in_file.get(name)
    found = {name: value for name, value in given.items() if value is not None}
    missing = [name for name in given if name not in found]
    if missing:
        raise TWConfigError(_how_to_give(missing, environ))
    return Credentials(
        app_id=_check_app_id(found["app_id"]),
        secret=_check_secret(found["secret"]),
        url=check_url(found["url"], allow_insecure_http=allow_insecure_http),
    )


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The config file: ``TEAMWIRE_CONFIG``, else the one in the user's configuration folder."""
    given = environ.get("TEAMWIRE_CONFIG")
    if given:
        return _in_home(given)
    folder = environ.get("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME") or "~/.config"
    return _in_home(folder) / "teamwire_sync" / "config.ini"


def _in_home(path: str) -> Path:
    # Path.expanduser raises where there is no home; then a folder named "~" is not there either.
    return Path(os.path.expanduser(path))  # noqa: PTH111


def _how_to_give(missing: list[str], environ: Mapping[str, str]) -> str:
    arguments = ", ".join(f"{name}=..." for name in missing)
    variables = ", ".join(_VARIABLES[name] for name in missing)
    profile = environ.get("TEAMWIRE_PROFILE") or "default"
    return (
        f"{', '.join(missing)} missing. There are three ways to give that: as an argument, "
        f"Connection({arguments}); in the environment, {variables}; or in the section "
        f"[{profile}] of the file {config_path(environ)}, as {missing[0]} = ..."
    )


def _read_file(environ: Mapping[str, str]) -> Mapping[str, str]:
    path = config_path(environ)
    profile = environ.get("TEAMWIRE_PROFILE")
    asked_for = [name for name in ("TEAMWIRE_CONFIG", "TEAMWIRE_PROFILE") if environ.get(name)]
    # Without interpolation, or a '%' in a Secret is an error; with no section of defaults, since
    # [DEFAULT] would lend its values to every profile.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    problem = None
    try:
        with path.open(encoding="utf-8-sig") as file:
            mode = os.fstat(file.fileno()).st_mode
            parser.read_file(file)
    except FileNotFoundError:
        if not asked_for:
            return {}
        problem = f"{' and '.join(asked_for)} is set, but there is no file {path}"
    except OSError as error:
        problem = f"can't read the file {path}: {error.strerror}"
    except (configparser.Error, UnicodeDecodeError) as error:
        # The parser's own text quotes the line, and that may be the one with the Secret.
        lines = [number for number, _ in getattr(error, "errors", ())]
        line = getattr(error, "lineno", None) or (lines[0] if lines else "?")
        problem = f"the file {path} is no INI file: {type(error).__name__} in line {line}"
    if problem:
        raise TWConfigError(problem)
    if os.name != "nt" and mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(
            f"others can read the Secret in {path}; run: chmod 600 {path}",
            UserWarning,
            stacklevel=4,
        )
    section = profile or "default"
    if parser.has_section(section):
        return dict(parser[section])
    if profile:
        names = ", ".join(parser.sections()) or "none"
        message = f"TEAMWIRE_PROFILE is {profile!r}, but {path} has only the sections: {names}"
        raise TWConfigError(message)
    if parser.has_section("DEFAULT"):
        message = f"the section of {path} must be named [default], in small letters"
        raise TWConfigError(message)
    return {}


def _check_app_id(app_id: str) -> str:
    app_id = app_id.strip()
    if not app_id or not app_id.isprintable():
        message = "app_id must be printable text; copy it again from the dashboard"
        raise TWConfigError(message)
    if "://" in app_id:
        message = "app_id is a URL: the order is Connection(app_id, secret, url)"
        raise TWConfigError(message)
    if ":" in app_id:
        message = "app_id must not contain ':' (is it app_id and secret in one?)"
        raise TWConfigError(message)
    return app_id


def _check_secret(secret: str) -> str:
    secret = secret.strip()
    if not secret or not secret.isprintable():
        message = "secret must be printable text; copy it again from the dashboard"
        raise TWConfigError(message)
    return secret


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_host(host: str) -> bool:
    labels = host.rstrip(".").split(".")
    return ":" in host or all(0 < len(label) < 64 for label in labels)


def check_url(url: str, *, allow_insecure_http: bool = False) -> str:
    """Give *url* without a slash at the end.

    Raises:
        TWConfigError: It is no URL of a server, or not https.
    """
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.username is not None or parts.password is not None:
        # Not echoed: the URL holds a password.
        message = "url must not hold a user or a password; give them as app_id and secret"
        raise TWConfigError(message)
    usable = parts.scheme in {"http", "https"} and url.isprintable() and " " not in url
    if not host or not usable or not _is_host(host):
        shown = "" if "@" in url else f", got {url!r}"
        message = f"url must be like 'https://backend.example.org'{shown}"
        raise TWConfigError(message)
    if "?" in url or "#" in url:
        place = f"{parts.scheme}://{parts.netloc}{parts.path}"
        message = f"url must be without '?' and '#': {place}"
        raise TWConfigError(message)
    if parts.path.endswith("/v1/bot"):
        message = f"url must be without /v1/bot: {url[: -len('/v1/bot')]}"
        raise TWConfigError(message)
    if parts.scheme == "http" and not (allow_insecure_http or is_loopback(host)):
        message = (
            f"url must be https, since the Secret goes with every request: https://{parts.netloc} "
            "(or ConnectionConfig(allow_insecure_http=True))"
        )
        raise TWConfigError(message)
    return url

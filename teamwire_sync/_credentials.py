"""Where a Connection finds its credentials, and which it takes."""

from __future__ import annotations

import configparser
import os
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from warnings import warn

from attrs import field, frozen

from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = {
    "app_id": "TEAMWIRE_APP_ID",
    "secret": "TEAMWIRE_SECRET",
    "url": "TEAMWIRE_URL",
}


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

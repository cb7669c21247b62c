"""The credentials of a Connection: where they come from, and their checks."""

from __future__ import annotations

import configparser
import hashlib
import os
import stat
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit
from warnings import warn

from attrs import field, frozen

from teamwire_sync._internal.home import expand, user_folder
from teamwire_sync._internal.hosts import is_host, is_loopback
from teamwire_sync._internal.secret import SHORTEST, Secret, as_secrets, refuse_to_copy
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync.exceptions import TWConfigError

NO_HOME = (
    "there is no home folder for the config file: set HOME to an absolute path, or "
    "TEAMWIRE_CONFIG to the path of the file"
)
"""The text of the error if there is no home folder."""

_VARIABLES = {
    "app_id": "TEAMWIRE_APP_ID",
    "secret": "TEAMWIRE_SECRET",
    "url": "TEAMWIRE_URL",
}


@frozen
class Credentials:
    """Checked credentials for one server.

    Attributes:
        app_id: The App ID of the bot.
        secret: The Secret of the bot.
        url: The URL of the server, without a slash at the end.
    """

    # Not in the repr: a caller who confuses the arguments passes the Secret as the App ID.
    app_id: str = field(repr=False)
    secret: Secret = field(converter=Secret)
    url: str

    @property
    def identity(self) -> str:
        """A hash of the server, the App ID and the contract, which identifies a slot of a store."""
        return hashlib.sha256(f"{self.url}\n{self.app_id}\nv1/bot".encode()).hexdigest()

    def __reduce__(self) -> NoReturn:
        refuse_to_copy()


def find_credentials(
    app_id: str | Secret | None = None,
    secret: str | Secret | None = None,
    url: str | Secret | None = None,
    *,
    allow_insecure_http: bool = False,
) -> Credentials:
    """Return the credentials: each argument, else its environment variable, else the config file.

    Raises:
        TypeError: An argument is not a str.
        TWConfigError: A credential is missing or invalid, or the config file can't be read.
    """
    given = dict(zip(_VARIABLES, as_secrets(app_id, secret, url)))
    # Reporters of errors show local variables, and any argument may be the Secret by mistake.
    del app_id, secret, url
    found = {
        name: Secret(os.environ[variable])
        for name, variable in _VARIABLES.items()
        if os.environ.get(variable)
    }
    for name, value in given.items():
        if value is None:
            continue
        if not isinstance(value.reveal(), str):
            message = f"{name} must be a str, not {type(value.reveal()).__name__}"
            raise TypeError(message)
        found[name] = value
    if len(found) < len(_VARIABLES):
        found = {**_read_file(), **found}
    missing = [name for name in _VARIABLES if name not in found]
    if missing:
        # Not in the statement that raises: IPython shows the value of each name and attribute in
        # that statement, and os.environ contains the Secret.
        profile = os.environ.get("TEAMWIRE_PROFILE")
        raise TWConfigError(_how_to_give(missing, profile))
    bot, key, server = (Secret(found[name].reveal().strip()) for name in _VARIABLES)
    problem = _problem_of(bot.reveal(), key.reveal(), server.reveal())
    if problem:
        raise TWConfigError(problem)
    return Credentials(
        bot.reveal(), key, check_url(server, allow_insecure_http=allow_insecure_http)
    )


def config_path() -> Path | None:
    """Return the path of the config file; None if there is no home folder.

    The path is in ``TEAMWIRE_CONFIG``, or else in the user's configuration folder.
    """
    given = os.environ.get("TEAMWIRE_CONFIG")
    if given:
        path = expand(given)
        return None if path is None else Path(path)
    folder = user_folder("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME", "~/.config")
    return None if folder is None else Path(folder, "teamwire_sync", "config.ini")


def _how_to_give(missing: list[str], profile: str | None) -> str:
    arguments = ", ".join(f"{name}=..." for name in missing)
    variables = ", ".join(_VARIABLES[name] for name in missing)
    path = config_path() or "that TEAMWIRE_CONFIG names"
    return (
        f"{', '.join(missing)} missing: pass Connection({arguments}), or set the environment "
        f"variables {variables}, or add {missing[0]} = ... to the section "
        f"[{profile or 'default'}] of the file {path}"
    )


def _read_file() -> dict[str, Secret]:
    path = config_path()
    profile = os.environ.get("TEAMWIRE_PROFILE")
    asked_for = [name for name in ("TEAMWIRE_CONFIG", "TEAMWIRE_PROFILE") if os.environ.get(name)]
    if path is None:
        if not asked_for:
            return {}
        raise TWConfigError(NO_HOME)
    problem = None
    try:
        sections, mode = _parse_file(path)
    except not_by_signal(FileNotFoundError):
        if not asked_for:
            return {}
        problem = f"{' and '.join(asked_for)} is set, but there is no file {path}"
    except not_by_signal(OSError) as error:
        problem = f"can't read the file {path}: {error.strerror}"
    except not_by_signal(configparser.Error, UnicodeDecodeError) as error:
        # Not the text of the parser's error: it quotes the line, which may contain the Secret.
        lines = [number for number, _ in getattr(error, "errors", ())]
        line = getattr(error, "lineno", None) or (lines[0] if lines else "?")
        problem = f"the file {path} is not an INI file: {type(error).__name__} in line {line}"
    if problem:
        raise TWConfigError(problem)
    if os.name != "nt" and mode & (stat.S_IRGRP | stat.S_IROTH):
        warn(
            f"other users can read the Secret in {path}; run: chmod 600 {path}",
            UserWarning,
            stacklevel=4,
        )
    return _section_in(sections, path, profile)


def _section_in(
    sections: dict[str, dict[str, Secret]], path: Path, profile: str | None
) -> dict[str, Secret]:
    section = profile or "default"
    if section in sections:
        return sections[section]
    if profile:
        names = ", ".join(sections) or "none"
        message = f"TEAMWIRE_PROFILE is {profile!r}, but {path} has only the sections: {names}"
        raise TWConfigError(message)
    if "DEFAULT" in sections:
        message = f"the section of {path} must be named [default], in lower case"
        raise TWConfigError(message)
    return {}


def _parse_file(path: Path) -> tuple[dict[str, dict[str, Secret]], int]:
    """Return the credentials in each section of the file, and the mode of the file."""
    # The parser must not be a local variable of _read_file: Sentry shows the content of mappings.
    # No interpolation, because a Secret may contain '%'. No section of defaults, because the values
    # in [DEFAULT] would apply to every profile.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    with path.open(encoding="utf-8-sig") as file:
        mode = os.fstat(file.fileno()).st_mode
        parser.read_file(file)
    sections = {
        section: {
            name: Secret(parser[section][name]) for name in _VARIABLES if name in parser[section]
        }
        for section in parser.sections()
    }
    return sections, mode


# The two checks return the text of the problem, and never raise: a reporter that shows local
# variables would show their arguments.


def _problem_of(app_id: str, secret: str, url: str) -> str | None:
    if not app_id or not app_id.isprintable():
        return "app_id must be printable text; copy it again from the dashboard"
    if "://" in app_id:
        return "app_id is a URL: the order is Connection(app_id, secret, url)"
    if ":" in app_id:
        return "app_id must not contain ':' (is it app_id and secret in one?)"
    if not secret or not secret.isprintable():
        return "secret must be printable text; copy it again from the dashboard"
    if secret.startswith(("https://", "http://")):
        return "secret is a URL: the order is Connection(app_id, secret, url)"
    _, is_url, rest = url.partition("://")
    path = rest.partition("/")[2] if is_url else url
    if len(secret) >= SHORTEST and (secret in path or secret in unquote(path)):
        return "url must not contain the secret; errors and logs would show it"
    return None


def check_url(url: str | Secret, *, allow_insecure_http: bool = False) -> str:
    """Return *url* without a slash at the end.

    Raises:
        TWConfigError: *url* is not the URL of a server, or uses http where https is required.
    """
    given = Secret(Secret(url).reveal().strip().rstrip("/"))
    del url
    problem = _problem_of_url(given.reveal(), allow_insecure_http=allow_insecure_http)
    if problem:
        raise TWConfigError(problem)
    return str(given.reveal())


def _problem_of_url(url: str, *, allow_insecure_http: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except not_by_signal(ValueError):
        parts, host = urlsplit(""), None
    if parts.username is not None or parts.password is not None:
        # Do not quote the URL, which contains a password.
        return "url must not contain a user or a password; pass them as app_id and secret"
    usable = parts.scheme in {"http", "https"} and url.isprintable() and " " not in url
    if not host or not usable or not is_host(host):
        # A text that can't be parsed may be the Secret in the wrong place, or contain a password.
        shown = f", got {url!r}" if host and "@" not in url else ""
        return f"url must be like 'https://backend.example.org'{shown}"
    if "?" in url or "#" in url:
        return f"url must be without '?' and '#': {parts.scheme}://{parts.netloc}{parts.path}"
    if parts.path.endswith("/v1/bot"):
        return f"url must be without /v1/bot: {url[: -len('/v1/bot')]}"
    if parts.scheme == "http" and not (allow_insecure_http or is_loopback(host)):
        return (
            f"url must be https, since the Secret goes with every request: https://{parts.netloc} "
            "(or ConnectionConfig(allow_insecure_http=True))"
        )
    return None

"""The credentials of a Connection, and their checks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote, urlsplit

from attrs import field, frozen

from teamwire_sync._config import INSECURE_HTTP
from teamwire_sync._internal.hosts import is_host, is_loopback
from teamwire_sync._internal.secret import SHORTEST, Secret, as_secrets, refuse_to_copy
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._profiles import CREDENTIALS, Profile
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    profile: Profile | None = None,
    chosen_by: Iterable[str] = (),
    allow_insecure_http: bool = False,
) -> Credentials:
    """Return the credentials: each argument, else its environment variable, else the config file.

    Args:
        app_id: The App ID, or None.
        secret: The Secret, or None.
        url: The URL, or None.
        profile: The settings of the environment and of the config file, or None to read them.
        chosen_by: The names of the other arguments of the program that choose HTTP.
        allow_insecure_http: Whether *url* may be http for any host.

    Raises:
        TypeError: An argument is not a str.
        TWConfigError: A credential is missing or invalid, or the config file can't be read.
    """
    given = dict(zip(CREDENTIALS, as_secrets(app_id, secret, url)))
    # Reporters of errors show local variables, and any argument may be the Secret by mistake.
    del app_id, secret, url
    profile = profile or Profile()
    found: dict[str, Secret] = {}
    for name, value in given.items():
        if value is None:
            setting = profile.find(name)
            if setting is not None:
                found[name] = setting.value
            continue
        if not isinstance(value.reveal(), str):
            message = f"{name} must be a str, not {type(value.reveal()).__name__}"
            raise TypeError(message)
        found[name] = value
    missing = [name for name in CREDENTIALS if name not in found]
    if missing:
        passed = [name for name, value in given.items() if value is not None]
        raise TWConfigError(profile.how_to_give(missing, [*passed, *chosen_by]))
    bot, key, server = (Secret(found[name].reveal().strip()) for name in CREDENTIALS)
    problem = _problem_of(bot.reveal(), key.reveal(), server.reveal())
    if problem:
        raise TWConfigError(problem)
    return Credentials(
        bot.reveal(), key, check_url(server, allow_insecure_http=allow_insecure_http)
    )


# The two checks return the text of the problem, and never raise: a reporter that shows local
# variables would show their arguments.


def _problem_of(app_id: str, secret: str, url: str) -> str | None:
    if not app_id or not app_id.isprintable():
        return "app_id must be printable text; copy it again"
    if "://" in app_id:
        return "app_id is a URL: the order is Connection(app_id, secret, url)"
    if ":" in app_id:
        return "app_id must not contain ':' (is it app_id and secret in one?)"
    if not secret or not secret.isprintable():
        return "secret must be printable text; copy it again"
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
            f"(or {INSECURE_HTTP})"
        )
    return None

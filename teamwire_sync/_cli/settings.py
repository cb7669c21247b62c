"""Shared parts of all commands: the settings, the Connection, and the look-up of a chat."""

from __future__ import annotations

import logging
import os
import shlex
import warnings
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import click

from teamwire_sync._cli.errors import (
    raise_candidates,
    raise_not_found,
    raise_usage_error,
    require_extras,
)
from teamwire_sync._cli.output import count_progress, echo_err, escape_lines
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._http.credentials import find_credentials
from teamwire_sync._internal.folding import folded
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync._profiles import (
    CREDENTIALS,
    HTTP,
    VARIABLES,
    VENDOR,
    Profile,
    Setting,
    for_vendor,
)
from teamwire_sync._stores import find_store
from teamwire_sync.exceptions import TWConfigError, TWNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._http.credentials import Credentials
    from teamwire_sync._models.chats import Chat, ChatHandle, ChatList
    from teamwire_sync._models.people import User
    from teamwire_sync._transport import Transport

_STORE, _DEFAULT = "TEAMWIRE_STORE", "the default"


class Settings:
    """The settings of one run of the command line. None stands for the default.

    Args:
        url: The server's URL. It overrides the environment and the config file.
        profile: The section of the config file.
        config: The path of the config file.
        store: The store that keeps the chats after the run, in the form of ``TEAMWIRE_STORE``.
        vendor: Whether to use the vendor's SDK, whatever the environment and the config file say.
        timeout: The time limit of each call, in seconds.
        allow_insecure_http: Whether to allow ``http://`` for hosts other than this machine.
    """

    def __init__(
        self,
        *,
        url: str | None,
        profile: str | None,
        config: str | None,
        store: str | None,
        vendor: bool,
        timeout: float | None,
        allow_insecure_http: bool,
    ) -> None:
        self.url = url
        self.timeout = timeout
        self.vendor = vendor
        self._given = {"--profile": profile, "--config": config}
        # The client reads these settings from the environment.
        self.environment = {} if store is None else {_STORE: store}
        if allow_insecure_http:
            self.environment["TEAMWIRE_ALLOW_INSECURE_HTTP"] = "1"

    def connect(self) -> Connection:
        """Return a new Connection."""
        config = ConnectionConfig()
        with require_extras():
            transport = self.make_transport(config)
            try:
                return Connection(config=config, transport=transport)
            except not_by_signal(TWConfigError) as error:
                text = str(error)
        variable = VARIABLES["bot"]
        if self.profile.options and variable in text:
            text = text.replace(f"{variable}, or ", "")
            if variable in self.profile.ignored:
                text += f". {self.profile.why_ignored()}".rstrip(". ")
        raise TWConfigError(text)

    def make_transport(self, config: ConnectionConfig, http_by: str | None = None) -> Transport:
        """Return a new transport.

        Args:
            config: The settings.
            http_by: The option that chooses HTTP, whatever the environment and the config file say.
        """
        found = self.find_credentials(http_by)
        if found is None:
            from teamwire_sync._composition import (  # noqa: PLC0415  --help does not need it
                has_store,
                vendor_transport,
            )

            profile = self.profile if has_store() else None
            return vendor_transport(None, config.total_timeout, profile=profile)
        from teamwire_sync._http.transport import HttpTransport  # noqa: PLC0415  not for the SDK

        return HttpTransport(found, config, app_name="teamwire-sync")

    def find_credentials(self, http_by: str | None = None) -> Credentials | None:
        """Return the credentials; None if the vendor's SDK is the way to the server.

        Args:
            http_by: The option that chooses HTTP, whatever the environment and the config file say.

        Raises:
            TWConfigError: A setting is missing or invalid.
        """
        try:
            if not http_by and self.is_vendor():
                return None
            return find_credentials(
                url=self.url,
                profile=self.profile,
                chosen_by=[http_by] if http_by else [],
                allow_insecure_http=ConnectionConfig().allow_insecure_http,
            )
        except not_by_signal(TWConfigError) as error:
            text = self._how_to_set_up() or str(error)
        raise TWConfigError(text)

    @cached_property
    def profile(self) -> Profile:
        """The settings of the options, the environment and the config file, for this command."""
        profile = Profile(self._given["--config"], self._given["--profile"])
        if self.url is not None:
            profile.environment["url"] = Setting(Secret(self.url), "--url", "--url")
        return profile

    def is_vendor(self) -> bool:
        """Return whether the vendor's SDK is the way to the server."""
        return self.vendor or (self.url is None and self.profile.is_vendor())

    def way(self) -> str:
        """Return the way to the server, the server, and the places that these settings come from.

        Raises:
            TWConfigError: A setting is missing or invalid.
        """
        if self.is_vendor():
            return f"through the vendor's SDK, teamwire_api ({self.transport().source})"
        found = {name: self.profile.get(name) for name in CREDENTIALS}
        places = dict.fromkeys(each.place for each in found.values() if each is not None)
        server = "" if found["url"] is None else found["url"].value.reveal()
        return f"over HTTP to {server}, with the settings in {' and '.join(places)}"

    def way_of_programs(self) -> str:
        """Return whether programs with the present settings use the vendor's SDK.

        The text has no path, which may contain the name of the user.
        """
        try:
            if self.is_vendor():
                return f"chosen by {self.transport().source.partition(' of the file ')[0]}"
        except not_by_signal(TWConfigError):
            return "your settings are wrong, see: teamwire-sync check"
        return "your settings do not choose it yet: teamwire-sync --vendor config init"

    def transport(self) -> Setting:
        """Return the setting that chooses the way to the server."""
        if self.vendor:
            return Setting(Secret(VENDOR), "--vendor", "--vendor")
        if self.url is not None:
            return Setting(Secret(HTTP), "--url", "--url")
        return self.profile.get("transport") or Setting(Secret(HTTP), _DEFAULT, _DEFAULT)

    def _how_to_set_up(self) -> str | None:
        environment, path = self.profile.environment, self.profile.path
        missing = [variable for name, variable in CREDENTIALS.items() if name not in environment]
        chosen = environment.get("transport")
        is_http = not self.vendor and (chosen is None or chosen.value == HTTP)
        # Unlike os.path.exists, Path.exists may raise if a folder is not readable.
        if not missing or not is_http or path is None or os.path.exists(path):  # noqa: PTH110
            return None
        words = ["teamwire-sync"]
        for name in self.profile.options:
            words += [name, self._given[name] or ""]
        place = f"There is no file {path}"
        if self.profile.ignored:
            place += f". {self.profile.why_ignored().rstrip('. ')}"
        elif not self.profile.options:
            place += f", and the environment has no {', no '.join(missing)}"
        return (
            f"no credentials yet. To set them up, run: {shlex.join([*words, 'config', 'init'])}\n"
            f"{for_vendor(shlex.join([*words, '--vendor', 'config', 'init']))}\n"
            f"({place}.)"
        )

    def list_chats(self, connection: Connection, *, refresh: bool = False) -> ChatList:
        """Return all chats; on a terminal, show their number while they arrive."""
        with count_progress("Listing the chats") as counted:
            return connection.chats.get_subscriptions(
                refresh=refresh, progress=counted, timeout=self.timeout
            )

    def find_chat(self, connection: Connection, tid: str | None, title: str | None) -> Chat:
        """Return the chat with this thread ID or title; end the command if it does not exist."""
        self.list_chats(connection)
        if title is not None:
            return connection.chats.one_by_title(title, timeout=self.timeout)
        chat = connection.chats.get_by_thread_id(tid or "", timeout=self.timeout)
        if chat is None:
            raise_no_chat(tid)
        return chat

    def find_user(self, connection: Connection, text: str) -> User:
        """Return the user with this ID or this full name; end the command without exactly one."""
        # An ID has no spaces.
        user = None if " " in text else connection.users.get_user(text, timeout=self.timeout)
        if user is not None:
            return user
        found = connection.users.find(text, timeout=self.timeout)
        same = [user for user in found if folded(user.full_name()) == folded(text)]
        if not found:
            raise_not_found(f"no user has the ID or the name {text!r}")
        if len(same) != 1:
            no_user = f"no user has the ID or the name {text!r}, but these names contain it"
            raise_candidates(
                f"{len(same)} users have the name {text!r}" if same else no_user,
                [
                    f"{user.uid}  {user.full_name()}, {user.organisation or 'no organisation'}"
                    for user in same or found
                ],
                "Name the user by the user ID.",
            )
        return same[0]

    def find_handle(
        self,
        connection: Connection,
        tid: str | None,
        title: str | None,
        *,
        word: str | None = None,
    ) -> Chat | ChatHandle:
        """Return the chat with this title, or a handle for this thread ID without a request.

        Args:
            connection: The Connection to use.
            tid: The chat's thread ID.
            title: The chat's title.
            word: The argument that follows a title. It must not be a thread ID, since the user
                may mean the chat with that ID.
        """
        if title is None:
            return connection.chats.at(tid or "")
        if word is not None and any(each.tid == word for each in self.list_chats(connection)):
            raise_usage_error(
                f"{word} is the thread ID of a chat: name the chat by that or by --title"
            )
        return self.find_chat(connection, None, title)


def validate_seconds(
    _context: click.Context, parameter: click.Parameter, value: float | None
) -> Any:
    """Check the value of an option in seconds, as a callback of click."""
    if value is not None:
        try:
            check_seconds("it", value)
        except not_by_signal(ValueError) as error:
            raise click.BadParameter(str(error), param=parameter) from None
    return value


def validate_text(_context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Check that an argument is not empty, as a callback of click."""
    if not value.strip():
        raise_usage_error(f"{parameter.human_readable_name} is empty")
    return value


def validate_store(_context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """Check the value of ``--store``. It may contain a password, so no error shows the value."""
    if value is not None:
        if not value.strip():
            text = "it is empty"
            raise click.BadParameter(text, param=parameter)
        with require_extras():
            find_store(value, "--store")
    return value


pass_settings = click.make_pass_decorator(Settings)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, one document on each line."
)
title_option = click.option("--title", help="The title of the chat, instead of its thread ID.")
tid_argument = click.argument("tid", required=False)
text_argument = click.argument("text", callback=validate_text)


def raise_no_chat(tid: str | None) -> NoReturn:
    """End the command because no chat has this thread ID."""
    raise_not_found(
        f"there is no chat with the thread ID {tid!r}, or the bot is not in it; did you mean "
        "--title?"
    )


@contextmanager
def explain_thread_id(tid: str | None) -> Iterator[None]:
    """If the server does not find the chat that the user named by *tid*, end the command."""
    try:
        yield
    except not_by_signal(TWNotFoundError):
        if tid is None:
            raise
        raise_no_chat(tid)


def complete_profile(context: click.Context, _parameter: click.Parameter, text: str) -> list[str]:
    """Return the sections of the config file that begin with *text*, for the Tab key."""
    sections: list[str] = []
    with suppress(TWConfigError):
        sections.extend(Profile(context.params.get("config_file")).sections)
    return [name for name in sections if name.startswith(text)]


def complete_store(_context: click.Context, _parameter: click.Parameter, text: str) -> list[str]:
    """Return the stores that begin with *text*, for the Tab key."""
    return [name for name in ("none", "file") if name.startswith(text)]


def require_one_chat(tid: str | None, title: str | None) -> None:
    """Raise a usage error unless exactly one of *tid* and *title* is given."""
    if not tid and title is None:
        raise_usage_error("name the chat: by its thread ID, or by --title")
    if tid is not None and title is not None:
        raise_usage_error("name the chat by its thread ID or by --title, and not by both")


@contextmanager
def process_environment(environment: dict[str, str]) -> Iterator[None]:
    """Set the variables of *environment* in the block, and print each warning as one line."""
    before = {name: os.environ[name] for name in environment if name in os.environ}
    os.environ.update(environment)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            yield
    finally:
        for name in environment:
            os.environ.pop(name, None)
        os.environ.update(before)


def without_store() -> AbstractContextManager[None]:
    """Use no store in the block, even if ``TEAMWIRE_STORE`` names one."""
    return process_environment({_STORE: "none"})


def _show_warning(message: Warning | str, *_: object) -> None:
    echo_err(f"Warning: {message}")


@contextmanager
def log_to_stderr(level: int) -> Iterator[None]:
    """Show log messages of the client on stderr, from *level* on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("%(levelname)s %(message)s"))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


class _Formatter(logging.Formatter):
    """A formatter that escapes messages, which may contain text of other people."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(super().format(record))

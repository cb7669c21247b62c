"""Shared parts of all commands: the settings, the Connection, and the look-up of a chat."""

from __future__ import annotations

import logging
import os
import shlex
import warnings
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import click

from teamwire_sync._cli.errors import raise_not_found, raise_usage_error, require_extras
from teamwire_sync._cli.output import count_progress, echo_err, escape_lines
from teamwire_sync._connection import Connection
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync._profiles import (
    CREDENTIALS,
    HTTP,
    VARIABLES,
    Profile,
    Setting,
    config_path,
    for_vendor,
)
from teamwire_sync._stores import find_store
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._config import ConnectionConfig
    from teamwire_sync._models.chats import Chat, ChatHandle, ChatList

_STORE = "TEAMWIRE_STORE"


class Settings:
    """The settings of one run of the command line. None stands for the default.

    Args:
        url: The server's URL. It overrides the environment and the config file.
        profile: The section of the config file.
        config: The path of the config file.
        store: The store that keeps the chats after the run, in the form of ``TEAMWIRE_STORE``.
        vendor: Whether to use the vendor's SDK, whatever the environment and the config file say.
        timeout: The time limit of each call, in seconds.

    Attributes:
        exported: The variables of the credentials and of the transport in the environment of the
            process. Some options hide them from the command.
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
    ) -> None:
        self.url = url
        self.timeout = timeout
        self.vendor = vendor
        self.exported = [name for name in VARIABLES.values() if os.environ.get(name)]
        self._given = {"--profile": profile, "--config": config}
        # The client reads these settings from the environment.
        self.environment = {
            name: value
            for name, value in (
                ("TEAMWIRE_PROFILE", profile),
                ("TEAMWIRE_CONFIG", config),
                (_STORE, store),
            )
            if value is not None
        }

    def connect(
        self,
        config: ConnectionConfig | None = None,
        transport: Literal["http"] | None = None,
    ) -> Connection:
        """Return a new Connection.

        Args:
            config: The settings of the Connection.
            transport: ``http`` to use HTTP, whatever the environment and the config file say.
        """
        try:
            with require_extras():
                if self.vendor:
                    return Connection.from_vendor(config=config)
                return Connection(
                    url=self.url, config=config, transport=transport, app_name="teamwire-sync"
                )
        except not_by_signal(TWConfigError) as error:
            text = self._how_to_set_up() or str(error)
        if self.exported and any(self._given.values()):
            text += f"; --profile and --config ignore these variables: {', '.join(self.exported)}"
        raise TWConfigError(text)

    @cached_property
    def profile(self) -> Profile:
        """The settings of the options, the environment and the config file, for this command."""
        profile = Profile()
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
            return f"through the vendor's SDK, teamwire_api ({self._chosen_by()})"
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
                return f"chosen by {self._chosen_by().partition(' of the file ')[0]}"
        except not_by_signal(TWConfigError):
            return "your settings are wrong, see: teamwire-sync check"
        return "your settings do not choose it yet: teamwire-sync --vendor config init"

    def _chosen_by(self) -> str:
        """Return the setting that chooses the vendor's SDK."""
        chosen = None if self.vendor else self.profile.get("transport")
        return "--vendor" if chosen is None else chosen.source

    def _how_to_set_up(self) -> str | None:
        environment, path = self.profile.environment, config_path()
        missing = [variable for name, variable in CREDENTIALS.items() if name not in environment]
        chosen = environment.get("transport")
        is_http = not self.vendor and (chosen is None or chosen.value == HTTP)
        # Unlike os.path.exists, Path.exists may raise if a folder is not readable.
        if not missing or not is_http or path is None or os.path.exists(path):  # noqa: PTH110
            return None
        words = ["teamwire-sync"]
        for name, value in self._given.items():
            words += [] if value is None else [name, value]
        return (
            f"no credentials yet. To set them up, run: {shlex.join([*words, 'config', 'init'])}\n"
            f"{for_vendor(shlex.join([*words, '--vendor', 'config', 'init']))}\n"
            f"(There is no file {path}, and the environment has no {', no '.join(missing)}.)"
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
            raise_not_found(f"there is no chat with the thread ID {tid!r}, or the bot is not in it")
        return chat

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


def require_one_chat(tid: str | None, title: str | None) -> None:
    """Raise a usage error unless exactly one of *tid* and *title* is given."""
    if tid is None and title is None:
        raise_usage_error("name the chat: by its thread ID, or by --title")
    if tid is not None and title is not None:
        raise_usage_error("name the chat by its thread ID or by --title, and not by both")


@contextmanager
def process_environment(environment: dict[str, str]) -> Iterator[None]:
    """Set the variables of *environment* in the block, and print each warning as one line.

    If *environment* names a config file or a section, the block does not have the variables that
    may choose another bot: those of the credentials and of the transport.
    """
    names_a_bot = bool(environment.keys() - {_STORE})
    replaced = {*environment, *(VARIABLES.values() if names_a_bot else ())}
    before = {name: os.environ.pop(name) for name in replaced if name in os.environ}
    os.environ.update(environment)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            yield
    finally:
        for name in replaced:
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

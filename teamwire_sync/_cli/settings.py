"""What all the commands have in common: the Connection that they use, and how a chat is named."""

from __future__ import annotations

import logging
import os
import shlex
import warnings
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import click

from teamwire_sync._cli.errors import raise_not_found, raise_usage_error, require_extras
from teamwire_sync._cli.output import count_progress, echo_err, escape_lines
from teamwire_sync._connection import Connection
from teamwire_sync._credentials import config_path
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.validation import check_seconds
from teamwire_sync._stores import find_store
from teamwire_sync.exceptions import TWConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync._models.chats import Chat, ChatHandle, ChatList

CREDENTIAL_VARIABLES = ("TEAMWIRE_URL", "TEAMWIRE_APP_ID", "TEAMWIRE_SECRET")
_STORE = "TEAMWIRE_STORE"


class Settings:
    """Of one run of the command.

    Args:
        url: The server, instead of the one in the environment or the file.
        profile: The section of the config file.
        config: The config file.
        store: Where the chats outlive the run, as in ``TEAMWIRE_STORE``.
        vendor: Whether to go through the vendor's SDK.
        timeout: Seconds that one call may take; None for the default.
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
        self._vendor = vendor
        self._given = {"--profile": profile, "--config": config}
        # Those who look for credentials, or for a store, look there.
        self.environment = {
            name: value
            for name, value in (
                ("TEAMWIRE_PROFILE", profile),
                ("TEAMWIRE_CONFIG", config),
                (_STORE, store),
            )
            if value is not None
        }

    def connect(self) -> Connection:
        """A Connection."""
        if self._vendor:
            if os.environ.get(_STORE, "").strip() not in {"", "none"}:
                raise_usage_error(
                    "a store does not go with --vendor, as the vendor's SDK does not say whose "
                    "chats it lists: go on without one by --store none"
                )
            return Connection.from_vendor()
        try:
            with require_extras():
                return Connection(url=self.url, app_name="teamwire-sync")
        except TWConfigError as error:
            text = self._how_to_set_up() or str(error)
        raise TWConfigError(text)

    def _how_to_set_up(self) -> str | None:
        missing = [
            name
            for name in CREDENTIAL_VARIABLES
            if not os.environ.get(name) and not (self.url and name == "TEAMWIRE_URL")
        ]
        path = config_path()
        # Path.exists may raise where a folder is not to be read.
        if not missing or os.path.exists(path):  # noqa: PTH110
            return None
        words = ["teamwire-sync"]
        for name, value in self._given.items():
            words += [] if value is None else [name, value]
        return (
            f"no credentials yet. To set them up, run: {shlex.join([*words, 'config', 'init'])}\n"
            f"(There is no file {path}, and in the environment no {', no '.join(missing)}.)"
        )

    def list_chats(self, connection: Connection) -> ChatList:
        """All the chats, counted on a terminal while they come."""
        with count_progress("Listing the chats") as counted:
            return connection.chats.get_subscriptions(progress=counted, timeout=self.timeout)

    def find_chat(self, connection: Connection, tid: str | None, title: str | None) -> Chat:
        """The chat that is named by *tid* or *title*."""
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
        """The same to act on it: by *tid*, nothing is asked for.

        Args:
            connection: Where the chat is.
            tid: Its thread ID.
            title: Its title.
            word: What stands with the title where a thread ID would: it must be none.
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
    """The callback of an option that is a number of seconds."""
    if value is not None:
        try:
            check_seconds("it", value)
        except ValueError as error:
            raise click.BadParameter(str(error), param=parameter) from None
    return value


def validate_store(_context: click.Context, parameter: click.Parameter, value: str | None) -> Any:
    """The callback of the option that names a store: it may hold a password, so it is not shown."""
    if value is not None:
        if not value.strip():
            text = "it is empty"
            raise click.BadParameter(text, param=parameter)
        with require_extras():
            find_store(value, "--store")
    return value


pass_settings = click.make_pass_decorator(Settings)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="JSON, one document on each line."
)
title_option = click.option("--title", help="The title of the chat, in place of its thread ID.")
tid_argument = click.argument("tid", required=False)


def require_one_chat(tid: str | None, title: str | None) -> None:
    """Raise unless a chat is named, and named once."""
    if tid is None and title is None:
        raise_usage_error("name the chat: by its thread ID, or by --title")
    if tid is not None and title is not None:
        raise_usage_error("name the chat by its thread ID or by --title, and not by both")


@contextmanager
def process_environment(environment: dict[str, str]) -> Iterator[None]:
    """Have the *environment*, and warnings that are a line each.

    Who names a file or a section means what stands there: what the shell exports for another bot
    does not go before it, and is not mixed with it.
    """
    names_a_bot = bool(environment.keys() - {_STORE})
    replaced = (*environment, *(CREDENTIAL_VARIABLES if names_a_bot else ()))
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
    """Have no store in the block, whatever ``TEAMWIRE_STORE`` names."""
    return process_environment({_STORE: "none"})


def _show_warning(message: Warning | str, *_: object) -> None:
    echo_err(f"Warning: {message}")


@contextmanager
def log_to_stderr(level: int) -> Iterator[None]:
    """Show on stderr what the client logs."""
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
    """What comes from elsewhere may be in it."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_lines(super().format(record))

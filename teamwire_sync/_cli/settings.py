"""What all the commands have in common: the Connection that they use, and how a chat is named."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import click

from teamwire_sync._cli.failures import not_found
from teamwire_sync._cli.output import count_of
from teamwire_sync._connection import Connection
from teamwire_sync._log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from teamwire_sync._display import ChatList
    from teamwire_sync._models.chats import Chat, ChatHandle

    Command = Callable[..., Any]


class Settings:
    """Of one run of the command.

    Args:
        url: The server, instead of the one in the environment or the file.
        profile: The section of the config file.
        config: The config file.
        vendor: Whether to go through the vendor's SDK.
        timeout: Seconds that one call may take; None for the default.
    """

    def __init__(
        self,
        *,
        url: str | None,
        profile: str | None,
        config: str | None,
        vendor: bool,
        timeout: float | None,
    ) -> None:
        self._url = url
        self._vendor = vendor
        self.timeout = timeout
        # Those who look for credentials look there.
        for name, value in (("TEAMWIRE_PROFILE", profile), ("TEAMWIRE_CONFIG", config)):
            if value is not None:
                os.environ[name] = value

    def connect(self) -> Connection:
        """A Connection."""
        if self._vendor:
            return Connection.from_vendor()
        return Connection(url=self._url, app_name="teamwire-sync")

    def list_chats(self, connection: Connection) -> ChatList:
        """All the chats, counted on a terminal while they come."""
        with count_of("Listing the chats") as counted:
            return connection.chats.get_subscriptions(progress=counted, timeout=self.timeout)

    def chat(self, connection: Connection, tid: str | None, title: str | None) -> Chat:
        """The chat that is named by *tid* or *title*."""
        if title is not None:
            return connection.chats.one_by_title(title, timeout=self.timeout)
        chat = connection.chats.get_by_thread_id(tid or "", timeout=self.timeout)
        if chat is None:
            text = f"there is no chat with the thread ID {tid!r}, or the bot is not in it"
            raise not_found(text)
        return chat

    def handle(
        self, connection: Connection, tid: str | None, title: str | None
    ) -> Chat | ChatHandle:
        """The same to act on it: by *tid*, nothing is asked for."""
        if title is not None:
            return self.chat(connection, None, title)
        return connection.chats.at(tid or "")


pass_settings = click.make_pass_decorator(Settings)
as_json = click.option("--json", "as_json", is_flag=True, help="JSON, one document on each line.")
chat_title = click.option("--title", help="The title of the chat, in place of its thread ID.")
thread_id = click.argument("tid", required=False)


def require_one(tid: str | None, title: str | None) -> None:
    """Raise unless a chat is named, and named once."""
    if (tid is None) == (title is None):
        message = "name the chat by its thread ID or by --title, and not by both"
        raise click.UsageError(message)


def log_to_stderr() -> None:
    """Show what the client logs."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)

"""``teamwire-sync users``, ``groups`` and ``check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.errors import (
    Command,
    CommandGroup,
    raise_failed_check,
    raise_not_found,
)
from teamwire_sync._cli.output import echo_err, print_fields, print_json, print_list, print_result
from teamwire_sync._cli.settings import (
    Settings,
    json_option,
    pass_settings,
    text_argument,
    validate_text,
)
from teamwire_sync._display.html import count_of
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync.exceptions import TWError, TWUnsupportedError

if TYPE_CHECKING:
    from teamwire_sync._connection import Connection
    from teamwire_sync._models.people import Group, User


def own_user(connection: Connection, timeout: float | None) -> User | None:
    """Return the bot's own user; None if the server can't say who the bot is."""
    with suppress(TWUnsupportedError):
        return connection.check(timeout=timeout)
    return None


@click.command(cls=Command)
@json_option
@pass_settings
def check(settings: Settings, *, as_json: bool) -> None:
    """Check all settings, and ask the server who the bot is.

    On stderr, the command prints which server and which settings it checked. The vendor's SDK can't
    report who the bot is. Through the SDK, also behind a gateway, the command prints the number of
    the bot's chats.
    """
    with settings.connect() as connection:
        way = settings.way()
        try:
            me = own_user(connection, settings.timeout)
            if me is None:
                # A stored listing would prove nothing.
                number = len(settings.list_chats(connection, refresh=True))
                print_result({"chats": number}, count_of(number, "chat"), as_json=as_json)
            else:
                print_result(me.to_dict(), me.uid, me.full_name(), as_json=as_json)
        except not_by_signal(TWError) as error:
            raise_failed_check(error, way)
        echo_err(f"All settings work: {way}.")


@click.group(cls=CommandGroup)
def users() -> None:
    """Find and show people and bots."""


@users.command()
@text_argument
@json_option
@pass_settings
def find(settings: Settings, *, text: str, as_json: bool) -> None:
    """List the users whose name contains TEXT, ignoring case."""
    with settings.connect() as connection:
        found = connection.users.find(text, timeout=settings.timeout)
        if not found:
            raise_not_found(f"no user has {text!r} in the name")
        print_list(
            found,
            "user",
            ("user ID", "name", "organisation"),
            lambda user: (user.uid, user.full_name(), user.organisation or ""),
            as_json=as_json,
        )


@users.command("show")
@click.argument("user", metavar="NAME|UID", callback=validate_text)
@json_option
@pass_settings
def show_user(settings: Settings, *, user: str, as_json: bool) -> None:
    """Show one user.

    Name the user by the full name, or by UID, the user ID.
    """
    with settings.connect() as connection:
        found = settings.find_user(connection, user)
        if as_json:
            print_json(found.to_dict())
            return
        print_fields(
            [
                ("user ID", found.uid),
                ("name", found.full_name()),
                ("organisation", found.organisation or ""),
                ("kind", "bot" if found.is_bot else "person"),
            ]
        )


@click.group(cls=CommandGroup)
def groups() -> None:
    """List and find circles and distribution lists."""


@groups.command("list")
@json_option
@pass_settings
def list_groups(settings: Settings, *, as_json: bool) -> None:
    """List the circles and distribution lists that the bot can see."""
    with settings.connect() as connection:
        _print(connection.groups.get_all(timeout=settings.timeout), as_json=as_json)


@groups.command("find")
@text_argument
@json_option
@pass_settings
def find_groups(settings: Settings, *, text: str, as_json: bool) -> None:
    """List the groups whose title contains TEXT, ignoring case."""
    with settings.connect() as connection:
        found = connection.groups.find(text, timeout=settings.timeout)
        if not found:
            raise_not_found(f"no group has {text!r} in its title")
        _print(found, as_json=as_json)


def _print(groups: list[Group], *, as_json: bool) -> None:
    print_list(
        groups,
        "group",
        ("group ID", "title", "kind", "public"),
        lambda group: (
            group.gid,
            group.title,
            "circle" if group.is_circle else "list",
            "yes" if group.is_public else "no",
        ),
        as_json=as_json,
    )

"""``teamwire-sync users``, ``groups`` and ``check``."""

from __future__ import annotations

import click

from teamwire_sync._cli.failures import Command, Group, not_found
from teamwire_sync._cli.output import print_json, print_rows, visible
from teamwire_sync._cli.serializers import of_group, of_user
from teamwire_sync._cli.settings import Settings, as_json, pass_settings


@click.command(cls=Command)
@as_json
@pass_settings
def check(settings: Settings, *, as_json: bool) -> None:
    """Ask the server who the bot is.

    It is the quickest way to see that all the settings are right.
    """
    with settings.connect() as connection:
        me = connection.check(timeout=settings.timeout)
        if as_json:
            print_json(of_user(me))
        else:
            click.echo(f"{visible(me.uid)}\t{visible(me.full_name())}")


@click.group(cls=Group)
def users() -> None:
    """Find people and bots."""


@users.command()
@click.argument("text")
@as_json
@pass_settings
def find(settings: Settings, *, text: str, as_json: bool) -> None:
    """List the users whose name has TEXT in it, whatever its case."""
    if not text:
        message = "TEXT is empty"
        raise click.UsageError(message)
    with settings.connect() as connection:
        found = connection.users.find(text, timeout=settings.timeout)
        if not found:
            message = f"nobody is called {text!r}"
            raise not_found(message)
        if as_json:
            for user in found:
                print_json(of_user(user))
            return
        print_rows(
            ("user ID", "name", "organisation"),
            ((user.uid, user.full_name(), user.organisation or "") for user in found),
        )


@click.group(cls=Group)
def groups() -> None:
    """List circles and lists."""


@groups.command("list")
@as_json
@pass_settings
def list_groups(settings: Settings, *, as_json: bool) -> None:
    """List all the circles and lists that the bot can see."""
    with settings.connect() as connection:
        every = connection.groups.get_all(timeout=settings.timeout)
        if as_json:
            for group in every:
                print_json(of_group(group))
            return
        print_rows(
            ("group ID", "title", "kind", "public"),
            (
                (
                    group.gid,
                    group.title,
                    "circle" if group.is_circle else "list",
                    "yes" if group.is_public else "no",
                )
                for group in every
            ),
        )

"""``teamwire-sync chats``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.failures import Group, not_found, writing
from teamwire_sync._cli.output import (
    print_fields,
    print_json,
    print_rows,
    say_on_terminal,
    visible,
)
from teamwire_sync._cli.serializers import of_chat, of_user
from teamwire_sync._cli.settings import (
    Settings,
    as_json,
    chat_title,
    pass_settings,
    require_one,
    thread_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync._models.chats import Chat

_HEAD = ("thread ID", "title", "type", "users", "groups")


@click.group(cls=Group)
def chats() -> None:
    """List, find, show, create and change the bot's chats."""


@chats.command("list")
@as_json
@pass_settings
def list_chats(settings: Settings, *, as_json: bool) -> None:
    """List all the chats that the bot is in."""
    with settings.connect() as connection:
        _print(settings.list_chats(connection), as_json=as_json)


@chats.command()
@click.argument("text")
@as_json
@pass_settings
def find(settings: Settings, *, text: str, as_json: bool) -> None:
    """List the chats whose title has TEXT in it, whatever its case."""
    wanted = text.casefold()
    if not wanted:
        message = "TEXT is empty"
        raise click.UsageError(message)
    with settings.connect() as connection:
        found = [
            chat
            for chat in settings.list_chats(connection)
            if chat.title and wanted in chat.title.casefold()
        ]
        if not found:
            message = f"no chat has {text!r} in its title"
            raise not_found(message)
        _print(found, as_json=as_json)


@chats.command()
@thread_id
@chat_title
@as_json
@pass_settings
def show(settings: Settings, *, tid: str | None, title: str | None, as_json: bool) -> None:
    """Show one chat, named by its thread ID or by --title."""
    require_one(tid, title)
    with settings.connect() as connection:
        chat = settings.chat(connection, tid, title)
        if as_json:
            print_json(of_chat(chat))
            return
        print_fields(
            [
                ("thread ID", chat.tid),
                ("title", chat.title or ""),
                ("type", chat.type),
                ("users", f"{len(chat.users):,}"),
                ("groups", ", ".join(group.title for group in chat.groups)),
                ("admins", ", ".join(user.full_name() for user in chat.admins)),
                ("alert", _yes(chat.is_alert)),
                ("members may post", _yes(chat.allow_sending)),
                ("members may mute it", _yes(chat.allow_mute_notifications)),
                ("closed", _yes(chat.is_closed)),
            ]
        )


@chats.command()
@click.option("--title", help="The title; titles need not be unique.")
@click.option("--user", "users", multiple=True, metavar="UID", help="A user to invite; repeatable.")
@click.option(
    "--group", "groups", multiple=True, metavar="GID", help="A circle or list; repeatable."
)
@click.option("--message", help="A first message.")
@click.option("--alert", is_flag=True, help="Make an alert chat.")
@click.option("--no-sending", is_flag=True, help="Only administrators may post.")
@click.option("--no-muting", is_flag=True, help="Members may not mute it.")
@as_json
@pass_settings
def create(
    settings: Settings,
    *,
    title: str | None,
    users: tuple[str, ...],
    groups: tuple[str, ...],
    message: str | None,
    alert: bool,
    no_sending: bool,
    no_muting: bool,
    as_json: bool,
) -> None:
    """Create a chat, and print its thread ID.

    The bot is a member by itself.
    """
    if not users and not groups:
        text = "a chat needs somebody: give --user or --group"
        raise click.UsageError(text)
    with settings.connect() as connection, writing():
        chat = connection.chats.create_chat(
            title=title,
            users=users,
            groups=groups,
            message=message,
            is_alert=alert,
            allow_sending=not no_sending,
            allow_mute_notifications=not no_muting,
            timeout=settings.timeout,
        )
        if as_json:
            print_json(of_chat(chat))
        else:
            click.echo(visible(chat.tid))


@chats.command()
@thread_id
@click.argument("new_title", required=False)
@chat_title
@pass_settings
def rename(
    settings: Settings, *, tid: str | None, new_title: str | None, title: str | None
) -> None:
    """Give a chat another title.

    TID NEW_TITLE, or --title OLD NEW_TITLE. An empty new title takes the title away.
    """
    if title is not None and new_title is None:
        tid, new_title = None, tid
    require_one(tid, title)
    if new_title is None:
        text = "the new title is missing"
        raise click.UsageError(text)
    with settings.connect() as connection:
        chat = settings.handle(connection, tid, title, word=new_title)
        with writing():
            changed = chat.set_title(new_title, timeout=settings.timeout)
        say_on_terminal(f"The title of {changed.tid} is now {changed.title or ''!r}.")


@chats.command()
@thread_id
@chat_title
@click.option("--add", multiple=True, metavar="UID", help="Invite a user; repeatable.")
@click.option("--remove", multiple=True, metavar="UID", help="Remove a user; repeatable.")
@click.option("--add-group", multiple=True, metavar="GID", help="Invite a circle or list.")
@click.option("--remove-group", multiple=True, metavar="GID", help="Remove a circle or list.")
@as_json
@pass_settings
def members(
    settings: Settings,
    *,
    tid: str | None,
    title: str | None,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    add_group: tuple[str, ...],
    remove_group: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the users of a chat; first add or remove some.

    The bot itself, which is always a member, is not among them.
    """
    require_one(tid, title)
    with settings.connect() as connection:
        chat = settings.chat(connection, tid, title)
        with writing() if add or remove or add_group or remove_group else nullcontext():
            if add or add_group:
                chat = chat.add_members(add, add_group, timeout=settings.timeout)
            if remove or remove_group:
                chat = chat.remove_members(remove, remove_group, timeout=settings.timeout)
        if as_json:
            for user in chat.users:
                print_json(of_user(user))
            return
        print_rows(("user ID", "name"), ((user.uid, user.full_name()) for user in chat.users))


def _print(chats: Iterable[Chat], *, as_json: bool) -> None:
    if as_json:
        for chat in chats:
            print_json(of_chat(chat))
        return
    print_rows(
        _HEAD,
        (
            (
                chat.tid,
                chat.title or "",
                chat.type,
                str(len(chat.users)),
                ", ".join(group.title for group in chat.groups),
            )
            for chat in chats
        ),
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"

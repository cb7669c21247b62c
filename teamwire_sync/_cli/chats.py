"""``teamwire-sync chats``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.errors import (
    CommandGroup,
    explain_interrupt,
    raise_not_found,
    raise_usage_error,
)
from teamwire_sync._cli.output import (
    echo_status,
    print_fields,
    print_json,
    print_list,
    print_result,
)
from teamwire_sync._cli.settings import (
    Settings,
    explain_thread_id,
    json_option,
    pass_settings,
    require_one_chat,
    text_argument,
    tid_argument,
    title_option,
)
from teamwire_sync._models.tables import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from teamwire_sync._models.chats import Chat


@click.group(cls=CommandGroup)
def chats() -> None:
    """List, find, show, create and change the bot's chats."""


@chats.command("list")
@click.option("--limit", type=click.IntRange(1), help="The maximum number of chats. Default: all.")
@json_option
@pass_settings
def list_chats(settings: Settings, *, limit: int | None, as_json: bool) -> None:
    """List the bot's chats."""
    with settings.connect() as connection:
        _print(settings.list_chats(connection)[:limit], as_json=as_json)


@chats.command()
@text_argument
@json_option
@pass_settings
def find(settings: Settings, *, text: str, as_json: bool) -> None:
    """List the chats whose title contains TEXT, ignoring case."""
    with settings.connect() as connection:
        settings.list_chats(connection)
        found = connection.chats.find(text, timeout=settings.timeout)
        if not found:
            raise_not_found(f"no chat has {text!r} in its title")
        _print(found, as_json=as_json)


@chats.command()
@tid_argument
@title_option
@json_option
@pass_settings
def show(settings: Settings, *, tid: str | None, title: str | None, as_json: bool) -> None:
    """Show one chat.

    Name the chat by TID, its thread ID, or by --title.
    """
    require_one_chat(tid, title)
    with settings.connect() as connection:
        chat = settings.find_chat(connection, tid, title)
        if as_json:
            print_json(chat.to_dict())
            return
        print_fields(
            [
                ("thread ID", chat.tid),
                ("name", chat.display_name),
                ("type", chat.type),
                ("users", f"{len(chat.users):,}"),
                ("groups", ", ".join(map(text_of, chat.groups))),
                ("admins", ", ".join(map(text_of, chat.admins))),
                ("alert", _yes(chat.is_alert)),
                ("members may post", _yes(chat.allow_sending)),
                ("members may mute it", _yes(chat.allow_mute_notifications)),
                ("closed", _yes(chat.is_closed)),
            ]
        )


@chats.command()
@click.option("--title", help="The title. It need not be unique.")
@click.option(
    "--user", "users", multiple=True, metavar="UID", help="The ID of a user to invite; repeatable."
)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="GID",
    help="The ID of a circle or distribution list to invite; repeatable.",
)
@click.option("--message", help="The first message.")
@click.option("--alert", is_flag=True, help="Create an alert chat.")
@click.option("--no-sending", is_flag=True, help="Only administrators may post.")
@click.option("--no-muting", is_flag=True, help="Members may not mute the chat.")
@json_option
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
    """Create a chat and print its thread ID.

    The bot becomes a member automatically.
    """
    if not users and not groups:
        raise_usage_error("a chat needs a member: pass --user or --group")
    with settings.connect() as connection, explain_interrupt():
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
        print_result(chat.to_dict(), chat.tid, as_json=as_json)


@chats.command()
@tid_argument
@click.argument("new_title", required=False)
@title_option
@pass_settings
def rename(
    settings: Settings, *, tid: str | None, new_title: str | None, title: str | None
) -> None:
    """Change the title of a chat.

    Pass TID NEW_TITLE, or --title OLD NEW_TITLE. An empty NEW_TITLE removes the title.
    """
    if title is not None and new_title is None:
        tid, new_title = None, tid
    require_one_chat(tid, title)
    if new_title is None:
        raise_usage_error("the new title is missing")
    with settings.connect() as connection:
        chat = settings.find_handle(connection, tid, title, word=new_title)
        with explain_interrupt(), explain_thread_id(tid):
            changed = chat.set_title(new_title, timeout=settings.timeout)
        title = f"the title {changed.title!r}" if changed.title else "no title"
        echo_status(f"The chat {changed.tid} now has {title}.")


@chats.command()
@tid_argument
@title_option
@click.option("--add", multiple=True, metavar="UID", help="The ID of a user to add; repeatable.")
@click.option(
    "--remove", multiple=True, metavar="UID", help="The ID of a user to remove; repeatable."
)
@click.option(
    "--add-group",
    multiple=True,
    metavar="GID",
    help="The ID of a circle or distribution list to add; repeatable.",
)
@click.option(
    "--remove-group",
    multiple=True,
    metavar="GID",
    help="The ID of a circle or distribution list to remove; repeatable.",
)
@json_option
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
    """Add and remove members of a chat, then list its users.

    If you add and remove nothing, the command only lists the users. The list never contains the
    bot, which is always a member.
    """
    require_one_chat(tid, title)
    with settings.connect() as connection:
        chat = settings.find_chat(connection, tid, title)
        with explain_interrupt():
            if add or add_group:
                chat = chat.add_members(add, add_group, timeout=settings.timeout)
            if remove or remove_group:
                chat = chat.remove_members(remove, remove_group, timeout=settings.timeout)
        print_list(
            chat.users,
            "user",
            ("user ID", "name"),
            lambda user: (user.uid, user.full_name()),
            as_json=as_json,
        )


def _print(chats: Sequence[Chat], *, as_json: bool) -> None:
    print_list(
        chats,
        "chat",
        ("thread ID", "name", "type", "users", "groups"),
        lambda chat: (
            chat.tid,
            chat.display_name,
            chat.type,
            str(len(chat.users)),
            ", ".join(map(text_of, chat.groups)),
        ),
        as_json=as_json,
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"

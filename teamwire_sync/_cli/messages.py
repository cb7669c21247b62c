"""``teamwire-sync post``, ``messages`` and ``listen``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.documents import of_event, of_message
from teamwire_sync._cli.output import bytes_of, print_json, visible, visible_lines
from teamwire_sync._cli.settings import (
    Settings,
    as_json,
    chat_title,
    pass_settings,
    require_one,
    thread_id,
)

if TYPE_CHECKING:
    from teamwire_sync._attachments import Attachments
    from teamwire_sync._models.events import Event
    from teamwire_sync._models.messages import Message


@click.command()
@thread_id
@click.argument("text", nargs=-1)
@chat_title
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, readable=True),
    help="A file to attach; repeatable.",
)
@click.option("--alert", is_flag=True, help="Ask for attention.")
@click.option("--reply-to", metavar="MID", help="The message that it answers.")
@click.option("--as", "sender", metavar="NAME", help="Shown in place of the bot's name.")
@click.option("--json", "as_json", is_flag=True, help="Print the message as JSON, not its id.")
@pass_settings
def post(
    settings: Settings,
    *,
    tid: str | None,
    text: tuple[str, ...],
    title: str | None,
    files: tuple[str, ...],
    alert: bool,
    reply_to: str | None,
    sender: str | None,
    as_json: bool,
) -> None:
    """Post in a chat, and print the id of the message.

    TID TEXT..., or --title TITLE TEXT... Without a text, and with "-", it is read from stdin,
    unless there is a file to post or stdin is a terminal.
    """
    if title is not None and tid is not None:
        text = (tid, *text)
        tid = None
    require_one(tid, title)
    message = _text(text, has_files=bool(files))
    with settings.connect() as connection:
        chat = settings.handle(connection, tid, title)
        with bytes_of("Sending the files") as moved:
            posted = chat.post(
                message,
                _attached(files),
                is_alert=alert,
                reply_to=reply_to,
                sender_display_name=sender,
                progress=moved if files else None,
                timeout=settings.timeout,
            )
        if as_json:
            print_json(of_message(posted))
        else:
            click.echo(posted.mid)


def _text(words: tuple[str, ...], *, has_files: bool) -> str:
    if words and words != ("-",):
        return " ".join(words)
    if words or not has_files:
        if not words and sys.stdin.isatty():
            message = "there is no text: give it as arguments, or by a pipe"
            raise click.UsageError(message)
        text = sys.stdin.read().strip("\n")
        if not text and not has_files:
            message = "the text is empty"
            raise click.UsageError(message)
        return text
    return ""


def _attached(files: tuple[str, ...]) -> Attachments | None:
    if not files:
        return None
    from teamwire_sync._attachments import Attachments  # noqa: PLC0415  who posts a file

    attachments = Attachments()
    for path in files:
        attachments.add_file(path)
    return attachments


@click.command()
@thread_id
@chat_title
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many at most."
)
@as_json
@pass_settings
def messages(
    settings: Settings, *, tid: str | None, title: str | None, limit: int, as_json: bool
) -> None:
    """Show the newest messages of a chat, the newest last."""
    require_one(tid, title)
    with settings.connect() as connection:
        chat = settings.handle(connection, tid, title)
        newest = chat.get_messages(limit, timeout=settings.timeout)
        for message in reversed(newest):
            _show(message, as_json=as_json)


@click.command()
@click.option("--since", metavar="CURSOR", help="Go on after this event; --json shows cursors.")
@click.option("--for", "seconds", type=click.FloatRange(0, min_open=True), help="End after this.")
@click.option("--own", is_flag=True, help="Show what the bot itself does, too.")
@as_json
@pass_settings
def listen(
    settings: Settings, *, since: str | None, seconds: float | None, own: bool, as_json: bool
) -> None:
    """Show what happens in the bot's chats, until Ctrl-C or for so many seconds."""
    with settings.connect() as connection:
        for event in connection.events(timeout=seconds, since=since, own=own):
            _show_event(event, as_json=as_json)
            sys.stdout.flush()


def _show(message: Message, *, as_json: bool) -> None:
    if as_json:
        print_json(of_message(message))
        return
    author = message.sender_display_name or message.from_user.full_name()
    alert = f"[{message.alert_type}] " if message.is_alert else ""
    attached = "".join(f" [{each.type}]" for each in message.attachments or ())
    date = message.tstamp_date.astimezone().strftime("%Y-%m-%d %H:%M")
    text = "(deleted)" if message.deleted else visible_lines(message.msg or "")
    indented = text.replace("\n", "\n    ")
    click.echo(f"{date} {visible(author)}: {visible(alert)}{indented}{visible(attached)}")


def _show_event(event: Event, *, as_json: bool) -> None:
    if as_json:
        print_json(of_event(event))
        return
    message = getattr(event, "message", None)
    title = visible(event.chat.title or event.chat.tid)
    if message is not None:
        click.echo(f"{title} | ", nl=False)
        _show(message, as_json=False)
        return
    date = event.date.astimezone().strftime("%Y-%m-%d %H:%M")
    who = "" if event.editor is None else f", by {visible(event.editor.full_name())}"
    click.echo(f"{title} | {date} {visible(event.type)}{who}")

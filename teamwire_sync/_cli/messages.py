"""``teamwire-sync post``, ``messages``, ``download`` and ``listen``."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.failures import Command, not_found, writing
from teamwire_sync._cli.output import (
    bytes_of,
    is_terminal,
    print_json,
    say_on_terminal,
    visible,
    visible_lines,
)
from teamwire_sync._cli.serializers import of_event, of_message
from teamwire_sync._cli.settings import (
    Settings,
    as_json,
    chat_title,
    logged,
    pass_settings,
    require_one,
    seconds,
    thread_id,
)

if TYPE_CHECKING:
    from datetime import datetime

    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.events import Event
    from teamwire_sync._services.attachments import Attachments


@click.command(cls=Command)
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
    unless there is a file to post or stdin is a terminal. A text that begins with a dash goes
    behind "--".
    """
    if title is not None and tid is not None:
        text = (tid, *text)
        tid = None
    require_one(tid, title)
    message = _text(text, has_files=bool(files))
    with settings.connect() as connection:
        chat = settings.handle(connection, tid, title, word=text[0] if text else None)
        with bytes_of("Sending the files") if files else nullcontext() as moved, writing():
            posted = chat.post(
                message,
                _attached(files),
                is_alert=alert,
                reply_to=reply_to,
                sender_display_name=sender,
                progress=moved,
                timeout=settings.timeout,
            )
        if as_json:
            print_json(of_message(posted))
        else:
            click.echo(visible(posted.mid))


def _text(words: tuple[str, ...], *, has_files: bool) -> str:
    if words and words != ("-",):
        return " ".join(words)
    if has_files and not words:
        return ""
    if sys.stdin is None or (not words and is_terminal(sys.stdin)):
        message = "there is no text: give it as arguments, or by a pipe"
        raise click.UsageError(message)
    # In the locale "C", bytes that are no text would pass.
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="strict")
    try:
        text = sys.stdin.read().strip("\n")
    except UnicodeDecodeError as error:
        message = f"what comes by stdin is no text in {error.encoding}"
        raise click.UsageError(message) from None
    if not text and not has_files:
        message = "the text is empty"
        raise click.UsageError(message)
    return text


def _attached(files: tuple[str, ...]) -> Attachments | None:
    if not files:
        return None
    from teamwire_sync._services.attachments import Attachments  # noqa: PLC0415  who posts a file

    attachments = Attachments()
    for path in files:
        attachments.add_file(path)
    return attachments


@click.command(cls=Command)
@thread_id
@chat_title
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1), help="How many at most."
)
@click.option("--ids", is_flag=True, help="Show the ids, for post --reply-to and for download.")
@as_json
@pass_settings
def messages(
    settings: Settings, *, tid: str | None, title: str | None, limit: int, ids: bool, as_json: bool
) -> None:
    """Show the newest messages of a chat, the newest last.

    With --json, too, the newest is last.
    """
    require_one(tid, title)
    with settings.connect() as connection:
        chat = settings.handle(connection, tid, title)
        newest = chat.get_messages(limit, timeout=settings.timeout)
        for message in reversed(newest):
            if as_json:
                print_json(of_message(message))
            else:
                click.echo(_line(message, message.mid if ids else ""))


@click.command(cls=Command)
@thread_id
@click.argument("mid", required=False)
@click.argument("folder", required=False)
@chat_title
@pass_settings
def download(
    settings: Settings,
    *,
    tid: str | None,
    mid: str | None,
    folder: str | None,
    title: str | None,
) -> None:
    """Write the files of a message, and print their paths.

    TID MID [FOLDER], or --title TITLE MID [FOLDER]; without FOLDER, to this one. "messages --ids"
    shows the ids of messages. A file that is there already stays as it is.
    """
    if title is not None:
        if folder is not None:
            message = "name the chat by its thread ID or by --title, and not by both"
            raise click.UsageError(message)
        tid, mid, folder = None, tid, mid
    require_one(tid, title)
    if mid is None:
        message = "name the message by its id, MID"
        raise click.UsageError(message)
    with settings.connect() as connection:
        chat = settings.handle(connection, tid, title, word=mid)
        _download(settings, chat, mid, folder or ".")


def _download(settings: Settings, chat: Chat | ChatHandle, mid: str, folder: str) -> None:
    from teamwire_sync._models.attachments import FileAttachment  # noqa: PLC0415  who downloads

    every = chat.iter_messages(timeout=settings.timeout)
    message = next((each for each in every if each.mid == mid), None)
    if message is None:
        text = f"the chat has no message {mid!r}"
        raise not_found(text)
    files = [each for each in message.attachments or () if isinstance(each, FileAttachment)]
    if not files:
        text = "the message has no files"
        raise not_found(text)
    for file in files:
        with bytes_of("Fetching the file") as moved:
            path = file.download(f"{folder}/", progress=moved, timeout=settings.timeout)
        click.echo(path)


@click.command(cls=Command)
@click.option("--since", metavar="CURSOR", help="Go on after this event; --json shows cursors.")
@click.option(
    "--for",
    "duration",
    type=float,
    callback=seconds,
    metavar="SECONDS",
    help="End after so long.",
)
@click.option("--own", is_flag=True, help="Show what the bot itself does, too.")
@as_json
@pass_settings
def listen(
    settings: Settings, *, since: str | None, duration: float | None, own: bool, as_json: bool
) -> None:
    """Show what happens in the bot's chats.

    It goes on until Ctrl-C, or for as long as --for says. When the network or the server fails, it
    says so, and goes on when it can.
    """
    with settings.connect() as connection, logged(logging.WARNING):
        events = connection.events(timeout=duration, since=since, own=own)
        say_on_terminal("Listening; Ctrl-C ends it.")
        for event in events:
            if as_json:
                print_json(of_event(event))
            else:
                click.echo(_line_of_event(event))


def _line(message: Message, mid: str = "") -> str:
    author = message.sender_display_name or message.from_user.full_name()
    alert = f"[{message.alert_type}]" if message.is_alert else ""
    text = "(deleted)" if message.deleted else visible_lines(message.msg or "")
    attached = [_name_of(each) for each in message.attachments or ()]
    head = " ".join(filter(None, (visible(mid), _local(message.tstamp_date), visible(author))))
    parts = filter(None, (visible(alert), text.replace("\n", "\n    "), *attached))
    return " ".join((f"{head}:", *parts))


def _name_of(attachment: object) -> str:
    name = getattr(attachment, "name", None) or getattr(attachment, "title", None) or ""
    return visible(f"[{getattr(attachment, 'type', '')} {name}".rstrip() + "]")


def _line_of_event(event: Event) -> str:
    title = visible(event.chat.title or event.chat.tid)
    message = getattr(event, "message", None)
    if message is not None:
        return f"{title} | {_line(message)}"
    who = "" if event.editor is None else f", by {visible(event.editor.full_name())}"
    what = event.type.value.replace("_", " ")
    return f"{title} | {_local(event.date)} {visible(what)}{_whom(event)}{who}"


def _whom(event: Event) -> str:
    parts = []
    for name in ("users", "groups", "added_admins", "removed_admins"):
        for each in getattr(event, name, ()):
            sign = "-" if name.startswith("removed") else ""
            parts.append(sign + (each.title if name == "groups" else each.full_name()))
    value = getattr(event, "value", None)
    if value is not None:
        parts.append("yes" if value else "no")
    return f": {visible(', '.join(parts))}" if parts else ""


def _local(moment: datetime) -> str:
    try:
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):  # of a year that this machine can't have
        return moment.isoformat()

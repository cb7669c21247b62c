"""``teamwire-sync post``, ``messages``, ``download`` and ``listen``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.errors import Command, explain_interrupt, raise_not_found, raise_usage_error
from teamwire_sync._cli.output import (
    byte_progress,
    echo_status,
    escape,
    escape_lines,
    is_terminal,
    print_json,
    print_result,
    set_error_handler,
)
from teamwire_sync._cli.settings import (
    Settings,
    explain_thread_id,
    json_option,
    pass_settings,
    require_one_chat,
    tid_argument,
    title_option,
    validate_seconds,
)
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import require_text
from teamwire_sync._models.tables import text_of

if TYPE_CHECKING:
    from datetime import datetime

    from teamwire_sync._models.chats import Chat, ChatHandle, Message
    from teamwire_sync._models.events import Event
    from teamwire_sync._services.attachments import Attachments


@click.command(cls=Command)
@tid_argument
@click.argument("text", nargs=-1)
@title_option
@click.option(
    "--user",
    metavar="NAME|UID",
    help="Post a direct message to the user with this full name or ID, instead of in a chat.",
)
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, readable=True),
    help="A file to attach; repeatable.",
)
@click.option("--alert", is_flag=True, help="Post the message as an alert.")
@click.option("--reply-to", metavar="MID", help="The ID of the message to reply to.")
@click.option(
    "--as", "sender", metavar="NAME", help="The sender name to show instead of the bot's name."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the message as JSON instead of its ID."
)
@pass_settings
def post(
    settings: Settings,
    *,
    tid: str | None,
    text: tuple[str, ...],
    title: str | None,
    user: str | None,
    files: tuple[str, ...],
    alert: bool,
    reply_to: str | None,
    sender: str | None,
    as_json: bool,
) -> None:
    """Post a message in a chat and print the message ID.

    Pass TID TEXT..., --title TITLE TEXT..., or --user NAME TEXT... If TEXT is "-", the command
    reads the text from stdin. If TEXT is missing, the command does the same, unless you attach a
    file or stdin is a terminal. Put "--" before a text that begins with a dash.
    """
    if tid is not None and (title is not None or user is not None):
        text = (tid, *text)
        tid = None
    if user is None:
        require_one_chat(tid, title)
    elif title is not None:
        raise_usage_error("pass either --title or --user, and not both")
    message = _text(text, has_files=bool(files))
    with settings.connect() as connection:
        chat: Chat | ChatHandle
        if user is not None:
            recipient = settings.find_user(connection, user)
            with explain_interrupt():
                chat = connection.chats.create_chat(users=[recipient], timeout=settings.timeout)
        else:
            chat = settings.find_handle(connection, tid, title, word=text[0] if text else None)
        with (
            byte_progress("Sending the files") if files else nullcontext() as moved,
            explain_interrupt(),
            explain_thread_id(tid),
        ):
            posted = chat.post(
                message,
                _attached(files),
                is_alert=alert,
                reply_to=reply_to,
                sender_display_name=sender,
                progress=moved,
                timeout=settings.timeout,
            )
        print_result(posted.to_dict(), posted.mid, as_json=as_json)


def _text(words: tuple[str, ...], *, has_files: bool) -> str:
    if words and words != ("-",):
        text = " ".join(words)
        require_text(text, "the text", empty=has_files)
        return text
    if has_files and not words:
        return ""
    if sys.stdin is None or (not words and is_terminal(sys.stdin)):
        raise_usage_error("there is no text: pass it as arguments, or pipe it to stdin")
    # With the locale "C", stdin would accept bytes that are not valid text.
    set_error_handler(sys.stdin, "strict")
    try:
        text = sys.stdin.read().strip("\n")
    except not_by_signal(UnicodeDecodeError) as error:
        raise_usage_error(f"stdin is not valid text in {error.encoding}")
    if not text and not has_files:
        raise_usage_error("the text is empty")
    return text


def _attached(files: tuple[str, ...]) -> Attachments | None:
    if not files:
        return None
    from teamwire_sync._services.attachments import Attachments  # noqa: PLC0415  only for a file

    attachments = Attachments()
    for path in files:
        attachments.add_file(path)
    return attachments


@click.command(cls=Command)
@tid_argument
@title_option
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="The maximum number of messages.",
)
@click.option("--ids", is_flag=True, help="Show the message IDs, for post --reply-to and download.")
@json_option
@pass_settings
def messages(
    settings: Settings, *, tid: str | None, title: str | None, limit: int, ids: bool, as_json: bool
) -> None:
    """Show the newest messages of a chat, the newest last.

    The order is the same with --json.
    """
    require_one_chat(tid, title)
    with settings.connect() as connection:
        chat = settings.find_handle(connection, tid, title)
        with explain_thread_id(tid):
            newest = chat.get_messages(limit, timeout=settings.timeout)
        if not newest:
            echo_status("There are no messages.")
        for message in reversed(newest):
            if as_json:
                print_json(message.to_dict())
            else:
                click.echo(_line(message, message.mid if ids else ""))


@click.command(cls=Command)
@tid_argument
@click.argument("mid", required=False)
@click.argument("folder", required=False)
@title_option
@pass_settings
def download(
    settings: Settings,
    *,
    tid: str | None,
    mid: str | None,
    folder: str | None,
    title: str | None,
) -> None:
    """Download the files of a message and print their paths.

    Pass TID MID [FOLDER], or --title TITLE MID [FOLDER]. The default FOLDER is the current folder.
    "messages --ids" shows the message IDs. Existing files stay unchanged.
    """
    from teamwire_sync._models.attachments import FileAttachment  # noqa: PLC0415  only for downloads

    if title is not None and folder is None:
        tid, mid, folder = None, tid, mid
    require_one_chat(tid, title)
    if mid is None:
        raise_usage_error("name the message by its ID, MID")
    with settings.connect() as connection:
        chat = settings.find_handle(connection, tid, title, word=mid)
        every = chat.iter_messages(timeout=settings.timeout)
        with explain_thread_id(tid):
            message = next((each for each in every if each.mid == mid), None)
        if message is None:
            raise_not_found(f"the chat has no message {mid!r}")
        files = [each for each in message.attachments or () if isinstance(each, FileAttachment)]
        if not files:
            raise_not_found("the message has no files")
        for file in files:
            with byte_progress("Fetching the file") as moved:
                path = file.download(f"{folder or '.'}/", progress=moved, timeout=settings.timeout)
            click.echo(path)


@click.command(cls=Command)
@click.option("--tid", help="Show only the events in the chat with this thread ID.")
@click.option("--title", help="Show only the events in the chat with this title.")
@click.option(
    "--since",
    metavar="CURSOR",
    help="The cursor of the event to continue after; --json shows the cursors. Default: now.",
)
@click.option(
    "--for",
    "duration",
    type=float,
    callback=validate_seconds,
    metavar="SECONDS",
    help="The time limit of the command, in seconds. Default: no limit.",
)
@click.option("--own", is_flag=True, help="Also show the bot's own actions.")
@json_option
@pass_settings
def listen(
    settings: Settings,
    *,
    tid: str | None,
    title: str | None,
    since: str | None,
    duration: float | None,
    own: bool,
    as_json: bool,
) -> None:
    """Show the events in the bot's chats as they happen.

    The command runs until Ctrl-C, or for the time of --for. If the network or the server fails, the
    command prints a warning and continues when the failure is over.
    """
    is_one_chat = tid is not None or title is not None
    if is_one_chat:
        require_one_chat(tid, title)
    with settings.connect() as connection:
        events = connection.events(timeout=duration, since=since, own=own)
        # After the start of the events, so that none is lost during the look-up.
        only = settings.find_chat(connection, tid, title).tid if is_one_chat else None
        echo_status("Listening; press Ctrl-C to stop.")
        for event in events:
            if only not in {None, event.chat.tid}:
                continue
            if as_json:
                print_json(event.to_dict())
            else:
                click.echo(_line_of_event(event))


def _line(message: Message, mid: str = "") -> str:
    author = message.sender_display_name or text_of(message.from_user)
    alert = f"[{message.alert_type}]" if message.is_alert else ""
    text = "(deleted)" if message.deleted else escape_lines(message.msg or "")
    attached = [_name_of(each) for each in message.attachments or ()]
    head = " ".join(filter(None, (escape(mid), _local(message.tstamp_date), escape(author))))
    parts = filter(None, (escape(alert), text.replace("\n", "\n    "), *attached))
    return " ".join((f"{head}:", *parts))


def _name_of(attachment: object) -> str:
    name = getattr(attachment, "name", None) or getattr(attachment, "title", None) or ""
    return escape(f"[{getattr(attachment, 'type', '')} {name}".rstrip() + "]")


def _line_of_event(event: Event) -> str:
    chat = escape(text_of(event.chat))
    message = getattr(event, "message", None)
    if message is not None:
        return f"{chat} | {_line(message)}"
    who = "" if event.editor is None else f", by {escape(text_of(event.editor))}"
    what = event.type.value.replace("_", " ")
    return f"{chat} | {_local(event.date)} {escape(what)}{_whom(event)}{who}"


def _whom(event: Event) -> str:
    parts = []
    for name in ("users", "groups", "added_admins", "removed_admins"):
        for each in getattr(event, name, ()):
            sign = "-" if name.startswith("removed") else ""
            parts.append(sign + text_of(each))
    value = getattr(event, "value", None)
    if value is not None:
        parts.append("yes" if value else "no")
    return f": {escape(', '.join(parts))}" if parts else ""


def _local(moment: datetime) -> str:
    try:
        return moment.astimezone().strftime("%Y-%m-%d %H:%M")
    # The platform can't represent the local time.
    except not_by_signal(OverflowError, OSError, ValueError):
        return moment.isoformat()

"""``teamwire-sync config``: the config file, which contains the credentials or the transport."""

from __future__ import annotations

import configparser
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from attrs import frozen

from teamwire_sync._cli.directory import own_user
from teamwire_sync._cli.errors import CommandGroup, raise_failed_check, raise_usage_error, text_of
from teamwire_sync._cli.output import echo_err, echo_status, escape, is_terminal, print_fields
from teamwire_sync._cli.settings import Settings, pass_settings, without_store
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._display.html import count_of
from teamwire_sync._http.credentials import Credentials, find_credentials
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.validation import require_id
from teamwire_sync._profiles import (
    CREDENTIALS,
    NO_HOME,
    VARIABLES,
    VENDOR,
    WAYS,
    Setting,
    problem_of_spelling,
)
from teamwire_sync.exceptions import TWConfigError, TWError

if TYPE_CHECKING:
    from collections.abc import Callable

_QUESTIONS = {
    "url": ("Server (https://...)", "--url"),
    "app_id": ("App ID", "--app-id"),
    "secret": ("Secret (it is not shown)", None),
}


@click.group(cls=CommandGroup)
def config() -> None:
    """Write and show the settings, which contain the credentials."""


@config.command()
@click.option(
    "--url",
    help="The server's URL, for example https://backend.example.org. By default, you are asked.",
)
@click.option("--app-id", help="The App ID of the bot. By default, you are asked.")
@click.option(
    "--bot",
    help="With the vendor's SDK: a text that identifies the bot in a store. Default: none.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace an existing section without asking, and write even if the check fails.",
)
@pass_settings
def init(
    settings: Settings, *, url: str | None, app_id: str | None, bot: str | None, force: bool
) -> None:
    """Ask for the credentials, check them, and write them to a file.

    The credentials are for a server of the bot contract: a gateway or the sandbox. For a Teamwire
    server without a gateway, run "teamwire-sync --vendor config init". It asks for nothing, checks
    the vendor's SDK, and writes "transport = vendor". See docs/connect.md.

    If the check fails on a terminal, the command asks again for what may be wrong.

    Only you can read the file. The prompt does not show the Secret. No option takes the Secret,
    because other users can see the options of a process. If stdin is not a terminal, the command
    reads each value that you do not pass as an option from stdin, one on each line: server, App ID,
    Secret.

    "teamwire-sync --profile NAME config init" writes the section [NAME]. "teamwire-sync --config
    FILE config init" writes another file.
    """
    path, section = settings.profile.path, settings.profile.section
    if path is None:
        raise_usage_error(NO_HOME)
    if not section.isprintable() or "]" in section:
        raise_usage_error(f"no section can have the name {section!r}")
    where = f"the section [{section}] of {path}"
    url = url or settings.url
    is_vendor = _is_vendor(settings, is_http=bool(url or app_id))
    if bot is not None and not is_vendor:
        raise_usage_error("--bot needs the vendor's SDK: teamwire-sync --vendor config init")
    if section in _sections(path) and not force and not _may_replace(path, section):
        return
    given = {} if is_vendor else _given(url, app_id)
    wrong = [name for name, value in given.items() if value is None]
    while True:
        new = None
        try:
            new = _through_vendor(bot) if is_vendor else _over_http(given, wrong)
            found = new.check(settings.timeout)
            break
        except not_by_signal(TWError) as error:
            wrong = _wrong(error, is_checked=new is not None)
            if is_vendor or force or not wrong or not is_terminal(sys.stdin):
                _fail(error, new, where, partial(_write, path, section) if force else None)
            echo_err(f"Error: {text_of(error)}{'' if new is None else f'; this was {new.way}'}")
            echo_err("Nothing is written yet. Correct the input, or press Ctrl-C.")
            if new is None:  # what is malformed can't be kept, and may be the Secret
                given.update(dict.fromkeys(wrong))
    _write(path, section, new.lines)
    echo_err(f"All settings work: {new.way}. They were written to {where}.")
    exported = [name for name in VARIABLES.values() if os.environ.get(name)]
    if exported:
        names = ", ".join(exported)
        echo_err(f"While set, these variables override the file or conflict with it: {names}.")
    click.echo(found)


@config.command("path")
@pass_settings
def print_path(settings: Settings) -> None:
    """Print the path of the config file, which need not exist."""
    if settings.profile.path is None:
        raise_usage_error(NO_HOME)
    click.echo(settings.profile.path)


@config.command()
@pass_settings
def show(settings: Settings) -> None:
    """Show the settings, and where each comes from.

    The command sends no request. It shows the beginning of the App ID and of the bot, and nothing
    of the Secret. If a setting is wrong, it shows no value.
    """
    profile = settings.profile
    fields = [("config file", str(profile.path or "none")), ("section", profile.section)]
    problem = None
    try:
        settings.find_credentials()
    except not_by_signal(TWConfigError) as error:
        problem = error
    with suppress(TWConfigError):  # that the file can't be read is the problem already
        for name in VARIABLES:
            setting = settings.transport() if name == "transport" else profile.get(name)
            is_used = not settings.vendor or name not in CREDENTIALS
            if setting is not None and is_used:
                is_wrong = problem is not None and setting.value not in WAYS
                shown = "..." if is_wrong else _shown(name, setting.value)
                fields.append((name, f"{shown} ({setting.source})"))
    print_fields(fields)
    if problem is not None:
        raise problem


def _shown(name: str, value: Secret) -> str:
    # A user who confuses them has the Secret as the App ID or as the bot.
    text: str = value.reveal()
    most = {"secret": 0, "app_id": 6, "bot": 6}.get(name, len(text))
    return text if len(text) <= most else f"{text[:most]}..."


def _is_vendor(settings: Settings, *, is_http: bool) -> bool:
    if is_http and settings.vendor:
        raise_usage_error("--url and --app-id can't be combined with --vendor")
    # The new section replaces the choice of the file, but not the choice of the environment.
    is_chosen = settings.vendor or "transport" in settings.profile.environment
    return not is_http and is_chosen and settings.is_vendor()


def _require_readable(lines: dict[str, Secret]) -> dict[str, Secret]:
    """Return *lines*; raise TWConfigError if a program would not read a value as it is written."""
    for name, value in lines.items():
        problem = problem_of_spelling(Setting(value, name, name))
        if problem or not value.reveal().isprintable():
            raise TWConfigError(problem or f"{name} must be printable text")
    return lines


@frozen
class _NewSection:
    """A section of the config file that is not written yet.

    Attributes:
        way: The way to the server.
        lines: The settings, by name.
        check: A function that asks the server within a number of seconds, and returns its answer.
    """

    way: str
    lines: dict[str, Secret]
    check: Callable[[float | None], str]


def _through_vendor(bot: str | None) -> _NewSection:
    lines = {"transport": Secret(VENDOR)}
    if bot is not None:
        lines["bot"] = Secret(require_id(bot.strip(), "--bot"))
    way = "through the vendor's SDK, teamwire_api"
    return _NewSection(way, _require_readable(lines), _try_vendor)


def _given(url: str | None, app_id: str | None) -> dict[str, Secret | None]:
    echo_status(
        "These are the credentials for a gateway or the sandbox. For a Teamwire server without "
        "a gateway: teamwire-sync --vendor config init; see docs/connect.md."
    )
    values = {"url": url, "app_id": app_id, "secret": None}
    return {name: Secret(value) if value else None for name, value in values.items()}


def _over_http(given: dict[str, Secret | None], wrong: list[str]) -> _NewSection:
    """Ask for each value of *wrong*, and put it into *given*."""
    for name, value in given.items():
        if name in wrong:
            given[name] = _ask(*_QUESTIONS[name], value)
    # Malformed credentials raise here, before the server is asked and before anything is written.
    credentials = find_credentials(
        given["app_id"],
        given["secret"],
        given["url"],
        allow_insecure_http=ConnectionConfig().allow_insecure_http,
    )
    lines = {
        "app_id": Secret(credentials.app_id),
        "secret": credentials.secret,
        "url": Secret(credentials.url),
    }
    way = f"over HTTP to {credentials.url}"
    return _NewSection(way, _require_readable(lines), partial(_try, credentials))


def _wrong(error: TWError, *, is_checked: bool) -> list[str]:
    """Return the names of the values to ask for again after *error*.

    Args:
        error: The error.
        is_checked: Whether the server was asked.
    """
    if is_checked:
        if isinstance(error, TWConfigError):  # for example, the variable of the CA's certificate
            return []
        # A bot that may not do this (403) has the right credentials.
        return {401: ["app_id", "secret"], 403: []}.get(error.status or 0, ["url"])
    # The text about a malformed value begins with its name.
    text = str(error).replace("the value of ", "", 1)
    return [name for name in CREDENTIALS if text.startswith(f"{name} ")]


def _fail(
    error: TWError,
    new: _NewSection | None,
    where: str,
    write: Callable[[dict[str, Secret]], None] | None,
) -> NoReturn:
    if new is None:
        raise error
    if write is None:
        done = f"Nothing was written to {where}. To write the settings anyway, pass --force."
    else:
        write(new.lines)
        done = f"The settings were written to {where} all the same."
    raise_failed_check(error, new.way, done)


def _try(credentials: Credentials, timeout: float | None) -> str:
    with without_store():
        connection = Connection(
            credentials.app_id,
            credentials.secret.reveal(),
            credentials.url,
            app_name="teamwire-sync",
        )
    with connection:
        return _found(connection, timeout)


def _try_vendor(timeout: float | None) -> str:
    with without_store(), Connection.from_vendor() as connection:
        return _found(connection, timeout)


def _found(connection: Connection, timeout: float | None) -> str:
    me = own_user(connection, timeout)
    if me is None:
        return count_of(len(connection.chats.get_subscriptions(timeout=timeout)), "chat")
    return f"{escape(me.uid)}\t{escape(me.full_name())}"


def _may_replace(path: Path, section: str) -> bool:
    if not is_terminal(sys.stdin):
        raise_usage_error(f"{path} already has a section [{section}]; --force replaces it")
    if click.confirm(f"{path} already has a section [{section}]. Replace it?", err=True):
        return True
    echo_err("Nothing was written.")
    return False


def _ask(what: str, option: str | None, given: Secret | None) -> Secret:
    """Return the user's input, or the next line of stdin if stdin is not a terminal.

    Args:
        what: The name of the value, for the prompt and the error.
        option: The option that sets the value; None for the Secret, whose input is hidden.
        given: The value that the Enter key keeps, or None. The Secret is never kept.
    """
    if is_terminal(sys.stdin):
        kept = None if given is None or option is None else given.reveal()
        return Secret(click.prompt(what, default=kept, hide_input=option is None, err=True))
    line = Secret("" if sys.stdin is None else sys.stdin.readline())
    if not line.reveal().strip():
        raise_usage_error(
            "the Secret is missing: write it to stdin as the next line"
            if option is None
            else f"{what} is missing: pass {option}, or write it to stdin as a line"
        )
    return line


def _section_of(line: str) -> str | None:
    """Return the name of the section that *line* begins for configparser, or None."""
    found = re.match(r"\[(.+)\]", line.strip())
    return found[1] if found else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
    except not_by_signal(FileNotFoundError):
        return []
    except not_by_signal(UnicodeDecodeError):
        text = f"the file {path} is not UTF-8 text; move it away"
    raise click.UsageError(text)


def _sections(path: Path) -> list[str]:
    """Return the names of the file's sections.

    Raises:
        click.UsageError: The file is not an INI file, or a program can't change it safely.
    """
    lines = _lines(path)
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string("\n".join(lines))
    except not_by_signal(configparser.Error):
        sections = None  # the error quotes a line, which may contain the Secret
    else:
        sections = parser.sections()
    if sections is None:
        raise_usage_error(
            f"the file {path} is not an INI file; move it away, or name another file by --config"
        )
    if sections != [name for name in map(_section_of, lines) if name is not None]:
        raise_usage_error(
            f"the file {path} has a line that only looks like a section; edit the file by hand"
        )
    return sections


def _write(path: Path, section: str, settings: dict[str, Secret]) -> None:
    """Append the section, drop an old section of the same name, and keep everything else."""
    kept, inside = [], False
    for line in _lines(path):
        began = _section_of(line)
        if began is not None:
            inside = began == section
        if not inside:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    head = [*kept, ""] if kept else []
    # A link stays a link: only its target is replaced.
    path = Path(os.path.realpath(path))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in (*head, f"[{section}]"):
                file.write(f"{line}\n")
            for name, value in settings.items():
                file.write(f"{name} = {value.reveal()}\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)

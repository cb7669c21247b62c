"""``teamwire-sync config``: the config file, which contains the credentials or the transport."""

from __future__ import annotations

import configparser
import os
import re
import sys
from functools import partial
from pathlib import Path

import click

from teamwire_sync._cli.directory import own_user
from teamwire_sync._cli.errors import CommandGroup, raise_failed_check, raise_usage_error
from teamwire_sync._cli.output import count_of, echo_err, echo_status, escape, is_terminal
from teamwire_sync._cli.settings import Settings, pass_settings, without_store
from teamwire_sync._connection import Connection
from teamwire_sync._credentials import Credentials, find_credentials
from teamwire_sync._internal.secret import Secret
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._internal.validation import require_id
from teamwire_sync._profiles import NO_HOME, VENDOR, Setting, config_path, problem_of_spelling
from teamwire_sync.exceptions import TWError


@click.group(cls=CommandGroup)
def config() -> None:
    """Write the config file, which contains the credentials."""


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

    Only you can read the file. The prompt does not show the Secret. No option takes the Secret,
    because other users can see the options of a process. If stdin is not a terminal, the command
    reads each value that you do not pass as an option from stdin, one on each line: server, App ID,
    Secret.

    "teamwire-sync --profile NAME config init" writes the section [NAME]. "teamwire-sync --config
    FILE config init" writes another file.
    """
    path, section = config_path(), os.environ.get("TEAMWIRE_PROFILE") or "default"
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
    if is_vendor:
        way = "through the vendor's SDK, teamwire_api"
        lines = {"transport": Secret(VENDOR)}
        if bot is not None:
            lines["bot"] = Secret(require_id(bot.strip(), "--bot"))
        check = partial(_try_vendor, settings.timeout)
    else:
        credentials = _ask_for_credentials(url, app_id)
        way = f"over HTTP to {credentials.url}"
        lines = {
            "app_id": Secret(credentials.app_id),
            "secret": credentials.secret,
            "url": Secret(credentials.url),
        }
        check = partial(_try, credentials, settings.timeout)
    _require_readable(lines, section)
    try:
        found = check()
    except not_by_signal(TWError) as error:
        if force:
            _write(path, section, lines)
            done = f"The settings were written to {where} all the same."
        else:
            done = f"Nothing was written to {where}. To write the settings anyway, pass --force."
        raise_failed_check(error, way, done)
    _write(path, section, lines)
    echo_err(f"All settings work: {way}. They were written to {where}.")
    if settings.exported:
        names = ", ".join(settings.exported)
        echo_err(f"While set, these variables override the file or conflict with it: {names}.")
    click.echo(found)


def _is_vendor(settings: Settings, *, is_http: bool) -> bool:
    if is_http and settings.vendor:
        raise_usage_error("--url and --app-id can't be combined with --vendor")
    # The new section replaces the choice of the file, but not the choice of the environment.
    is_chosen = settings.vendor or "transport" in settings.profile.environment
    return not is_http and is_chosen and settings.is_vendor()


def _require_readable(lines: dict[str, Secret], section: str) -> None:
    """Raise a usage error if a program would not read a value as it is written."""
    for name, value in lines.items():
        problem = problem_of_spelling(Setting(value, name, f"the section [{section}]"))
        if problem or not value.reveal().isprintable():
            raise_usage_error(problem or f"{name} must be printable text")


def _ask_for_credentials(url: str | None, app_id: str | None) -> Credentials:
    echo_status(
        "These are the credentials for a gateway or the sandbox. For a Teamwire server without "
        "a gateway: teamwire-sync --vendor config init; see docs/connect.md."
    )
    url = url or _ask("Server (https://...)", "--url").reveal()
    app_id = app_id or _ask("App ID", "--app-id").reveal()
    # Malformed credentials raise here, before the server is asked and before anything is written.
    return find_credentials(app_id, _ask("Secret (it is not shown)", None), url)


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


def _ask(what: str, option: str | None) -> Secret:
    """Return the user's input, or the next line of stdin if stdin is not a terminal.

    Args:
        what: The name of the value, for the prompt and the error.
        option: The option that sets the value; None for the Secret, whose input is hidden.
    """
    if is_terminal(sys.stdin):
        return Secret(click.prompt(what, hide_input=option is None, err=True))
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

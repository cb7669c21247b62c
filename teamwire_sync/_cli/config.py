"""``teamwire-sync config``: the file with the credentials."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.output import say, visible
from teamwire_sync._cli.settings import Settings, pass_settings
from teamwire_sync._concealed import Concealed
from teamwire_sync._connection import Connection
from teamwire_sync._credentials import config_path, find_credentials

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def config() -> None:
    """Write the file that has the credentials."""


@config.command()
@click.option("--url", help="The server, https://backend.example.org; else it is asked for.")
@click.option("--app-id", help="The App ID, from the dashboard; else it is asked for.")
@click.option("--force", is_flag=True, help="Replace what the file has, without asking.")
@pass_settings
def init(settings: Settings, *, url: str | None, app_id: str | None, force: bool) -> None:
    """Ask for the credentials, write them to the config file, and try them.

    Only you can read the file. The Secret is asked for without showing it; where stdin is no
    terminal, it is the first line there. With teamwire-sync --profile NAME, it is the section of
    this name.
    """
    path, section = config_path(), os.environ.get("TEAMWIRE_PROFILE") or "default"
    if _has(path, section) and not force:
        click.confirm(f"{path} has a section [{section}]. Replace it?", abort=True, err=True)
    url = url or click.prompt("Server (https://...)", err=True)
    app_id = app_id or click.prompt("App ID", err=True)
    secret = _ask_secret()
    # It raises for what can't be right, before anything is written.
    credentials = find_credentials(app_id, secret, url)
    _write(path, section, credentials.app_id, credentials.secret, credentials.url)
    say(f"Written to {path}.")
    with Connection(app_id, secret.reveal(), url, app_name="teamwire-sync") as connection:
        me = connection.check(timeout=settings.timeout)
    click.echo(f"{me.uid}\t{visible(me.full_name())}")


def _ask_secret() -> Concealed:
    if sys.stdin.isatty():
        return Concealed(click.prompt("Secret", hide_input=True, err=True))
    return Concealed(sys.stdin.readline())


def _has(path: Path, section: str) -> bool:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return False
    return f"[{section}]" in map(str.strip, lines)


def _write(path: Path, section: str, app_id: str, secret: Concealed, url: str) -> None:
    """Put the section in the place of the one of its name, and leave all else as it is."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        lines = []
    kept, inside = [], False
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            inside = stripped == f"[{section}]"
        if not inside:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    head = [*kept, ""] if kept else []
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for line in (*head, f"[{section}]", f"app_id = {app_id}"):
                file.write(f"{line}\n")
            file.write(f"secret = {secret.reveal()}\n")
            file.write(f"url = {url}\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)

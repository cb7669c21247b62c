"""``teamwire-sync sandbox``, ``demo``, ``vendor-check`` and ``completion``."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import click

from teamwire_sync._cli.errors import Command, UnusableError, raise_usage_error, require_extras
from teamwire_sync._cli.settings import validate_seconds, without_store
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection

if TYPE_CHECKING:
    from types import ModuleType

_chats = click.option(
    "--chats", default=1000, show_default=True, type=click.IntRange(1), help="Chats in its world."
)
_seed = click.option("--seed", default=0, show_default=True, help="Makes another world.")


@click.command(cls=Command)
@_chats
@_seed
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option(
    "--path", type=click.Path(dir_okay=False), help="File that keeps the world; else in memory."
)
@click.option(
    "--live",
    is_flag=False,
    flag_value=1.0,
    type=float,
    callback=validate_seconds,
    metavar="[SECONDS]",
    help="Let people do something in its chats all the time: once a second, or as often as told.",
)
def sandbox(
    *, chats: int, seed: int, host: str, port: int, path: str | None, live: float | None
) -> None:
    """Serve a made-up Teamwire to try things out.

    It prints what a shell has to export to use it, and ends with Ctrl-C. A tool for developers: it
    has no TLS.
    """
    testing = _testing()
    try:
        with testing.sandbox(
            chats=chats, seed=seed, host=host, port=port, path=path, live=live or False
        ) as box:
            click.echo(f"A sandbox is up at {box.url}. In the shell that is to use it:\n")
            for name, value in box.env.items():
                click.echo(f"export {name}={value}")
            click.echo("\nCtrl-C ends it.")
            threading.Event().wait()
    except OSError as error:
        text = f"can't listen on {host}:{port}: {error.strerror or error}"
        raise UnusableError(text) from None
    except KeyboardInterrupt:
        click.echo("\nEnded.")


@click.command(cls=Command)
@_chats
@_seed
@click.option(
    "--lookups",
    default=5000,
    show_default=True,
    type=click.IntRange(1),
    help="Look-ups by thread ID, and as many by title.",
)
def demo(chats: int, seed: int, lookups: int) -> None:
    """Show in a sandbox what the cache saves.

    It lists, finds and creates chats there, and counts the requests.
    """
    testing = _testing()
    from teamwire_sync._cli.demo import Demo  # noqa: PLC0415  only this command needs it

    with without_store(), testing.sandbox(chats=chats, seed=seed) as box:
        click.echo(f"A sandbox with {chats:,} chats is up at {box.url}.\n")
        Demo(box, click.echo).run(lookups)


@click.command("vendor-check", cls=Command)
@click.option("--write", is_flag=True, help="Make a chat and post in it, too.")
@click.option("--user", metavar="UID", help="User to make that chat with.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=float,
    callback=validate_seconds,
    metavar="SECONDS",
    help="How long one call may take.",
)
@click.option("--details", is_flag=True, help="Show the texts of the vendor's errors, too.")
def vendor_check(*, write: bool, user: str | None, timeout: float, details: bool) -> None:
    """See whether the vendor's SDK works here.

    That is, whether it does what VendorTransport needs of it, line by line.

    It reads, and writes only with --write. What it prints may be passed on: there is no title, no
    name and no text in it, except with --details.

    Exit code 1 says that a line is WRONG.
    """
    if write != bool(user):
        raise_usage_error("--write and --user UID go together: whom shall the chat be with?")
    from teamwire_sync._cli.vendor_check import VendorCheck  # noqa: PLC0415  only this command needs it

    connect = partial(Connection, config=ConnectionConfig(listing_timeout=timeout))
    check = VendorCheck(connect, recipient=user or None, timeout=timeout)
    findings = []
    with without_store():
        for finding in check.run():
            findings.append(finding)
            click.echo(f"{finding.number:2} {finding.what}: {finding.outcome}")
            if finding.details and details:
                click.echo(f"   {finding.details}")
    if not details and any(finding.details for finding in findings):
        click.echo("The texts of the vendor's errors are shown by --details.", err=True)
    if any(finding.is_wrong for finding in findings):
        raise SystemExit(1)


def _testing() -> ModuleType:
    with require_extras():
        from teamwire_sync import testing  # noqa: PLC0415  an extra that other commands do without
    return testing


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Let the Tab key complete commands.

    It prints what the shell has to run.

    \b
    bash, in ~/.bashrc:  eval "$(teamwire-sync completion bash)"
    zsh, in ~/.zshrc:    eval "$(teamwire-sync completion zsh)"
    fish, in ~/.config/fish/config.fish:
        teamwire-sync completion fish | source
    """  # noqa: D301  click takes the letter for the start of lines that stay as they are
    from click.shell_completion import get_completion_class  # noqa: PLC0415  seldom needed

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click has all of the choice
    name = "teamwire-sync"
    click.echo(kind(context.find_root().command, {}, name, "_TEAMWIRE_SYNC_COMPLETE").source())

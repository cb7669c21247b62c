"""``teamwire-sync sandbox``, ``demo``, ``vendor-check``, ``contract`` and ``completion``."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from teamwire_sync._cli.errors import (
    Command,
    CommandGroup,
    UnusableError,
    raise_usage_error,
    require_extras,
)
from teamwire_sync._cli.settings import (
    Settings,
    pass_settings,
    title_option,
    validate_seconds,
    without_store,
)
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._connection import Connection
from teamwire_sync._display.html import count_of
from teamwire_sync._internal.signals import not_by_signal
from teamwire_sync._sandbox import DEFAULT_PORT

if TYPE_CHECKING:
    from types import ModuleType

_chats = click.option(
    "--chats",
    default=1000,
    show_default=True,
    type=click.IntRange(1),
    help="The number of chats in the sandbox.",
)
_seed = click.option(
    "--seed",
    default=0,
    show_default=True,
    help="The seed of the made-up data. Another seed makes other data.",
)


@click.group(cls=CommandGroup, invoke_without_command=True)
@_chats
@_seed
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on. 0 is any free port.",
)
@click.option(
    "--path",
    type=click.Path(dir_okay=False),
    help="The file that keeps the data. If it has data, --chats and --seed have no effect. By "
    "default, the data is only in memory.",
)
@click.option(
    "--live",
    is_flag=False,
    flag_value=1.0,
    type=float,
    callback=validate_seconds,
    metavar="[SECONDS]",
    help="Let made-up users act in the chats every SECONDS seconds; every second if you pass no "
    "number. Default: never.",
)
@click.pass_context
def sandbox(
    context: click.Context,
    *,
    chats: int,
    seed: int,
    host: str,
    port: int,
    path: str | None,
    live: float | None,
) -> None:
    """Run a local Teamwire server with made-up data.

    The command prints the "export" lines for a shell that will use the sandbox. They stay valid
    after a restart with the same port and the same seed. It runs until Ctrl-C. The sandbox is a
    tool for developers: it has no TLS, and everyone on this machine can know its credentials.
    """
    if context.invoked_subcommand is not None:
        sources = map(context.get_parameter_source, context.params)
        if any(source is not ParameterSource.DEFAULT for source in sources):
            raise_usage_error(
                "say uses the sandbox of your settings, and takes no options of sandbox. "
                "To name the server: teamwire-sync --url URL sandbox say"
            )
        return
    testing = _testing()
    try:
        with ExitStack() as exits:
            try:
                box = exits.enter_context(
                    testing.sandbox(
                        chats=chats, seed=seed, host=host, port=port, path=path, live=live or False
                    )
                )
            except not_by_signal(OSError) as error:
                text = f"can't listen on {host}:{port}: {error.strerror or error}"
                if port:
                    text += "\nIf your own sandbox runs there, use it. "
                    text += "Otherwise pass --port 0 for any free port."
                raise UnusableError(text) from None
            click.echo(f"The sandbox runs at {box.url}. In each shell that will use it, run:\n")
            for name, value in box.env.items():
                click.echo(f"export {name}={value}")
            click.echo("\nTo talk to your bot, run: teamwire-sync sandbox say --title TITLE TEXT")
            click.echo("Ctrl-C stops the sandbox.")
            threading.Event().wait()
    except KeyboardInterrupt:
        click.echo("\nStopped.")


@sandbox.command()
@click.argument("text", nargs=-1, metavar="[TID] TEXT...", required=True)
@title_option
@click.option(
    "--as",
    "name",
    metavar="NAME",
    help="A part of a member's name, or the user ID. Default: an administrator, or else another "
    "member.",
)
@pass_settings
def say(settings: Settings, *, text: tuple[str, ...], title: str | None, name: str | None) -> None:
    """Post in a chat of the running sandbox as another user.

    Pass TID TEXT..., or --title TITLE TEXT... The command prints the message ID. Your bot receives
    the message as an event.
    """
    tid, text = (text[0], text[1:]) if title is None else (None, text)
    if not text:
        raise_usage_error("pass TID TEXT..., or --title TITLE TEXT...")
    from teamwire_sync._cli.say import say_as_other_user  # noqa: PLC0415  only this command needs it

    click.echo(say_as_other_user(settings, tid, title, " ".join(text), name))


@click.command(cls=Command)
@_chats
@_seed
@click.option(
    "--lookups",
    default=5000,
    show_default=True,
    type=click.IntRange(1),
    help="The number of look-ups by thread ID, and also of look-ups by title.",
)
def demo(chats: int, seed: int, lookups: int) -> None:
    """Measure in a sandbox what the cache saves.

    The command lists, finds and creates chats, and counts the requests.
    """
    testing = _testing()
    from teamwire_sync._cli.demo import Demo  # noqa: PLC0415  only this command needs it

    with without_store(), testing.sandbox(chats=chats, seed=seed) as box:
        click.echo(f"A sandbox with {count_of(chats, 'chat')} runs at {box.url}.\n")
        Demo(box, click.echo).run(lookups)


@click.command("vendor-check", cls=Command)
@click.option("--write", is_flag=True, help="Also create a chat and post a message in it.")
@click.option("--user", metavar="UID", help="The ID of the user to create that chat with.")
@click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=float,
    callback=validate_seconds,
    metavar="SECONDS",
    help="The time limit of each call, in seconds.",
)
@click.option("--details", is_flag=True, help="Also show the texts of the vendor's errors.")
@pass_settings
def vendor_check(
    settings: Settings, *, write: bool, user: str | None, timeout: float, details: bool
) -> None:
    """Check whether the vendor's SDK works here.

    Each line shows whether the SDK does one thing that VendorTransport needs.

    The command only reads, unless you pass --write. You can share its output: it contains no
    title, no name and no text, except with --details.

    The exit code is 1 if a line is WRONG. docs/vendor.md explains the lines. See also its section
    "Not yet run on a real server".
    """
    if write != bool(user):
        raise_usage_error("--write and --user UID go together: the chat needs a user")
    from teamwire_sync._cli.vendor_check import VendorCheck  # noqa: PLC0415  only this command needs it

    connect = partial(Connection, config=ConnectionConfig(listing_timeout=timeout))
    check = VendorCheck(connect, recipient=user or None, timeout=timeout)
    findings = []
    with without_store():
        for finding in check.run():
            findings.append(finding)
            way = f", {settings.way_of_programs()}" if finding.number == 1 else ""
            click.echo(f"{finding.number:2} {finding.what}: {finding.outcome}{way}")
            if finding.details and details:
                click.echo(f"   {finding.details}")
    if not details and any(finding.details for finding in findings):
        click.echo("To see the texts of the vendor's errors, pass --details.", err=True)
    if any(finding.is_wrong for finding in findings):
        raise SystemExit(1)


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the document as JSON.")
def contract(*, as_json: bool) -> None:
    """Print the REST contract, an OpenAPI 3.1 document in YAML.

    Servers that implement the contract need no other document. Tools make a client or a server from
    it, and check requests and responses. The command needs no credentials.
    """
    from importlib.resources import files  # noqa: PLC0415  only this command needs it

    name = "openapi.json" if as_json else "openapi.yaml"
    click.echo(files("teamwire_sync._http.contract").joinpath(name).read_bytes(), nl=False)


_HINT = (
    "    print -u2 'teamwire-sync: to complete with the Tab key, put this line before it into "
    "~/.zshrc: autoload -Uz compinit && compinit'"
)


def _testing() -> ModuleType:
    with require_extras():
        from teamwire_sync import testing  # noqa: PLC0415  needs an extra
    return testing


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, *, shell: str) -> None:
    """Print the script that lets the Tab key complete commands.

    Your shell must run the script at each start. Add the line for your shell to the file:

    \b
    bash, in ~/.bashrc:  eval "$(teamwire-sync completion bash)"
    zsh, in ~/.zshrc, after "autoload -Uz compinit && compinit":
        eval "$(teamwire-sync completion zsh)"
    fish, in ~/.config/fish/config.fish:
        teamwire-sync completion fish | source
    """  # noqa: D301  click needs \b as one character, to keep the line breaks
    from click.shell_completion import get_completion_class  # noqa: PLC0415  seldom needed

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click supports each of the choices
    name = "teamwire-sync"
    script = kind(context.find_root().command, {}, name, "_TEAMWIRE_SYNC_COMPLETE").source()
    if shell == "zsh":
        # Without compinit, zsh would report an unknown command at each start.
        head, _, rest = script.partition("\n")
        script = f"{head}\nif ! whence compdef >/dev/null; then\n{_HINT}\nelse\n{rest}fi\n"
    click.echo(script)

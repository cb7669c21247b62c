"""The command line, `teamwire-sync`.

It uses a Connection like any other program, and prints data on stdout, everything else on stderr.
Only the script and ``python -m teamwire_sync`` may import it, no other part of the package.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec

from teamwire_sync._internal.extras import install_command
from teamwire_sync._internal.version import VERSION

try:
    import click
except ModuleNotFoundError as error:
    message = f"the command line needs {error.name}: {install_command('cli')}"
    raise SystemExit(message) from None
# The import of rich comes later, and only on a terminal. Its absence must be reported at the start.
if find_spec("rich") is None:
    message = f"the command line needs rich: {install_command('cli')}"
    raise SystemExit(message)

from teamwire_sync._cli import (
    cache,
    chats,
    config,
    directory,
    errors,
    gateway,
    messages,
    output,
    settings,
    tools,
)


@click.group(cls=errors.MainGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION)
@click.option("--url", help="The server's URL. Default: TEAMWIRE_URL, or the config file.")
@click.option(
    "--profile",
    shell_complete=settings.complete_profile,
    metavar="NAME",
    help="The section of the config file. Default: TEAMWIRE_PROFILE, or the section [default].",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False),
    help="The config file. Default: TEAMWIRE_CONFIG, or teamwire_sync/config.ini in your "
    "configuration folder.",
)
@click.option(
    "--store",
    callback=settings.validate_store,
    shell_complete=settings.complete_store,
    metavar="STORE",
    help="The store that keeps the chats for the next command: none, file, file:FOLDER or "
    "redis://HOST. Default: TEAMWIRE_STORE, or none.",
)
@click.option(
    "--vendor",
    is_flag=True,
    help="Use the vendor's SDK, teamwire_api, for this command. "
    "Default: TEAMWIRE_TRANSPORT, or the config file.",
)
@click.option(
    "--timeout",
    type=float,
    callback=settings.validate_seconds,
    metavar="SECONDS",
    help="The time limit of each call, in seconds. Default: 60 for a request without a "
    "file, 600 for a listing.",
)
@click.option(
    "--allow-insecure-http",
    is_flag=True,
    help="Allow http:// for hosts other than this machine. Default: "
    "TEAMWIRE_ALLOW_INSECURE_HTTP. Use it only in a network that you trust.",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Show log messages of level INFO too, not only warnings."
)
@click.pass_context
def main(
    context: click.Context,
    *,
    url: str | None,
    profile: str | None,
    config_file: str | None,
    store: str | None,
    vendor: bool,
    timeout: float | None,
    allow_insecure_http: bool,
    verbose: bool,
) -> None:
    """A blocking, caching client for the Teamwire business messenger.

    To begin, run "teamwire-sync config init". It asks for the credentials and writes them to a
    file. For a Teamwire server without a gateway, run "teamwire-sync --vendor config init"; see
    docs/connect.md. Without a server, run "teamwire-sync sandbox". Environment variables
    (TEAMWIRE_URL, TEAMWIRE_APP_ID, TEAMWIRE_SECRET, TEAMWIRE_TRANSPORT) override the file, unless
    you pass --config or --profile.

    Exit codes: 0 success, 1 not found or ambiguous, 2 wrong usage or settings, 3 not allowed, 4 no
    network, 5 the server failed, 6 the server may or may not have made the change, 130 Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # A character that the stream can't encode must not end the command.
        output.set_error_handler(stream, "backslashreplace")
    if vendor and url is not None:
        errors.raise_usage_error(
            "--url can't be combined with --vendor: the vendor's SDK has its own settings"
        )
    context.obj = settings.Settings(
        url=url,
        profile=profile,
        config=config_file,
        store=store,
        vendor=vendor,
        timeout=timeout,
        allow_insecure_http=allow_insecure_http,
    )
    context.with_resource(settings.process_environment(context.obj.environment))
    context.with_resource(settings.log_to_stderr(logging.INFO if verbose else logging.WARNING))


for _command in (
    directory.check,
    chats.chats,
    messages.post,
    messages.messages,
    messages.download,
    messages.listen,
    directory.users,
    directory.groups,
    config.config,
    cache.cache,
    gateway.gateway,
    tools.sandbox,
    tools.demo,
    tools.vendor_check,
    tools.contract,
    tools.completion,
):
    main.add_command(_command)

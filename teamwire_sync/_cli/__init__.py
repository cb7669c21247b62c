"""The command line, `teamwire-sync`.

It uses a Connection as any program does, and prints data on stdout, all else on stderr.
Nothing else of the package may import it; the script and ``python -m teamwire_sync._cli`` start it.
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec

from teamwire_sync._internal.extras import install_command

try:
    import click
except ModuleNotFoundError as error:
    message = f"the command line needs {error.name}: {install_command('cli')}"
    raise SystemExit(message) from None
# It is needed on a terminal only, and imported there; but that it is missing is said here.
if find_spec("rich") is None:
    message = f"the command line needs rich: {install_command('cli')}"
    raise SystemExit(message)

from teamwire_sync._cli import (
    cache,
    chats,
    config,
    directory,
    errors,
    messages,
    output,
    settings,
    tools,
)


@click.group(cls=errors.MainGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="teamwire_sync")
@click.option("--url", help="The server, in place of the one that is set up.")
@click.option("--profile", metavar="NAME", help="The section of the config file.")
@click.option("--config", "config_file", type=click.Path(dir_okay=False), help="The config file.")
@click.option(
    "--store",
    callback=settings.validate_store,
    metavar="STORE",
    help="Where the chats outlive the command, in place of TEAMWIRE_STORE: none, file, "
    "file:FOLDER, redis://HOST.",
)
@click.option("--vendor", is_flag=True, help="Go through the vendor's SDK, teamwire_api.")
@click.option(
    "--timeout",
    type=float,
    callback=settings.validate_seconds,
    metavar="SECONDS",
    help="How long one call may take.",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Show all that the client logs, not warnings alone."
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
    verbose: bool,
) -> None:
    """A blocking, caching client for the Teamwire business messenger.

    To begin, run "teamwire-sync config init": it asks for the credentials and writes them to a
    file. Those of the environment (TEAMWIRE_URL, TEAMWIRE_APP_ID, TEAMWIRE_SECRET) go before it,
    unless --config or --profile names what to use.

    Exit codes: 0 done, 1 not found or ambiguous, 2 wrong usage or settings, 3 not allowed, 4 no
    network, 5 the server failed, 6 it may have been done or not, 130 Ctrl-C.
    """
    for stream in (sys.stdout, sys.stderr):
        # What the terminal has no letters for is no reason to fail.
        output.set_error_handler(stream, "backslashreplace")
    if vendor and url is not None:
        errors.raise_usage_error(
            "--url does not go with --vendor: the vendor's SDK has settings of its own"
        )
    context.obj = settings.Settings(
        url=url,
        profile=profile,
        config=config_file,
        store=store,
        vendor=vendor,
        timeout=timeout,
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
    tools.sandbox,
    tools.demo,
    tools.vendor_check,
    tools.completion,
):
    main.add_command(_command)

"""``teamwire-sync gateway``: serve the contract for other programs, and manage these programs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import click

from teamwire_sync._cli.errors import (
    Command,
    CommandGroup,
    UnusableError,
    raise_usage_error,
    require_extras,
)
from teamwire_sync._cli.output import echo_err, echo_status
from teamwire_sync._cli.settings import Settings, validate_seconds, without_store
from teamwire_sync._config import ConnectionConfig
from teamwire_sync._display.html import count_of
from teamwire_sync._gateway import CACHE_TTL, CONNECTIONS
from teamwire_sync._gateway.clients import Clients
from teamwire_sync._gateway.log import QueuedLog
from teamwire_sync._http.contract import OPERATIONS
from teamwire_sync._internal.extras import install_command
from teamwire_sync._internal.home import user_folder
from teamwire_sync._internal.hosts import is_loopback
from teamwire_sync._internal.log import logger
from teamwire_sync._internal.signals import not_by_signal, suppress
from teamwire_sync._internal.version import VERSION
from teamwire_sync._profiles import CREDENTIALS, HTTP, VENDOR

if sys.platform == "win32":
    resource = None
else:
    import resource

if TYPE_CHECKING:
    from types import ModuleType

    from teamwire_sync._gateway.app import GatewayApp
    from teamwire_sync._server.web_server import Server

_PORT = 8480
# Seconds after the grace time in which the process must end. A thread that waits for the upstream,
# also one of the vendor's SDK, may not end for a minute. The record of its write then says that the
# outcome is unknown.
_LAST_RESORT = 3.0

_state = click.option(
    "--state",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="The folder of the gateway's state. It must be open only to you. Default: "
    "TEAMWIRE_GATEWAY_STATE, or teamwire_sync/gateway in your folder for states.",
)


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port to listen on; 0 is any free port.",
)
@_state
@click.option(
    "--upstream",
    type=click.Choice([VENDOR, HTTP]),
    help="The way to Teamwire: the vendor's SDK, or another server of the contract. Default: as "
    "for the other commands (TEAMWIRE_TRANSPORT, or the config file), or vendor if nothing is set.",
)
@click.option(
    "--cache-ttl",
    default=CACHE_TTL,
    show_default=True,
    type=float,
    callback=validate_seconds,
    metavar="SECONDS",
    help="The time for which a listing of the chats serves all programs. It must be longer than "
    "a listing takes.",
)
@click.option(
    "--certfile",
    type=click.Path(dir_okay=False),
    help="The file with the certificate and the certificates of its issuers, in PEM format.",
)
@click.option(
    "--keyfile",
    type=click.Path(dir_okay=False),
    help="The file with the private key of the certificate, in PEM format.",
)
@click.option(
    "--behind-proxy",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="The address or network of the proxy in front. It terminates TLS and appends the client's "
    "address to X-Forwarded-For. The gateway trusts that header and accepts requests only from "
    "this proxy. You may pass the option several times.",
)
@click.option(
    "--connections",
    default=CONNECTIONS,
    show_default=True,
    type=click.IntRange(8),
    help="The maximum number of connections. Each busy connection needs a thread, and so does each "
    "program that waits for events.",
)
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=float,
    callback=validate_seconds,
    metavar="SECONDS",
    help="The time limit for the requests in progress when the gateway stops, in seconds.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="A second port, for figures in the format of Prometheus. It has no access control.",
)
@click.option(
    "--metrics-host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on for --metrics-port.",
)
@click.option("--check", is_flag=True, help="Check the settings without a request, and exit.")
@click.version_option(VERSION)
@click.pass_context
def gateway(context: click.Context, /, **options: Any) -> None:
    """Serve a Teamwire to programs on other machines.

    The gateway serves the REST contract. It runs until SIGTERM or Ctrl-C. Only the programs that
    you add with add-client may use it. They need no credentials of Teamwire.
    """
    context.meta[__name__] = options["state"]
    if context.invoked_subcommand is None:
        with without_store():
            _run(context.find_object(Settings) or context.fail("no settings"), **options)


def _run(
    settings: Settings,
    *,
    host: str,
    port: int,
    certfile: str | None,
    keyfile: str | None,
    proxies: tuple[str, ...],
    check: bool,
    **options: Any,
) -> None:
    if (certfile is None) != (keyfile is None):
        raise_usage_error("--certfile and --keyfile go together")
    if not (is_loopback(host) or certfile or proxies):
        raise_usage_error(
            f"--host {host}: everyone on that network could read Secrets and chats. Pass "
            "--certfile and --keyfile, or --behind-proxy ADDRESS if a proxy terminates TLS"
        )
    app_module, server_module, tls_module = _modules()
    try:
        tls = tls_module.Tls(certfile, keyfile) if certfile else None
    except not_by_signal(OSError) as error:
        text = f"can't use {certfile} and {keyfile}: {error.strerror or error}"
        raise UnusableError(text) from None
    state = _folder(options["state"])
    config = ConnectionConfig(cache_ttl=options["cache_ttl"], pool_size=options["connections"])
    transport = _upstream(settings, options["upstream"], config)
    metrics_module = None if options["metrics_port"] is None else _metrics_module()
    if check:
        _check(app_module, state, proxies, transport)
        return
    with ExitStack() as exits:
        observe = None
        if metrics_module is not None:
            metrics = _metrics(metrics_module, options["metrics_host"], options["metrics_port"])
            exits.callback(metrics.close)
            observe = metrics.observe
        app = app_module.create_app(
            transport, state=state, config=config, proxies=proxies, observe=observe
        )
        exits.enter_context(closing(app))
        if not Clients(state).all():
            echo_err("No program may use the gateway yet: teamwire-sync gateway add-client NAME")
        limits = server_module.Limits(
            connections=options["connections"],
            header_timeout=10.0,
            timeout=60.0,
        )
        if proxies:
            shown = ", ".join(proxies)
            click.echo(
                f"The proxy at {shown} terminates TLS. The gateway trusts its header "
                "X-Forwarded-For, and refuses requests from other addresses."
            )
        server = server_module.Server(
            host, port, app, limits=limits, tls=tls, name="gateway", refused=app.record
        )
        _serve(server, app, options["grace"])


def _serve(server: Server, app: GatewayApp, grace: float) -> None:
    host, port = server.bind_addr
    _allow_files(4 * server.limits.connections)
    # Both signals end the wait in the same way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Each request is one line, whatever --verbose says.
    logger.getChild("gateway.access").setLevel(logging.INFO)
    log = QueuedLog()
    try:
        try:
            server.start()
        except not_by_signal(OSError) as error:
            text = f"can't listen on {host}:{port}: {error.strerror or error}"
            raise UnusableError(text) from None
        scheme = "http" if server.ssl_adapter is None else "https"
        shown = f"[{host}]" if ":" in str(host) else host
        click.echo(f"The gateway runs at {scheme}://{shown}:{server.bind_addr[1]}.")
        click.echo("SIGTERM or Ctrl-C stops the gateway.")
        threading.Event().wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        click.echo("The gateway ends.")
        if server.ready and not server.drain(grace):
            left = server.under_way()
            under_way = count_of(left, "request")
            logger.warning("the gateway ends during %s: --grace is too short", under_way)
    finally:
        end = threading.Timer(_LAST_RESORT, _leave)
        end.daemon = True
        end.start()
        app.end_upstream()
        server.stop()
        log.end()


def _allow_files(number: int) -> None:
    """Raise the limit on open files and sockets of this process, as far as the system allows."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < number:
            wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave() -> None:
    # Not stderr: nobody may be reading it.
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(0)


def _check(app_module: ModuleType, state: str, proxies: tuple[str, ...], transport: Any) -> None:
    """Check everything except the upstream's answers. A gateway may be running meanwhile."""
    app_module.networks(proxies)
    clients = Clients(state)
    if transport == VENDOR:
        from teamwire_sync._composition import vendor_transport  # noqa: PLC0415  seldom needed

        transport = vendor_transport(None, ConnectionConfig().total_timeout)
        upstream = "the vendor's SDK"
    else:
        upstream = transport._credentials.url
    transport.close()
    app_module.refuse_itself(transport, clients)
    count = len(clients.all())
    click.echo(
        f"The settings are valid. The upstream is {upstream}. The number of programs that may use "
        f"the gateway is {count}."
    )


def _upstream(settings: Settings, upstream: str | None, config: ConnectionConfig) -> Any:
    """Return the upstream as `create_app` takes it."""
    others = [HTTP, "--vendor"] if settings.vendor else [VENDOR, "--url"] if settings.url else []
    if upstream in others:
        raise_usage_error(f"--upstream {upstream} can't be combined with {others[1]}")
    http_by = upstream and f"--upstream {upstream}"
    if upstream is None:
        profile = settings.profile
        is_set = settings.url is not None or any(map(profile.get, [*CREDENTIALS, "transport"]))
        upstream = VENDOR if settings.is_vendor() or not is_set else HTTP
    return VENDOR if upstream == VENDOR else settings.make_transport(config, http_by)


def _modules() -> tuple[ModuleType, ModuleType, ModuleType]:
    try:
        from teamwire_sync._gateway import app  # noqa: PLC0415  needs an extra
        from teamwire_sync._server import tls, web_server  # noqa: PLC0415  needs an extra
    except not_by_signal(ModuleNotFoundError) as error:
        package = str(error.name).partition(".")[0]
        text = f"the gateway needs {package}: {install_command('gateway')}"
        raise UnusableError(text) from None
    return app, web_server, tls


def _metrics_module() -> ModuleType:
    with require_extras():
        from teamwire_sync._gateway import metrics  # noqa: PLC0415  needs an extra
    return metrics


def _metrics(module: ModuleType, host: str, port: int) -> Any:
    try:
        return module.Metrics(host, port)
    except not_by_signal(OSError) as error:
        text = f"can't listen on {host}:{port}: {error.strerror or error}"
        raise UnusableError(text) from None


def _folder(state: str | None) -> str:
    if state is None:
        state = click.get_current_context().meta.get(__name__)
    state = state or os.environ.get("TEAMWIRE_GATEWAY_STATE")
    if not state:
        parent = user_folder("XDG_STATE_HOME", "~/.local/state")
        if parent is None:
            raise_usage_error("there is no home folder: pass --state FOLDER")
        state = f"{parent}/teamwire_sync/gateway"
    return state


@gateway.command("add-client", cls=Command)
@click.argument("name")
@click.option("--read-only", is_flag=True, help="Allow no operation that changes something.")
@click.option(
    "--allow",
    "operations",
    multiple=True,
    metavar="OPERATION",
    help="An operation that the program may use. You may pass the option several times. Default: "
    f"all operations. The operations are: {', '.join(OPERATIONS)}.",
)
@click.option(
    "--url",
    default=f"http://127.0.0.1:{_PORT}",
    show_default=True,
    help="The URL of the gateway, for the line to export.",
)
@_state
def add_client(
    name: str, *, read_only: bool, operations: tuple[str, ...], url: str, state: str | None
) -> None:
    """Let a program use the gateway, and print its settings.

    The settings are lines to export. The Secret is shown only now: the gateway keeps a hash of it.
    A running gateway accepts the program after a second.
    """
    clients = Clients(_folder(state))
    app_id, secret = clients.add(name, read_only=read_only, operations=operations or None)
    click.echo(f"# The program {name} may use the gateway. Its Secret is shown only now.")
    click.echo(f"export TEAMWIRE_URL={url}")
    click.echo(f"export TEAMWIRE_APP_ID={app_id}")
    click.echo(f"export TEAMWIRE_SECRET={secret.reveal()}")
    click.echo("export TEAMWIRE_TRANSPORT=http")


@gateway.command("list-clients", cls=Command)
@_state
def list_clients(*, state: str | None) -> None:
    """List the programs that may use the gateway.

    Each line has the name, the App ID and the permissions of a program.
    """
    clients = Clients(_folder(state)).all()
    if not clients:
        echo_status("There are no programs. To add one, run: teamwire-sync gateway add-client NAME")
    for client in clients:
        allowed = "all" if client.operations is None else ",".join(sorted(client.operations))
        rights = f"read-only {allowed}" if client.is_read_only else allowed
        click.echo(f"{client.name}  {client.app_id}  {rights}")


@gateway.command("remove-client", cls=Command)
@click.argument("name")
@_state
def remove_client(name: str, *, state: str | None) -> None:
    """End the access of a program to the gateway.

    A running gateway refuses the program after a second.
    """
    Clients(_folder(state)).remove(name)
    click.echo(f"The program {name} may no longer use the gateway.")

"""``teamwire-sync cache``: what a store keeps of the chats."""

from __future__ import annotations

import os

import click

from teamwire_sync._cli.failures import Group, extras
from teamwire_sync._cli.output import print_json
from teamwire_sync._cli.settings import as_json
from teamwire_sync._stores import find_store


@click.group(cls=Group)
def cache() -> None:
    """Clear the store that keeps the chats."""


@cache.command()
@as_json
def clear(*, as_json: bool) -> None:
    """Remove what is stored of the chats, of all the bots.

    The store is the one of --store or TEAMWIRE_STORE, else the folder that "file" stands for. It
    needs no credentials. Programs that use the store list their chats anew.
    """
    with extras():
        store = find_store(os.environ.get("TEAMWIRE_STORE") or "file", "TEAMWIRE_STORE")
    if store is None:
        text = (
            "of none there is nothing to clear; name a store, such as: "
            "teamwire-sync --store file cache clear"
        )
        raise click.UsageError(text)
    count = store.clear()
    if as_json:
        print_json({"removed": count})
    else:
        click.echo(f"{count:,} {'snapshot' if count == 1 else 'snapshots'} removed")

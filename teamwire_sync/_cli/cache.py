"""``teamwire-sync cache``: what a store keeps of the chats."""

from __future__ import annotations

import os

import click

from teamwire_sync._cli.errors import CommandGroup, raise_usage_error, require_extras
from teamwire_sync._cli.output import print_result
from teamwire_sync._cli.settings import json_option
from teamwire_sync._stores import find_store


@click.group(cls=CommandGroup)
def cache() -> None:
    """Clear the store that keeps the chats."""


@cache.command()
@json_option
def clear(*, as_json: bool) -> None:
    """Remove what is stored of the chats, of all the bots.

    The store is the one of --store or TEAMWIRE_STORE, else the folder that "file" stands for. It
    needs no credentials. Programs that use the store list their chats anew.
    """
    with require_extras():
        store = find_store(os.environ.get("TEAMWIRE_STORE") or "file", "TEAMWIRE_STORE")
    if store is None:
        raise_usage_error(
            "of none there is nothing to clear; name a store, such as: "
            "teamwire-sync --store file cache clear"
        )
    count = store.clear()
    text = f"{count:,} {'snapshot' if count == 1 else 'snapshots'} removed"
    print_result({"removed": count}, text, as_json=as_json)

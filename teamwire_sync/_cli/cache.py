"""``teamwire-sync cache``: the chats that a store keeps."""

from __future__ import annotations

import os

import click

from teamwire_sync._cli.errors import CommandGroup, raise_usage_error, require_extras
from teamwire_sync._cli.output import print_result
from teamwire_sync._cli.settings import json_option
from teamwire_sync._display.html import count_of
from teamwire_sync._stores import find_store


@click.group(cls=CommandGroup)
def cache() -> None:
    """Clear the store that keeps the chats."""


@cache.command()
@json_option
def clear(*, as_json: bool) -> None:
    """Remove the stored chats of all bots.

    The store is the one that --store or TEAMWIRE_STORE names, or "file" by default. The command
    needs no credentials. Afterwards, programs that use the store list their chats again.
    """
    with require_extras():
        store = find_store(os.environ.get("TEAMWIRE_STORE") or "file", "TEAMWIRE_STORE")
    if store is None:
        raise_usage_error(
            "no store is in use, so there is nothing to clear: name a store, for example: "
            "teamwire-sync --store file cache clear"
        )
    count = store.clear()
    text = f"{count_of(count, 'snapshot')} removed"
    print_result({"removed": count}, text, as_json=as_json)

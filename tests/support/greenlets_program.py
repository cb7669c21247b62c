"""A program whose threads gevent replaces after the import of the package.

It runs the scenario that its argument names, and prints the result as JSON. Some scenarios wait for
a line of stdin.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable

from teamwire_sync import Connection, ConnectionConfig, FileStore, TWError

from gevent import Timeout, get_hub, joinall, monkey, sleep, spawn  # isort: skip

# This also imports requests, and the sockets of the package.
CONFIG = ConnectionConfig(page_size=1, retries=0)
early = Connection(config=CONFIG)
early_pair = [Connection(config=CONFIG, store=FileStore()) for _ in range(2)]
monkey.patch_all()


def write(line: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def wait_for_line() -> None:
    """Wait for a line of stdin, while the greenlets go on."""
    get_hub().threadpool.apply(sys.stdin.readline)


def outcome(call: Callable[[], Any]) -> Any:
    """Return the result of *call*, or the name of its error."""
    try:
        return call()
    except (TWError, RuntimeError) as error:
        return type(error).__name__


def time_outs(connection: Connection) -> Any:
    """List the chats, and make two calls that time out before the server sends the list."""
    listing = spawn(outcome, lambda: len(connection.chats.get_subscriptions()))
    sleep(0)
    hasty = []
    for number in (1, 2):
        call = lambda: connection.users.get_user(f"u{number}", timeout=0.2 * number)  # noqa: B023,E731
        hasty.append(spawn(outcome, call))
        sleep(0)
    joinall(hasty)
    write("hasty ones ended")
    joinall([listing])
    return [listing.value, *(each.value for each in hasty)]


def listeners(connection: Connection) -> Any:
    """Listen in three greenlets, until the Connection is closed."""
    streams = [connection.events() for _ in range(3)]
    listening = [spawn(outcome, lambda stream=stream: next(stream)) for stream in streams]
    wait_for_line()
    connection.close()
    joinall(listening)
    return [each.value for each in listening]


def sharing(connection: Connection) -> Any:
    """Make ten look-ups, which need the same listing."""
    looking = [spawn(outcome, lambda: len(connection.chats.get_subscriptions())) for _ in range(10)]
    joinall(looking)
    return [each.value for each in looking]


def within(connection: Connection) -> Any:
    """Make a look-up in the progress callback of another look-up."""

    def progress(*_: object) -> None:
        found.append(outcome(connection.chats.get_subscriptions))

    found: list[Any] = []
    connection.chats.get_subscriptions(progress=progress)
    return found[0]


def storing(connection: Connection) -> Any:
    """Make look-ups over two more Connections, which share a store."""
    pair = early_pair
    if connection is not early:
        pair = [Connection(config=CONFIG, store=FileStore()) for _ in range(2)]
    looking = [spawn(outcome, lambda one=one: len(one.chats.get_subscriptions())) for one in pair]
    joinall(looking)
    return [each.value for each in looking]


def limit(connection: Connection) -> Any:
    """Make a look-up within a time limit of the program."""
    with Timeout(0.2) as mine:
        try:
            connection.users.get_user("u1")
        except Timeout as error:
            return error is mine
    return None


SCENARIOS = {
    each.__name__: each for each in (time_outs, listeners, sharing, within, storing, limit)
}

if __name__ == "__main__":
    made = early if sys.argv[2] == "early" else Connection(config=CONFIG)
    write(json.dumps(SCENARIOS[sys.argv[1]](made)))

"""A program whose threads gevent or eventlet replaces.

Its arguments are the scenario, the library, and the moment: `first` if the library replaces threads
before the import of the package, as its documentation asks for, `early` if it does so after the
Connection is made, and `late` if it does so between. The program prints the result of the scenario
as JSON. Some scenarios wait for a line of stdin.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable

SCENARIO, LIBRARY, MOMENT = sys.argv[1:]

if LIBRARY == "gevent":
    from gevent import Timeout, get_hub, joinall, monkey, sleep, spawn

    replace_threads = monkey.patch_all

    def wait_for_line() -> None:
        """Wait for a line of stdin, while the greenlets go on."""
        get_hub().threadpool.apply(sys.stdin.readline)
else:
    from eventlet import Timeout, monkey_patch, sleep, spawn, tpool

    replace_threads = monkey_patch

    def joinall(greenlets: list[Any]) -> None:
        """Wait for the end of all greenlets."""
        for each in greenlets:
            each.value = each.wait()

    def wait_for_line() -> None:
        """Wait for a line of stdin, while the greenlets go on."""
        tpool.execute(sys.stdin.readline)


if MOMENT == "first":
    replace_threads()
from teamwire_sync import Connection, ConnectionConfig, FileStore, TWError  # noqa: E402

CONFIG = ConnectionConfig(page_size=1, retries=0)
if MOMENT != "first":
    # This also imports requests, and the sockets of the package.
    early = Connection(config=CONFIG)
    early_pair = [Connection(config=CONFIG, store=FileStore()) for _ in range(2)]
    replace_threads()


def write(line: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def outcome(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of *call*, or the name of its error."""
    try:
        return call(*arguments)
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
    """Make twenty look-ups, which need the same listing."""
    looking = [spawn(outcome, lambda: len(connection.chats.get_subscriptions())) for _ in range(20)]
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
    if MOMENT == "early":
        pair = early_pair
    else:
        pair = [Connection(config=CONFIG, store=FileStore()) for _ in range(2)]
    looking = [spawn(outcome, lambda one=one: len(one.chats.get_subscriptions())) for one in pair]
    joinall(looking)
    return [each.value for each in looking]


def posting(connection: Connection) -> Any:
    """Post a message, and make look-ups while the server has not answered the post."""
    chat = connection.chats.get_subscriptions()[0]
    post = spawn(outcome, lambda: chat.post("hello").msg)
    wait_for_line()
    looking = [spawn(outcome, connection.chats.get_by_thread_id, chat.tid)]
    looking.append(spawn(outcome, connection.check))
    joinall(looking)
    write("others are done")
    joinall([post])
    return post.value


def limit(connection: Connection) -> Any:
    """Make a look-up within a time limit of the program."""
    with Timeout(0.2) as mine:
        try:
            connection.users.get_user("u1")
        except Timeout as error:
            return error is mine
    return None


SCENARIOS = {
    each.__name__: each for each in (time_outs, listeners, sharing, within, storing, posting, limit)
}

if __name__ == "__main__":
    made = early if MOMENT == "early" else Connection(config=CONFIG)
    write(json.dumps(SCENARIOS[SCENARIO](made)))

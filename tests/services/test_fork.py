"""A Connection made before a fork works on both sides, and never with the other side's answers."""

from __future__ import annotations

import multiprocessing
import os
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from teamwire_sync import Connection, TWConfigError
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.events import take, texts
from tests.support.forks import exit_status, in_child
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Python 3.12 warns that locks of other threads stay locked in the child; those are the point.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

LISTING = ("GET", "/v1/bot/chats/")


def talk(connection: Connection, who: str, times: int = 50) -> None:
    """Post, and see in each answer that it is the one to this side's message."""
    chat = connection.chats.at(KNOWN_CHAT)
    for number in range(times):
        text = f"{who} {number}"
        assert chat.post(text).msg == text


def test_both_sides_of_a_fork_get_their_own_answers(box: Sandbox, connection: Connection) -> None:
    talk(connection, "before", 1)
    child = in_child(lambda: talk(connection, "child"))
    talk(connection, "parent")

    assert exit_status(child) == 0


def test_both_sides_of_multiprocessing_do(box: Sandbox, connection: Connection) -> None:
    talk(connection, "before", 1)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=talk, args=(connection, "child"))
    process.start()
    talk(connection, "parent")
    process.join(PATIENCE)

    assert process.exitcode == 0


def test_the_child_keeps_what_was_known(box: Sandbox, connection: Connection) -> None:
    connection.chats.get_subscriptions()
    child = in_child(lambda: connection.chats.get_by_thread_id(KNOWN_CHAT))

    assert exit_status(child) == 0
    assert box.count(*LISTING) == 1


def test_a_fork_while_another_thread_refreshes_leaves_no_one_waiting(
    box: Sandbox, connection: Connection
) -> None:
    def look_up() -> None:
        assert connection.chats.get_by_thread_id(KNOWN_CHAT) is not None
        assert connection.users.get_user(KNOWN_USER) is not None

    users = ("GET", f"/v1/bot/users/{KNOWN_USER}/")
    with box.hold(*LISTING) as listing, box.hold(*users) as user, Threads(2) as threads:
        threads.start(lambda: connection.chats.get_by_thread_id(KNOWN_CHAT))
        threads.start(lambda: connection.users.get_user(KNOWN_USER))
        listing.wait_arrived()
        user.wait_arrived()
        child = in_child(look_up)
        listing.wait_arrived(2)
        listing.release()
        user.wait_arrived(2)
        user.release()

        assert exit_status(child) == 0


def test_a_fork_while_another_thread_listens_leaves_both_sides_listening(
    box: Sandbox, connection: Connection
) -> None:
    stream = connection.events(timeout=PATIENCE)
    cursor = stream.cursor

    def listen() -> None:
        own_stream = connection.events(timeout=PATIENCE, since=cursor)
        assert texts(take(own_stream)) == ["before"]
        connection.close()

    box.post_message(KNOWN_CHAT, "before")
    take(stream)
    with Threads(1) as threads:
        reader = threads.start(lambda: texts(take(stream)))
        wait_until(lambda: box.waiting == 1)
        assert exit_status(in_child(listen)) == 0
        box.post_message(KNOWN_CHAT, "after")

        assert reader.result(PATIENCE) == ["after"]


def test_a_stream_in_which_another_thread_waits_can_be_used_in_the_child(
    box: Sandbox, connection: Connection
) -> None:
    stream = connection.events(timeout=PATIENCE)

    def listen() -> None:
        assert texts(take(stream)) == ["after"]

    with Threads(1) as threads:
        reader = threads.start(lambda: texts(take(stream)))
        wait_until(lambda: box.waiting == 1)
        child = in_child(listen)
        wait_until(lambda: box.waiting == 2)
        box.post_message(KNOWN_CHAT, "after")

        assert exit_status(child) == 0
        assert reader.result(PATIENCE) == ["after"]


def test_a_fork_while_a_lock_is_held_leaves_it_open_in_the_child(
    box: Sandbox, connection: Connection
) -> None:
    """What another thread holds at that moment is never let go in the child."""
    is_held, has_forked = threading.Event(), threading.Event()

    def hold() -> None:
        with connection._parts.cache.state._lock:
            is_held.set()
            has_forked.wait(PATIENCE)

    with Threads(1) as threads:
        threads.start(hold)
        assert is_held.wait(PATIENCE)
        child = in_child(connection.chats.get_subscriptions)
        has_forked.set()

        assert exit_status(child) == 0


def test_a_given_session_is_refused_in_the_child(box: Sandbox) -> None:
    def check() -> None:
        with pytest.raises(
            TWConfigError, match="create the session and the Connection after the fork"
        ):
            connection.check()

    with requests.Session() as session, box.connect(session=session) as connection:
        connection.check()

        assert exit_status(in_child(check)) == 0
        assert connection.check().is_bot

"""A call ends in its time, whatever the vendor's SDK does meanwhile."""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from typing import TYPE_CHECKING, Callable, NamedTuple

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWTimeoutError,
)
from teamwire_sync._sandbox.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync._transports.vendor import calls
from tests.support.leftovers import threads
from tests.support.waiting import PATIENCE, Threads, in_time, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.vendor.conftest import Vendor

pytestmark = pytest.mark.usefixtures("nothing_left")

SOON = 0.05
KINDS = pytest.mark.parametrize("kind", ["hold", "stubborn", "block"])


class Write(NamedTuple):
    """Something that looks up what it needs before it changes anything.

    Attributes:
        look_up: The name of the vendor's call that comes first.
        name: Of the one that changes something.
        do: Does it.
        find_out: How to see whether it was done.
    """

    look_up: str
    name: str
    do: Callable[..., object]
    find_out: str


POST = Write(
    "get_by_thread_id",
    "post",
    lambda connection, **more: connection.chats.at(KNOWN_CHAT).post("hello", **more),
    "the chat has the message in any of the Teamwire apps if it was posted",
)
CREATE = Write(
    "get_user",
    "create_chat",
    lambda connection, **more: connection.chats.create_chat(
        title="new", users=[KNOWN_USER], **more
    ),
    "connection.chats.get_subscriptions(refresh=True) lists the chat if it was made",
)
EDIT = Write(
    "get_user",
    "add_members",
    lambda connection, timeout=None: connection.groups._edit_members(
        BOT_LIST, add=[KNOWN_USER], remove=(), timeout=timeout
    ),
    "connection.groups.get_group(gid) has the members as they are",
)
EACH_WRITE = pytest.mark.parametrize("write", [POST, CREATE, EDIT], ids=lambda write: write.name)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hears nothing waits no longer than its time."""
    monkeypatch.setattr(calls, "_GRACE", SOON)


@pytest.fixture
def hasty(vendor: Vendor, nothing_left: None) -> Iterator[Connection]:
    """A Connection whose calls have no time."""
    config = ConnectionConfig(cache_ttl=0, total_timeout=SOON, listing_timeout=SOON)
    with Connection.from_vendor(vendor.factory, config=config) as connection:
        yield connection
        vendor.faults.clear()


def opened(connection: Connection) -> Connection:
    """*connection*, with the vendor's connection made."""
    connection.users.get_user(KNOWN_USER, timeout=PATIENCE)
    return connection


# What a time-out ends


@KINDS
def test_a_look_up_ends_in_its_time(vendor: Vendor, uncached: Connection, kind: str) -> None:
    opened(uncached)
    with getattr(vendor.faults, kind)("get_user"), in_time(), pytest.raises(TWTimeoutError):
        uncached.users.get_user(KNOWN_USER, timeout=SOON)


def test_a_call_that_has_begun_is_cancelled_when_its_time_is_over(
    vendor: Vendor, uncached: Connection
) -> None:
    opened(uncached)
    with vendor.faults.hold("get_user") as hold:
        with pytest.raises(TWTimeoutError):
            uncached.users.get_user(KNOWN_USER, timeout=0.5)
        hold.wait_cancelled()


@pytest.mark.parametrize("name", ["init", "enter"])
def test_a_call_ends_in_its_time_while_the_connection_opens(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    with vendor.faults.block(name), in_time(), pytest.raises(TWTimeoutError):
        uncached.users.get_user(KNOWN_USER, timeout=SOON)


def test_what_nobody_waits_for_any_more_is_not_begun(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.hold_enter(), pytest.raises(TWTimeoutError):
        uncached.users.get_user(KNOWN_USER, timeout=SOON)
    uncached.groups.get_group(BOT_LIST)

    assert vendor.calls["get_user"] == 0


def test_a_connection_that_takes_long_to_open_is_not_made_twice(
    vendor: Vendor, uncached: Connection
) -> None:
    with vendor.faults.hold_enter(), pytest.raises(TWTimeoutError):
        uncached.users.get_user(KNOWN_USER, timeout=SOON)
    uncached.groups.get_group(BOT_LIST)

    assert vendor.calls["enter"] == 1


def test_those_who_have_the_time_get_the_connection_that_took_long(
    vendor: Vendor, uncached: Connection
) -> None:
    with Threads(1) as workers:
        with vendor.faults.hold_enter() as hold:
            waiting = workers.start(lambda: uncached.groups.get_group(BOT_LIST))
            hold.wait_arrived()
            with pytest.raises(TWTimeoutError):
                uncached.users.get_user(KNOWN_USER, timeout=SOON)

        assert (waiting.result(PATIENCE) is not None, vendor.calls["enter"]) == (True, 1)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("get_user", lambda connection: connection.users.get_user(KNOWN_USER)),
        ("get_group", lambda connection: connection.groups.get_group(BOT_LIST)),
        ("get_subscriptions", lambda connection: connection.chats.get_subscriptions()),
        ("get_by_thread_id", POST.do),
        ("get_user", CREATE.do),
    ],
)
def test_calls_without_a_timeout_have_that_of_all(
    vendor: Vendor, hasty: Connection, name: str, call: Callable[[Connection], object]
) -> None:
    with vendor.faults.hold(name), in_time(), pytest.raises(TWTimeoutError):
        call(hasty)


def test_a_call_whose_time_is_over_before_it_begins_is_not_made(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who waits leaves it to the thread to say that.
    monkeypatch.setattr(calls, "_GRACE", PATIENCE)
    opened(uncached)
    with in_time(), pytest.raises(TWTimeoutError):
        uncached._transport.get_group(BOT_LIST, deadline=time.monotonic() - 1)

    assert vendor.calls["get_group"] == 0


def test_an_sdk_that_tells_in_its_own_way_that_it_was_cancelled_took_too_long(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no sign that its connection is of no use."""

    async def get_user(users: object, uid: str) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            message = "the request was given up"
            raise ConnectionError(message) from None

    # Who waits leaves it to the thread to say what it was.
    monkeypatch.setattr(calls, "_GRACE", PATIENCE)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("teamwire_api.users").Users, "get_user", get_user)
        with in_time(), pytest.raises(TWTimeoutError):
            uncached.users.get_user(KNOWN_USER, timeout=0.5)
    opened(uncached)

    assert vendor.calls["enter"] == 1


# What it says of a write


@KINDS
@pytest.mark.parametrize("after", [False, True])
@EACH_WRITE
def test_a_write_whose_look_up_takes_too_long_is_never_made(
    vendor: Vendor, uncached: Connection, kind: str, after: bool, write: Write
) -> None:
    """Also when the loop wakes, and the look-up succeeds after all."""
    opened(uncached)
    with getattr(vendor.faults, kind)(write.look_up, after=after) as effect:
        with pytest.raises(TWTimeoutError):
            write.do(uncached, timeout=1)
        effect.wait_arrived()
        effect.release()
    uncached.close()

    assert (threads(), vendor.calls[write.name]) == ([], 0)


@KINDS
@pytest.mark.parametrize("after", [False, True])
@EACH_WRITE
def test_a_write_that_takes_too_long_may_have_been_made(
    vendor: Vendor,
    uncached: Connection,
    kind: str,
    after: bool,
    write: Write,
) -> None:
    opened(uncached)
    text = re.escape(f"may have been done or not; {write.find_out}")
    with getattr(vendor.faults, kind)(write.name, after=after) as effect:
        with pytest.raises(TWDeliveryUnknownError, match=text):
            write.do(uncached, timeout=1)
        effect.wait_arrived()


def test_a_look_up_that_takes_too_long_is_not_unknown(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.hold("get_user"), pytest.raises(TWTimeoutError, match="no answer from"):
        uncached.users.get_user(KNOWN_USER, timeout=SOON)


# Afterwards


def test_a_call_that_took_too_long_costs_no_connection(
    vendor: Vendor, uncached: Connection
) -> None:
    opened(uncached)
    with vendor.faults.hold("get_user") as hold:
        with pytest.raises(TWTimeoutError):
            uncached.users.get_user(KNOWN_USER, timeout=0.5)
        hold.wait_cancelled()
    opened(uncached)

    assert vendor.calls["enter"] == 1


@pytest.mark.parametrize("kind", ["stubborn", "block"])
def test_after_a_call_that_nothing_ends_the_next_one_has_a_new_thread(
    vendor: Vendor, uncached: Connection, kind: str
) -> None:
    opened(uncached)
    with getattr(vendor.faults, kind)("get_user", times=1):
        with pytest.raises(TWTimeoutError):
            uncached.users.get_user(KNOWN_USER, timeout=0.5)
        found = uncached.users.get_user(KNOWN_USER, timeout=PATIENCE)

        assert (found is not None, vendor.calls["enter"]) == (True, 2)


def test_a_loop_that_wakes_is_left(vendor: Vendor, uncached: Connection) -> None:
    opened(uncached)
    with vendor.faults.block("get_user", times=1):
        with pytest.raises(TWTimeoutError):
            uncached.users.get_user(KNOWN_USER, timeout=0.5)
        opened(uncached)
    wait_until(lambda: len(threads()) == 1)

    assert vendor.faults.live == 1


@pytest.mark.parametrize("kind", ["stubborn", "block"])
def test_an_sdk_that_hangs_again_and_again_has_a_few_threads(
    vendor: Vendor, uncached: Connection, kind: str
) -> None:
    opened(uncached)
    with getattr(vendor.faults, kind)("get_user"):
        for _ in range(16):
            with pytest.raises(TWTimeoutError):
                uncached.users.get_user(KNOWN_USER, timeout=2 * SOON)

        assert len(threads()) <= 6


def test_many_that_hang_at_once_have_a_few_threads(vendor: Vendor, uncached: Connection) -> None:
    def post() -> None:
        with pytest.raises((TWTimeoutError, TWDeliveryUnknownError)):
            uncached.chats.at(KNOWN_CHAT).post("hello", timeout=4 * SOON)

    opened(uncached)
    with vendor.faults.block("get_by_thread_id"), Threads() as workers:
        for done in [workers.start(post) for _ in range(64)]:
            done.result()

        assert len(threads()) <= 6


def test_connections_that_end_and_can_not_be_left_are_a_few(
    vendor: Vendor, uncached: Connection
) -> None:
    outcomes = []
    with vendor.faults.block("exit"):
        for _ in range(16):
            try:
                outcomes.append(opened(uncached))
            except TWConnectionError as error:
                outcomes.append(str(error))
            vendor.faults.crash()
            wait_until(lambda: not uncached._transport._thread._run.is_open)  # type: ignore[attr-defined]

        assert len(threads()) <= 6
    assert "something in its SDK hangs" in outcomes[-1]


def test_an_sdk_that_hangs_no_more_works_again(vendor: Vendor, uncached: Connection) -> None:
    opened(uncached)
    with vendor.faults.block("get_user"):
        for _ in range(8):
            with pytest.raises(TWTimeoutError):
                uncached.users.get_user(KNOWN_USER, timeout=2 * SOON)

    assert opened(uncached)
    wait_until(lambda: len(threads()) == 1)

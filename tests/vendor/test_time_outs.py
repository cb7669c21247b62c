"""A call ends in its time, whatever the vendor's SDK does meanwhile."""

from __future__ import annotations

import asyncio
import importlib
from itertools import product
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

import pytest

from teamwire_sync import (
    Connection,
    ConnectionConfig,
    TWConnectionError,
    TWDeliveryUnknownError,
    TWError,
    TWTimeoutError,
)
from teamwire_sync._sandbox.world.seed import BOT_LIST, KNOWN_CHAT, KNOWN_USER
from teamwire_sync._vendor import calls
from tests.support.leftovers import complaints_of, threads
from tests.support.waiting import PATIENCE, Threads, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.vendor.conftest import Vendor

pytestmark = pytest.mark.usefixtures("nothing_left")

SOON = 0.05
KINDS = ("hold", "stubborn", "block")


class Write(NamedTuple):
    """Something that looks up what it needs before it changes anything.

    Attributes:
        look_up: The name of the vendor's call that comes first.
        name: Of the one that changes something.
        do: Does it.
        hint: How to see whether it was done.
    """

    look_up: str
    name: str
    do: Callable[..., object]
    hint: str


POST = Write(
    "get_by_thread_id",
    "post",
    lambda connection, **more: connection.chats.at(KNOWN_CHAT).post("hello", **more),
    "any Teamwire app shows the message in the chat if it was posted",
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
    lambda connection, **more: connection.groups.get_group(BOT_LIST, timeout=PATIENCE).add_members(
        [KNOWN_USER], **more
    ),
    "connection.groups.get_group(gid) returns the current members",
)


WRITES = (POST, CREATE, EDIT)


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


def overdue(effect: Any, call: Callable[[float], object]) -> TWError:
    """What *call* ends with when *effect* keeps it for longer than its time.

    A machine that is too busy to come to the effect in that time gets more of it.
    """
    seconds = SOON
    while True:
        with pytest.raises(TWError) as caught:
            call(seconds)
        if effect.has_arrived:
            return caught.value
        seconds *= 2
        assert seconds < PATIENCE, f"{effect.name} was not called"


def look_up(connection: Connection) -> Callable[[float], object]:
    return lambda seconds: connection.users.get_user(KNOWN_USER, timeout=seconds)


# What a time-out ends


@pytest.mark.parametrize("kind", KINDS)
def test_a_look_up_ends_in_its_time(vendor: Vendor, uncached: Connection, kind: str) -> None:
    opened(uncached)
    with getattr(vendor.faults, kind)("get_user") as effect:
        assert type(overdue(effect, look_up(uncached))) is TWTimeoutError


def test_a_call_that_has_begun_is_cancelled_when_its_time_is_over(
    vendor: Vendor, uncached: Connection
) -> None:
    opened(uncached)
    with vendor.faults.hold("get_user") as hold:
        overdue(hold, look_up(uncached))
        hold.wait_cancelled()


@pytest.mark.parametrize("name", ["init", "enter"])
def test_a_call_ends_in_its_time_while_the_connection_opens(
    vendor: Vendor, uncached: Connection, name: str
) -> None:
    with vendor.faults.block(name), pytest.raises(TWTimeoutError):
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
    with vendor.faults.hold(name), pytest.raises(TWTimeoutError):
        call(hasty)


def test_a_call_whose_time_is_over_before_it_begins_is_not_made(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who waits leaves it to the thread to say that.
    monkeypatch.setattr(calls, "_GRACE", PATIENCE)
    opened(uncached)
    with pytest.raises(TWTimeoutError):
        uncached.groups.get_group(BOT_LIST, timeout=1e-9)

    assert vendor.calls["get_group"] == 0


def test_an_sdk_that_tells_in_its_own_way_that_it_was_cancelled_took_too_long(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no sign that its connection is of no use."""
    users = importlib.import_module("teamwire_api.users").Users
    theirs = users.get_user

    async def get_user(self: object, uid: str) -> object:
        try:
            return await theirs(self, uid)
        except asyncio.CancelledError:
            message = "the request was given up"
            raise ConnectionError(message) from None

    opened(uncached)
    # Who waits leaves it to the thread to say what it was.
    monkeypatch.setattr(calls, "_GRACE", PATIENCE)
    monkeypatch.setattr(users, "get_user", get_user)
    with vendor.faults.hold("get_user") as hold:
        assert type(overdue(hold, look_up(uncached))) is TWTimeoutError
    opened(uncached)

    assert vendor.calls["enter"] == 1


# What it says of a write


def ends(
    vendor: Vendor, write: Write, kind: str, after: bool, name: str
) -> tuple[type[TWError], str, int]:
    """How *write* ends when the call *name* takes too long, and how often it was made."""
    vendor.faults.reset()
    config = ConnectionConfig(cache_ttl=0)
    with Connection.from_vendor(vendor.factory, config=config) as connection:
        opened(connection)
        with getattr(vendor.faults, kind)(name, after=after) as effect:
            error = overdue(effect, lambda seconds: write.do(connection, timeout=seconds))
    assert (threads(), vendor.faults.live) == ([], 0)
    return type(error), str(error), vendor.calls[write.name]


def test_a_write_whose_look_up_takes_too_long_is_never_made(vendor: Vendor) -> None:
    """Also when the loop wakes, and the look-up succeeds after all."""
    wrong = []
    for write, kind, after in product(WRITES, KINDS, (False, True)):
        error, _, made = ends(vendor, write, kind, after, write.look_up)
        if (error, made) != (TWTimeoutError, 0):
            wrong.append((write.name, kind, after, error, made))

    assert wrong == []


def test_a_write_that_takes_too_long_may_have_been_made(vendor: Vendor) -> None:
    wrong = []
    for write, kind, after in product(WRITES, KINDS, (False, True)):
        error, text, _ = ends(vendor, write, kind, after, write.name)
        told = f"may have been done or not; {write.hint}" in text
        if (error, told) != (TWDeliveryUnknownError, True):
            wrong.append((write.name, kind, after, error, text))

    assert wrong == []


def test_a_look_up_that_takes_too_long_is_not_unknown(vendor: Vendor, uncached: Connection) -> None:
    with vendor.faults.hold("get_user"), pytest.raises(TWTimeoutError, match="no answer from"):
        uncached.users.get_user(KNOWN_USER, timeout=SOON)


# Afterwards


def test_a_call_that_took_too_long_costs_no_connection(
    vendor: Vendor, uncached: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A thread that does not say in time what became of it would be given up.
    monkeypatch.setattr(calls, "_GRACE", PATIENCE)
    opened(uncached)
    with vendor.faults.hold("get_user") as hold:
        overdue(hold, look_up(uncached))
    opened(uncached)

    assert vendor.calls["enter"] == 1


@pytest.mark.parametrize("kind", ["stubborn", "block"])
def test_after_a_call_that_nothing_ends_the_next_one_has_a_new_thread(
    vendor: Vendor, uncached: Connection, kind: str
) -> None:
    opened(uncached)
    with getattr(vendor.faults, kind)("get_user", times=1) as effect:
        overdue(effect, look_up(uncached))
        before = vendor.calls["enter"]
        opened(uncached)

        assert vendor.calls["enter"] == before + 1


def test_a_loop_that_wakes_is_left(vendor: Vendor, uncached: Connection) -> None:
    opened(uncached)
    with vendor.faults.block("get_user", times=1) as block:
        overdue(block, look_up(uncached))
        opened(uncached)
    wait_until(lambda: len(threads()) == 1)

    assert vendor.faults.live == 1


@pytest.mark.parametrize("kind", ["stubborn", "block"])
def test_an_sdk_that_hangs_again_and_again_has_a_few_threads(
    vendor: Vendor, uncached: Connection, kind: str
) -> None:
    opened(uncached)
    with getattr(vendor.faults, kind)("get_user"):
        for _ in range(8):
            with pytest.raises(TWTimeoutError):
                uncached.users.get_user(KNOWN_USER, timeout=SOON)

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
    def open_and_crash() -> None:
        for number in range(1, 16):
            opened(uncached)
            vendor.faults.crash()
            wait_until(lambda number=number: len(ended) == number)

    with vendor.faults.block("exit"), complaints_of("teamwire_sync") as ended:
        with pytest.raises(TWConnectionError, match="something in the SDK hangs"):
            open_and_crash()

        assert len(threads()) <= 6


def test_an_sdk_that_hangs_no_more_works_again(vendor: Vendor, uncached: Connection) -> None:
    opened(uncached)
    with vendor.faults.block("get_user"):
        for _ in range(6):
            with pytest.raises(TWTimeoutError):
                uncached.users.get_user(KNOWN_USER, timeout=SOON)

    assert opened(uncached)
    wait_until(lambda: len(threads()) == 1)

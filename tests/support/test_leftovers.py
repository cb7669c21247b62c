"""Tests that ask for no leftovers notice each kind, also with what came before out of the way."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from tests.support import waiting
from tests.support.leftovers import NAME, none_of
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor


@pytest.fixture
def vendor(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    with playing("1.8", box, monkeypatch) as vendor:
        yield vendor


def leave_loop(*, closed: bool) -> None:
    """Leave a loop, and a task of it that is not done, which only the collector finds."""

    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    async def start() -> None:
        asyncio.ensure_future(forever())  # noqa: RUF006  nobody is to hold it
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(start())
    if closed:
        loop.close()


def test_a_connection_that_was_closed_leaves_nothing(vendor: Vendor) -> None:
    with none_of(vendor), Connection.from_vendor() as connection:
        assert connection.chats.get_subscriptions()


def test_a_thread_is_noticed(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name=NAME)
    try:
        with pytest.raises(AssertionError, match="waited in vain"), none_of(vendor):
            thread.start()
    finally:
        end.set()
        thread.join()


def test_a_task_that_is_not_done_is_noticed(vendor: Vendor) -> None:
    with pytest.raises(AssertionError, match="Task was destroyed but it is pending"):  # noqa: SIM117
        with none_of(vendor):
            leave_loop(closed=True)


def test_a_loop_that_is_not_closed_is_noticed(vendor: Vendor) -> None:
    with (
        pytest.warns(ResourceWarning, match="unclosed event loop"),
        pytest.raises(AssertionError),
        none_of(vendor),
    ):
        leave_loop(closed=False)


def test_a_connection_that_was_not_left_is_noticed(vendor: Vendor) -> None:
    with pytest.raises(AssertionError, match="1 connections were not left"), none_of(vendor):
        left = vendor.factory().__enter__()
    left.__exit__(None, None, None)

    assert vendor.faults.live == 0

"""SDKs that are documented like the vendor's and made unlike the doubles of it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import (
    TWClosedError,
    TWConfigError,
    TWConnectionError,
    TWError,
    TWServerError,
    TWTimeoutError,
)
from teamwire_sync._vendor import VendorTransport
from tests.support.fake_sdk import FakeConnection, FakeSdk
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


class Odd(FakeConnection):
    """A connection of an SDK that goes its own way."""

    def __init__(self, sdk: FakeSdk) -> None:
        super().__init__(sdk)
        self.sdk = sdk


@pytest.fixture
def sdk() -> FakeSdk:
    return FakeSdk()


@pytest.fixture
def transports() -> Iterator[list[VendorTransport]]:
    """Those to be closed."""
    opened: list[VendorTransport] = []
    yield opened
    for transport in opened:
        transport.close()


@pytest.fixture
def over(sdk: FakeSdk, transports: list[VendorTransport]) -> Any:
    """Makes a transport over connections of a class."""

    def make(kind: type[Odd]) -> VendorTransport:
        transport = VendorTransport(lambda: kind(sdk))
        transports.append(transport)
        return transport

    return make


def look_up(transport: VendorTransport, timeout: float = PATIENCE) -> Any:
    return transport.get_user("u1", deadline=time.monotonic() + timeout)


def test_a_loop_that_is_closed_before_exec_async_comes_back(over: Any, sdk: FakeSdk) -> None:
    """The next call does not wait for that."""
    closed, released, came_back = threading.Event(), threading.Event(), threading.Event()

    class Lingering(Odd):
        def exec_async(self, coro: Coroutine[Any, Any, Any]) -> Any:
            try:
                return super().exec_async(coro)
            finally:
                assert self._loop is not None
                self._loop.close()
                closed.set()
                released.wait(PATIENCE)
                came_back.set()

    transport = over(Lingering)
    look_up(transport)

    async def stop(vendor: Any, call: Any) -> None:
        asyncio.get_running_loop().stop()

    try:
        with suppress(TWError):
            transport._call("stop", stop, None)
        assert closed.wait(PATIENCE)
        assert look_up(transport).uid == "u1"
        assert not came_back.is_set()
    finally:
        released.set()


@pytest.mark.skipif(
    not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12 has eager tasks"
)
def test_a_loop_that_starts_tasks_at_once(over: Any) -> None:
    class Eager(Odd):
        def exec_async(self, coro: Coroutine[Any, Any, Any]) -> Any:
            assert self._loop is not None
            self._loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
            return super().exec_async(coro)

    transport = over(Eager)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: look_up(transport), range(64)))

    assert {user.uid for user in found} == {"u1"}


@pytest.mark.parametrize("error", [ConnectionRefusedError("no"), socket.gaierror("no such host")])
def test_a_network_that_fails_while_a_connection_is_made(
    sdk: FakeSdk, transports: list[VendorTransport], error: OSError
) -> None:
    def factory() -> Any:
        raise error

    transport = VendorTransport(factory)
    transports.append(transport)

    with pytest.raises(TWConnectionError, match="could not be opened"):
        look_up(transport)


def test_an_error_whose_text_never_comes_keeps_nobody_beyond_the_time(
    over: Any, sdk: FakeSdk
) -> None:
    released = threading.Event()

    class SlowError(Exception):
        def __str__(self) -> str:
            released.wait(PATIENCE)
            return "late"

    sdk.errors["get_user"] = SlowError()
    transport = over(Odd)
    try:
        with pytest.raises(TWTimeoutError):
            look_up(transport, 0.1)
    finally:
        released.set()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError, SystemExit])
def test_an_error_whose_text_is_an_error(
    over: Any, sdk: FakeSdk, kind: type[BaseException]
) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise kind

    sdk.errors["get_user"] = MuteError()

    with pytest.raises(TWServerError, match="failed with MuteError"):
        look_up(over(Odd))


def test_exec_async_that_is_a_coroutine(over: Any) -> None:
    class Async(Odd):
        async def exec_async(self, coro: Coroutine[Any, Any, Any]) -> Any:  # type: ignore[override]
            return await coro

    with (
        pytest.warns(RuntimeWarning, match="never awaited"),
        pytest.raises(TWConfigError, match="did not wait for the end"),
    ):
        look_up(over(Async))


def test_entering_that_gives_nothing_is_told_as_that(over: Any) -> None:
    class Empty(Odd):
        def __enter__(self) -> Any:
            super().__enter__()

    with pytest.raises(TWConfigError, match="entering a Empty returned a NoneType"):
        look_up(over(Empty))


def test_a_loop_on_a_thread_of_the_sdk(over: Any, sdk: FakeSdk) -> None:
    """Calls work, and one from inside would wait for itself, so it is told."""

    class Threaded(Odd):
        def exec_async(self, coro: Coroutine[Any, Any, Any]) -> Any:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(super().exec_async, coro).result()

    transport = over(Threaded)
    assert look_up(transport).uid == "u1"

    async def call_from_inside(vendor: Any, call: Any) -> None:
        with pytest.raises(RuntimeError, match="inside of the vendor's SDK"):
            look_up(transport)

    transport._call("inside", call_from_inside, None)


def test_close_in_a_signal_handler_waits_for_no_lock_of_its_own_thread(over: Any) -> None:
    transport = over(Odd)
    look_up(transport)
    with transport._thread._lock:  # where a signal may come
        transport.close()

    with pytest.raises(TWClosedError):
        look_up(transport)

"""One world, and each transport to it: who keeps a promise keeps it over all of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from teamwire_sync import Connection, ConnectionConfig
from tests.support.gateways import ServedGateway, upstream_to
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from teamwire_sync._sandbox.controls.faults import Fault
    from teamwire_sync._sandbox.controls.holds import Hold
    from teamwire_sync._transport import Transport
    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor

_LISTING = ("GET", "/v1/bot/chats/")
_CREATION = ("POST", "/v1/bot/chats/")


class World(ABC):
    """A server, and a transport to it. What goes wrong does so at the server.

    Attributes:
        box: The server, for what others do there.
        validates: Whether the transport can ask whether the chats have changed.
        shares: Whether a cache lies in between, whose listings are for all its clients. Its list
            does not lag for who has made a chat.
    """

    validates: bool
    shares = False

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self._exits = ExitStack()

    def connect(self, **kwargs: Any) -> Connection:
        """A Connection over the transport; keyword arguments are Connection's."""
        connection = self._connect(**kwargs)
        self._exits.callback(connection.close)
        return connection

    def close(self) -> None:
        """Close the Connections."""
        self._exits.close()

    @abstractmethod
    def _connect(self, **kwargs: Any) -> Connection: ...

    @property
    @abstractmethod
    def calls(self) -> int:
        """How often the transport asked for anything."""

    @property
    @abstractmethod
    def listings(self) -> int:
        """How often it asked for the chats, or whether they have changed."""

    @property
    def statuses(self) -> list[int | None]:
        """What the server answered to who asked it for the chats."""
        return [
            served.status
            for served in self.box.requests
            if (served.method, served.path) == _LISTING
        ]

    def hold_listings(self) -> Hold:
        """Let answers to who asks for the chats wait inside a ``with`` block."""
        return self.box.hold(*_LISTING)

    def fail_listings(self, status: int, *, times: int | None = None) -> Fault:
        """Let who asks for the chats fail."""
        return self.box.fault(*_LISTING, status=status, times=times)

    def delay_changes(self, seconds: float) -> Fault:
        """Let the list of the chats show changes only after *seconds* of the box's clock."""
        return self.box.fault(*_LISTING, lag=seconds)

    def lose_answer_to_creation(self) -> Fault:
        """Let the next chat be made without a word to who made it."""
        return self.box.fault(*_CREATION, drop="after", times=1)


class HttpWorld(World):
    """Over HTTP; its transport can do everything."""

    validates = True

    def _connect(self, **kwargs: Any) -> Connection:
        return self.box.connect(**kwargs)

    @property
    def calls(self) -> int:
        return len(self.box.requests)

    @property
    def listings(self) -> int:
        return self.box.count(*_LISTING)


class GatewayWorld(World):
    """Over HTTP to a gateway, which has its chats over another transport and keeps none of them.

    What goes wrong does so behind the gateway.
    """

    validates = True
    shares = True

    def __init__(self, box: Sandbox, upstream: Transport) -> None:
        super().__init__(box)
        self._clock: Callable[[], float] = time.monotonic
        # The clock is that of the clients, whenever they come.
        self._gateway = ServedGateway(
            upstream,
            config=ConnectionConfig(cache_ttl=0),
            clock=lambda: self._clock(),  # noqa: PLW0108
        )

    def _connect(self, **kwargs: Any) -> Connection:
        self._clock = kwargs.get("clock", self._clock)
        return self._gateway.connect(**kwargs)

    def close(self) -> None:
        super().close()
        self._gateway.close()

    @property
    def calls(self) -> int:
        return len(self._gateway.served)

    @property
    def listings(self) -> int:
        return len(self._gateway.statuses(*_LISTING))

    @property
    def statuses(self) -> list[int | None]:
        return [*self._gateway.statuses(*_LISTING)]

    def fail_listings(self, status: int, *, times: int | None = None) -> Fault:
        """Who may not come in is the gateway's own business."""
        if status in {401, 403}:
            self._gateway.clients.refuses = {401: "unauthorized", 403: "forbidden"}[status]
        return super().fail_listings(status, times=times)


class VendorWorld(World):
    """Over the vendor's SDK; what that makes of a call does not count."""

    validates = False

    def __init__(self, box: Sandbox, vendor: Vendor) -> None:
        super().__init__(box)
        self._vendor = vendor

    def _connect(self, **kwargs: Any) -> Connection:
        return Connection.from_vendor(**kwargs)

    @property
    def calls(self) -> int:
        calls = self._vendor.calls
        return sum(calls.values()) - sum(calls[name] for name in ("init", "enter", "exec_async"))

    @property
    def listings(self) -> int:
        return self._vendor.calls["get_subscriptions"]


@pytest.fixture(params=["http", "vendor-1.4", "vendor-1.8", "gateway-http", "gateway-vendor"])
def world(
    request: pytest.FixtureRequest, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """The world over each transport."""
    kind, _, version = request.param.partition("-")
    with ExitStack() as exits:
        world: World
        if kind == "http":
            world = HttpWorld(box)
        elif request.param == "gateway-http":
            world = GatewayWorld(box, upstream_to(box))
        elif kind == "gateway":
            exits.enter_context(playing("1.8", box, monkeypatch))
            world = GatewayWorld(box, Connection.from_vendor()._transport)
        else:
            world = VendorWorld(box, exits.enter_context(playing(version, box, monkeypatch)))
        exits.callback(world.close)
        yield world

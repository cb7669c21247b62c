"""A gateway over each transport to a sandbox, and the folder of a gateway's state."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from teamwire_sync._gateway.state import StateFolder
from tests.support.gateways import ServedGateway, upstream_to
from tests.vendor.conftest import playing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock


@pytest.fixture
def over_http(box: Sandbox, clock: Clock) -> Iterator[ServedGateway]:
    """A gateway over HTTP to `box`; its cache follows `clock`."""
    with closing(ServedGateway(upstream_to(box), clock=clock)) as gateway:
        yield gateway


@pytest.fixture(params=["http", "vendor-1.8"])
def gateway(
    request: pytest.FixtureRequest, box: Sandbox, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> Iterator[ServedGateway]:
    """A gateway over each transport to `box`; its cache follows `clock`."""
    kind, _, version = request.param.partition("-")
    with ExitStack() as exits:
        if kind == "http":
            upstream = upstream_to(box)
        else:
            exits.enter_context(playing(version, box, monkeypatch))
            upstream = Connection.from_vendor()._transport
        yield exits.enter_context(closing(ServedGateway(upstream, clock=clock)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
def state(path: Path) -> Iterator[StateFolder]:
    with closing(StateFolder(path)) as state:
        yield state

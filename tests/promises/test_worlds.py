"""The transports of the promises are those that their names say."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.promises.conftest import World


@pytest.mark.parametrize("world", ["gateway-vendor"], indirect=True)
def test_a_gateway_over_the_vendors_sdk_reaches_the_server_only_through_it(world: World) -> None:
    world.connect().chats.get_subscriptions()
    listings = importlib.import_module("teamwire_api.testing").knobs.calls["get_subscriptions"]

    assert world.listings == listings == world.box.count("GET", "/v1/bot/chats/") == 1

"""Clients of a gateway that write, follow and list at once, while others change the chats."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import ConnectionConfig
from teamwire_sync._sandbox.world.seed import KNOWN_USER
from tests.support.waiting import Threads

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox
    from tests.support.gateways import ServedGateway


@pytest.mark.parametrize(
    "gateway", ["http", pytest.param("vendor-1.8", marks=pytest.mark.slow)], indirect=True
)
def test_each_client_sees_its_own_writes_and_in_the_end_everything(
    gateway: ServedGateway, box: Sandbox
) -> None:
    others = [chat.tid for chat in box.connect().chats.get_subscriptions()]

    def act(seed: int) -> int:
        rng = random.Random(seed)  # noqa: S311  the same in each run
        chats = gateway.connect(config=ConnectionConfig(page_size=rng.choice([7, 500]))).chats
        for number in range(6):
            title = f"of {seed}, {number}"
            made = chats.create_chat(title=title, users=[KNOWN_USER])
            assert chats.get_by_title(title) == [made]
            shown = chats.get_subscriptions(refresh=rng.random() < 0.5)
            assert made in shown
            assert len({chat.tid for chat in shown}) == len(shown)
        return number

    def change(seed: int) -> int:
        rng = random.Random(seed)  # noqa: S311  the same in each run
        tids = list(others)
        for number in range(12):
            box.rename_chat(rng.choice(tids), f"others' {number}")
            gone = tids.pop(rng.randrange(len(tids)))
            box.remove_chat(gone)
            if number % 3 == 0:
                box.restore_chat(gone)
        return number

    with Threads(8) as threads:
        done = [threads.start(act, seed) for seed in range(7)] + [threads.start(change, 7)]
        assert [each.result() for each in done] == [5] * 7 + [11]
    follower, lister = gateway.connect().chats, gateway.connect().chats
    follower.get_subscriptions()
    truth = {chat.tid for chat in box.connect().chats.get_subscriptions()}

    assert {chat.tid for chat in follower.get_subscriptions(refresh=True)} == truth
    assert follower.get_subscriptions() == lister.get_subscriptions()

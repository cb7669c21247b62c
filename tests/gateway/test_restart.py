"""A chat that was created just before the restart of a gateway stays visible."""

from __future__ import annotations

import os
import signal
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from teamwire_sync._gateway.chat_log import ChatLog
from teamwire_sync._gateway.gateway import Gateway
from teamwire_sync._gateway.revisions import Revisions
from teamwire_sync._sandbox.world.seed import KNOWN_CHAT, KNOWN_USER
from tests.support.gateway_process import GatewayProcess
from tests.support.gateways import upstream_to
from tests.support.sdk_double import DOUBLE, vendor_env

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from teamwire_sync.testing import Sandbox
    from tests.support.builders import Clock
    from tests.support.gateways import ServedGateway

_LISTING = ("GET", "/v1/bot/chats/")
_LAG = 600


@frozen
class Upstream:
    """The variables that lead a gateway to its upstream."""

    env: dict[str, str]


@contextmanager
def restarted(gateway: ServedGateway, box: Sandbox, clock: Clock) -> Iterator[Gateway]:
    """A gateway with the outcomes of another one."""
    parts = ChatLog(Revisions(None)), gateway.gateway.outcomes, gateway.clients
    with closing(Gateway(upstream_to(box), *parts, clock=clock)) as again:
        yield again


class TestOutcomes:
    @pytest.fixture(autouse=True)
    def lag(self, box: Sandbox) -> None:
        box.fault(*_LISTING, lag=_LAG)

    def test_a_new_chat_is_visible_after_a_restart(
        self, gateway: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        made = gateway.connect().chats.create_chat(title="new", users=[KNOWN_USER])
        with restarted(gateway, box, clock) as again:
            assert made.tid in again.listed().chats
            assert again.listed(is_fresh=True).chats[made.tid].chat.title == "new"

    def test_it_is_visible_for_the_grace_only(
        self, over_http: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        made = over_http.connect().chats.create_chat(title="new", users=[KNOWN_USER])
        with restarted(over_http, box, clock) as again:
            clock.advance(31)
            assert made.tid not in again.listed().chats

    def test_a_chat_that_the_bot_has_left_is_not_visible(
        self, over_http: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        made = over_http.connect().chats.create_chat(title="new", users=[KNOWN_USER])
        made.leave()
        with restarted(over_http, box, clock) as again:
            assert made.tid not in again.listed().chats

    def test_a_chat_that_others_removed_is_not_visible_because_it_was_edited(
        self, over_http: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        box.clear_faults()
        over_http.connect().chats.at(KNOWN_CHAT).set_title("edited")
        box.remove_chat(KNOWN_CHAT)
        with restarted(over_http, box, clock) as again:
            assert KNOWN_CHAT not in again.listed().chats

    def test_two_equal_new_chats_are_visible(
        self, over_http: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        create = over_http.connect().chats.create_chat
        made = {create(title="new", users=[KNOWN_USER]).tid for _ in range(2)}
        with restarted(over_http, box, clock) as again:
            assert made < again.listed().chats.keys()

    def test_a_present_listing_is_shown_and_not_an_old_response(
        self, over_http: ServedGateway, box: Sandbox, clock: Clock
    ) -> None:
        box.clear_faults()
        over_http.connect().chats.at(KNOWN_CHAT).set_title("old")
        box.rename_chat(KNOWN_CHAT, "present")
        with restarted(over_http, box, clock) as again:
            assert again.listed().chats[KNOWN_CHAT].chat.title == "present"


def test_only_young_outcomes_are_recent(over_http: ServedGateway) -> None:
    outcomes = over_http.gateway.outcomes
    over_http.connect().chats.at(KNOWN_CHAT).post("hello")
    assert len(outcomes.recent(60)) == 1
    assert outcomes.recent(-60) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("kind", ["http", "vendor"])
def test_a_new_chat_is_visible_after_a_kill(box: Sandbox, path: Path, kind: str) -> None:
    box.fault(*_LISTING, lag=_LAG)
    upstream = Upstream({**box.env, **vendor_env(box), "PYTHONPATH": str(DOUBLE)})
    with closing(GatewayProcess(upstream, path, "--upstream", kind)) as gateway:
        with gateway.connect() as connection:
            made = connection.chats.create_chat(title="new", users=[KNOWN_USER])
        gateway.end(signal.SIGKILL)
    again = GatewayProcess(upstream, path, "--upstream", kind)
    with closing(again), again.connect() as connection:
        assert connection.chats.get_by_thread_id(made.tid) == made
        assert made in connection.chats.get_subscriptions(refresh=True)

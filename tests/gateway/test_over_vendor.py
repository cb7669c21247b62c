"""Programs and commands with the settings of a gateway over the vendor's SDK."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import Connection
from teamwire_sync._cli.errors import USAGE
from tests.cli.conftest import Cli
from tests.cli.test_vendor import CAN, CANT
from tests.support.gateways import ServedGateway
from tests.vendor.conftest import playing
from tests.vendor.test_seed_programs import (
    PROGRAMS,
    READING,
    made_by,
    output_of,
    output_of_async,
    with_async,
    without_async,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox
    from tests.vendor.conftest import Vendor


@pytest.fixture
def vendor(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    with playing("1.8", box, monkeypatch) as vendor:
        yield vendor


@pytest.fixture(autouse=True)
def gateway(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedGateway]:
    """A gateway over the double. The environment leads to the gateway only."""
    with closing(ServedGateway(Connection.from_vendor(vendor.factory)._transport)) as gateway:
        app_id, secret = gateway.login
        monkeypatch.setenv("TEAMWIRE_URL", gateway.url)
        monkeypatch.setenv("TEAMWIRE_APP_ID", app_id)
        monkeypatch.setenv("TEAMWIRE_SECRET", secret)
        yield gateway


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return Cli(capsys, monkeypatch)


class TestPrograms:
    @pytest.mark.parametrize("name", READING)
    def test_a_program_that_reads_prints_what_it_prints_with_the_sdk(
        self, gateway: ServedGateway, name: str
    ) -> None:
        assert output_of(without_async(name)) == output_of_async(with_async(name))

    def test_the_program_that_writes_makes_what_it_makes_with_the_sdk(
        self, gateway: ServedGateway, box: Sandbox
    ) -> None:
        made = made_by(box, output_of, without_async("create_chat"))
        assert made == made_by(box, output_of_async, with_async("create_chat"))

    @pytest.mark.parametrize("name", PROGRAMS)
    def test_a_program_reaches_the_server_through_the_gateway_and_the_sdk(
        self, gateway: ServedGateway, vendor: Vendor, box: Sandbox, name: str
    ) -> None:
        method = "POST" if name == "create_chat" else "GET"
        output_of(without_async(name))
        assert len(gateway.statuses(method, "/v1/bot/chats/")) == 1
        assert vendor.calls["create_chat"] + vendor.calls["get_subscriptions"] == 1
        assert box.count(method, "/v1/bot/chats/") == 1


class TestCommands:
    def test_what_the_sdk_can_do_works(self, cli: Cli) -> None:
        found = {command: cli(*command.split()) for command in CAN}
        assert {command: done.code for command, done in found.items()} == dict.fromkeys(CAN, 0)
        assert [command for command, done in found.items() if not done.out] == []

    def test_what_it_cant_do_is_one_line_with_the_reason(self, cli: Cli) -> None:
        wrong = []
        for command, what in CANT.items():
            done = cli(*command.split())
            line = f"Error: 501 for .* can't {what}: the published documentation of the .*\n"
            if (done.code, done.out) != (USAGE, "") or not re.fullmatch(line, done.err):
                wrong.append((command, done.code, done.out, done.err))
        assert wrong == []

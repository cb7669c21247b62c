"""The client behind Prism, which holds a gateway in place of the sandbox against openapi.yaml."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, cast

import pytest

from teamwire_sync.testing import Sandbox, sandbox
from tests.openapi_tools.installed import node_programs
from tests.openapi_tools.prism_process import Prism
from tests.openapi_tools.test_prism import (
    before,
    connection,
    test_every_operation_and_every_kind_of_event_conform,
    test_refusals_conform,
)
from tests.support.gateways import BehindGateway, ServedGateway, upstream_to

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the first one, which installs the programs.
pytestmark = pytest.mark.slow(seconds=20)

__all__ = [
    "before",
    "connection",
    "test_every_operation_and_every_kind_of_event_conform",
    "test_refusals_conform",
]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with ExitStack() as exits:
        running = exits.enter_context(sandbox(chats=100, seed=7))
        gateway = exits.enter_context(closing(ServedGateway(upstream_to(running))))
        yield cast("Sandbox", BehindGateway(running, gateway))


@pytest.fixture(scope="module")
def prism(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prism]:
    folder = tmp_path_factory.mktemp("prism")
    process = Prism(node_programs("prism") / "prism", box.url, folder, ["--errors"])
    yield process
    process.close()

"""What the sandbox's server does, a gateway over HTTP to it does, too: its tests run here again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamwire_sync import ConnectionConfig
from tests.sandbox import test_directory, test_domain, test_edits, test_messages
from tests.support.gateways import BehindGateway, ServedGateway, upstream_to
from tests.support.sandbox_api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox

pytestmark = pytest.mark.slow

# The errors of a transport do not say which attachments are unknown.
_NOT_TOLD = {"test_unknown_attachments_are_named"}

for _module in (test_directory, test_domain, test_edits, test_messages):
    for _name, _value in vars(_module).items():
        if _name.startswith("test_") and _name not in _NOT_TOLD:
            globals()[f"{_name}__{_module.__name__.rpartition('_')[2]}"] = _value


@pytest.fixture
def teamwire_sandbox(teamwire_sandbox: Sandbox) -> Iterator[BehindGateway]:
    """A new sandbox behind a gateway that keeps no list."""
    gateway = ServedGateway(upstream_to(teamwire_sandbox), config=ConnectionConfig(cache_ttl=0))
    with closing(gateway):
        yield BehindGateway(teamwire_sandbox, gateway)


@pytest.fixture
def api(teamwire_sandbox: Sandbox) -> Iterator[Api]:
    """A session for the gateway."""
    with Api(teamwire_sandbox) as session:
        yield session

"""The pytest fixture `teamwire_sandbox`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "teamwire_sandbox(*, chats=100, seed=0, ...): arguments of teamwire_sync.testing.sandbox"
        " for the fixture teamwire_sandbox",
    )


@pytest.fixture
def teamwire_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Run a local Teamwire-compatible server, a new server for each test."""
    # Imported here, so that pytest's start does not import the web server.
    from teamwire_sync.testing import sandbox  # noqa: PLC0415

    marker = request.node.get_closest_marker("teamwire_sandbox")
    with sandbox(**({} if marker is None else marker.kwargs)) as box:
        yield box

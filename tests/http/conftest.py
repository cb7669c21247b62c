"""A sandbox of a hundred chats, and a connection to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync.testing import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync import Connection
    from teamwire_sync.testing import Sandbox


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """A sandbox of its own for each test."""
    with sandbox(chats=100, seed=7) as box:
        yield box


@pytest.fixture
def connection(box: Sandbox) -> Connection:
    """A connection to it."""
    return box.connect()

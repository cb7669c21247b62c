"""The server that says whatever a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.nasty_server import NastyServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[NastyServer]:
    with NastyServer() as server:
        yield server

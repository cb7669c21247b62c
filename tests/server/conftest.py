"""The application with a small backend."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._server.uploads import Files
from tests.server.small_backend import Room

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def room() -> Iterator[Room]:
    """The application with a small backend, in this process."""
    with closing(Files(None)) as files:
        yield Room(files)

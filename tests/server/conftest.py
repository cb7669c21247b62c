"""The application with a small backend."""

from __future__ import annotations

import pytest

from tests.server.small_backend import Room


@pytest.fixture
def room() -> Room:
    """The application with a small backend, in this process."""
    return Room()

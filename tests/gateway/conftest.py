"""The state of a gateway in a folder of its own."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._gateway.state import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "state"


@pytest.fixture
def state(path: Path) -> Iterator[StateFolder]:
    with closing(StateFolder(path)) as state:
        yield state

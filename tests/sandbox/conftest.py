"""A session for a new sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sandbox_api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from teamwire_sync.testing import Sandbox


@pytest.fixture
def api(teamwire_sandbox: Sandbox) -> Iterator[Api]:
    """A session for a new sandbox."""
    with Api(teamwire_sandbox) as session:
        yield session

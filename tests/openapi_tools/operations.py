"""Which operations of the contract a sandbox has served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from teamwire_sync._http.contract import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from teamwire_sync.testing import ServedRequest

_PATHS = {
    name: re.compile(re.sub(r"\{\w+\}", "[^/]+", each.path)) for name, each in OPERATIONS.items()
}


def operations_of(requests: Iterable[ServedRequest]) -> set[tuple[str, int | None]]:
    """The names of the operations, each with the status of a response."""
    return {
        (name, served.status)
        for served in requests
        for name, path in _PATHS.items()
        if served.method == OPERATIONS[name].method and path.fullmatch(served.path)
    }

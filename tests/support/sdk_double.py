"""Where the double of the vendor's SDK is, and the variables that lead it to a sandbox."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class HasEnv(Protocol):
        """A server whose clients need these variables."""

        @property
        def env(self) -> dict[str, str]: ...


DOUBLE = Path(__file__).parent / "vendor_double"
"""The folder for PYTHONPATH."""


def vendor_env(box: HasEnv) -> dict[str, str]:
    """The variables that lead the double to *box*. A Connection does not read them."""
    return {f"DOUBLE_{name}": box.env[f"TEAMWIRE_{name}"] for name in ("URL", "APP_ID", "SECRET")}


def process_env(box: HasEnv) -> dict[str, str]:
    """The variables of a process that reaches *box* only through the double."""
    path = os.pathsep.join([str(DOUBLE), os.environ.get("PYTHONPATH", "")])
    return {**vendor_env(box), "PYTHONPATH": path}

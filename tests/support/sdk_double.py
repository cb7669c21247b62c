"""Where the double of the vendor's SDK is, and the variables that lead it to a sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teamwire_sync.testing import Sandbox

DOUBLE = Path(__file__).parent / "vendor_double"
"""The folder for PYTHONPATH."""


def vendor_env(box: Sandbox) -> dict[str, str]:
    """The variables that lead the double to *box*. A Connection does not read them."""
    return {"DOUBLE_URL": box.url, "DOUBLE_APP_ID": box.app_id, "DOUBLE_SECRET": box.secret}

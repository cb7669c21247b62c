"""Programs and packages that only some machines have."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(name: str) -> NoReturn:
    """Skip the test, or fail it in CI, which installs everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and in CI it has to be")
    pytest.skip(f"{name} is not installed")


def needed_program(name: str) -> str:
    """Return the path of a program, or skip the test as `missing` does."""
    # Debian has servers where only root looks.
    path = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    return path or missing(name)

"""Programs from package registries, each installed once in a folder of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from teamwire_sync._http import contract
from tests.support.needed import missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTRACT = Path(contract.__file__).with_name("openapi.yaml")
HERE = Path(__file__).parent
# Git ignores it, and the next run finds there what this one has installed.
FOLDER = HERE.parents[1] / ".venv" / "openapi-tools"
# Fixtures take away the proxies, and the home folder, which has the caches of pip and npm.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def python_environment(name: str, *requirements: str) -> Path:
    """The programs of a virtual environment with the pinned packages of ``name.txt``."""
    listed = HERE / f"{name}.txt"
    with _folder(name, [listed], *requirements) as (folder, is_new):
        programs = folder / "bin"
        if is_new:
            _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], name)
            # Pip takes seconds to install itself, and to compile what is never imported.
            pip = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install"]
            _run([*pip, "--quiet", "--no-compile", "-r", str(listed), *requirements], name)
    return programs


def node_programs(name: str, where: Path = HERE) -> Path:
    """The programs of the packages of ``name/package-lock.json`` in the folder *where*."""
    npm = shutil.which("npm")
    if npm is None:
        missing("npm")
    listed = [where / name / file for file in ("package.json", "package-lock.json")]
    with _folder(name, listed) as (folder, is_new):
        if is_new:
            folder.mkdir()
            for file in listed:
                shutil.copy(file, folder)
            # They need none of the scripts that packages run when they are installed.
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
            _run([npm, "ci", "--prefix", str(folder), *options], name)
    return folder / "node_modules" / ".bin"


@contextmanager
def _folder(name: str, listed: Sequence[Path], *more: str) -> Iterator[tuple[Path, bool]]:
    """The folder of a program, and whether it is still to be installed there.

    The other workers wait for the one that installs it.
    """
    fcntl = pytest.importorskip("fcntl", reason="these tests need POSIX")
    parts = [*(path.read_bytes() for path in listed), sys.version.encode(), *map(str.encode, more)]
    wanted = hashlib.sha256(b"\0".join(parts)).hexdigest()
    folder, stamp = FOLDER / name, FOLDER / f"{name}.installed"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_new = not stamp.exists() or stamp.read_text() != wanted
        if is_new:
            stamp.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
        yield folder, is_new
        stamp.write_text(wanted)


def _run(command: Sequence[str], name: str) -> None:
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        print(done.stdout, done.stderr)  # noqa: T201  pytest shows it
        missing(f"{name}, which needs a package registry,")

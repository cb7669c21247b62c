"""The requirements of setup.cfg and the Makefile, and the extras that an ImportError names."""

from __future__ import annotations

import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from teamwire_sync._internal.extras import REQUIREMENTS
from tests.support.needed import needed_program

ROOT = Path(__file__).parents[2]
CONFIG = ConfigParser(interpolation=None)
CONFIG.read(ROOT / "setup.cfg", "utf-8")


def requirements(option: str) -> list[Requirement]:
    return [Requirement(line) for line in option.splitlines() if line]


PACKAGE = requirements(CONFIG["options"]["install_requires"])
EXTRAS = {name: requirements(CONFIG["options.extras_require"][name]) for name in REQUIREMENTS}
# With what they take from other extras.
WHOLE = ConfigParser()
WHOLE.read(ROOT / "setup.cfg", "utf-8")


def on_python(version: str, needed: list[Requirement]) -> list[Requirement]:
    """The requirements that are for this version of Python."""
    return [
        each
        for each in needed
        if not each.marker or each.marker.evaluate({"python_version": version})
    ]


def test_import_errors_name_the_requirements_of_setup_cfg() -> None:
    named = {
        name: tuple(f"{each.name}{each.specifier}" for each in needed)
        for name, needed in EXTRAS.items()
    }

    assert named == REQUIREMENTS


@pytest.mark.parametrize("extra", [None, *WHOLE["options.extras_require"]])
def test_on_an_older_python_pip_has_no_requirement_to_search_for(extra: str | None) -> None:
    needed = PACKAGE if extra is None else requirements(WHOLE["options.extras_require"][extra])

    assert on_python("3.8", needed) == []


@pytest.mark.parametrize(("version", "accepted"), [("3.9", True), ("3.10", False)])
def test_urllib3_1_which_boto3_needs_is_accepted_on_python_3_9_only(
    version: str, *, accepted: bool
) -> None:
    (urllib3,) = (each for each in on_python(version, PACKAGE) if each.name == "urllib3")

    assert urllib3.specifier.contains("1.26.20") is accepted


def test_make_names_the_python_that_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c '
        '"import sys; sys.version_info = (3, 8); exec(sys.argv[1])" "$2"\n'
    )
    old.chmod(0o700)
    command = [needed_program("make"), "demo", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert done.stderr.startswith(
        f"teamwire_sync needs Python 3.9 or newer, and {old} is Python 3.8: "
    )

"""docs/install.md has what setup.cfg says; tests/docs/test_installing.py runs its lines."""

from __future__ import annotations

import re
from configparser import ConfigParser

from tests.support.pages import DOCS

PAGE = (DOCS / "install.md").read_text("utf-8")
SETUP = ConfigParser()
SETUP.read(DOCS.parent / "setup.cfg", "utf-8")
EXTRAS = SETUP["options.extras_require"]


def names(requirements: str) -> set[str]:
    """The packages of some lines of setup.cfg."""
    return set(re.findall(r"^[\w-]+", requirements, re.MULTILINE))


def test_the_table_has_each_extra_with_its_packages() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (.+) \|$", PAGE, re.MULTILINE)
    (tools,) = re.findall(r"^\| (`.+`) \| .+ \| tools \|$", PAGE, re.MULTILINE)
    packages = {extra: set(listed.split(", ")) - {"nothing"} for extra, listed in rows}

    assert packages == {
        extra: names(EXTRAS[extra]) for extra in EXTRAS.keys() - set(re.findall(r"\w+", tools))
    }


def test_it_names_the_oldest_and_the_newest_python() -> None:
    versions = re.findall(r":: Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])

    assert f"Python {versions[0]} or newer" in PAGE
    assert f"each Python from {versions[0]} to {versions[-1]}" in PAGE


def test_the_file_of_the_wheel_has_the_version() -> None:
    assert f'"dist/teamwire_sync-{SETUP["metadata"]["version"]}-py3-none-any.whl' in PAGE

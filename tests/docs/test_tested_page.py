"""docs/tested.md names the versions of setup.cfg, which .ci/run installs."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tested.md").read_text("utf-8")
CI = (ROOT / ".ci" / "run").read_text("utf-8")
CONFIG = ConfigParser(interpolation=None)
CONFIG.read(ROOT / "setup.cfg", "utf-8")

OPTIONS = [CONFIG["options"]["install_requires"]]
OPTIONS += [CONFIG["options.extras_require"][name] for name in ("cli", "notebook", "redis")]
LINES = [line for option in OPTIONS for line in option.strip().splitlines()]


def oldest(python: str) -> dict[str, str]:
    """The oldest version of each package that pip accepts on this version of Python."""
    return {
        requirement.name: re.findall(r">=([\d.]+)", str(requirement.specifier))[0]
        for requirement in map(Requirement, LINES)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python})
    }


@pytest.mark.parametrize("name", oldest("3.9"))
def test_ci_installs_the_oldest_version_that_pip_accepts(name: str) -> None:
    (pinned,) = re.findall(rf"\b{name}==([\d.]+)", CI.partition("oldest=(")[2].partition(")")[0])

    assert f"{pinned}.".startswith(f"{oldest('3.9')[name]}.")


def test_ci_installs_the_oldest_urllib3_2() -> None:
    assert f"pinned=(urllib3=={oldest('3.10')['urllib3']})" in CI


@pytest.mark.parametrize("python", ["3.9", "3.10"])
@pytest.mark.parametrize("name", ["requests", "attrs", "cachetools", "urllib3"])
def test_the_page_names_the_oldest_version(name: str, python: str) -> None:
    (row,) = re.findall(r"^\| libraries .*", PAGE, re.MULTILINE)

    assert re.search(rf"{name} [^,]*\b{oldest(python)[name]}[^\d.]", row)


def test_the_page_names_the_pythons_of_setup_cfg() -> None:
    pythons = re.findall(r"Python :: (3\.\d+)", CONFIG["metadata"]["classifiers"])

    assert f"CPython {pythons[0]} to {pythons[-1]} " in PAGE

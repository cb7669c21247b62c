"""CONTRIBUTING.md names what exists, and it lists each file that has slow tests."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_each_file_with_slow_tests_is_listed_with_its_cost_and_its_reason() -> None:
    marked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if "pytest.mark.slow" in path.read_text("utf-8") and path != Path(__file__)
    }
    rows = re.findall(r"^\| (tests/\S+\.py) \| \d+ s \| \S.+ \|$", PAGE, re.MULTILINE)

    assert sorted(rows) == sorted(marked)


def test_each_path_that_it_names_is_there() -> None:
    named = set(re.findall(r"\btests/[\w/.]*\w", PAGE))

    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_it_says_what_each_part_of_the_package_is_for() -> None:
    parts = {
        f"{path.name}/" if path.is_dir() else path.name
        for path in (ROOT / "teamwire_sync").glob("[!.]*")
        if path.name not in {"__init__.py", "__pycache__", "py.typed"}
    }
    listed = re.findall(
        r"^\| (`.+`) \| .+ \|$", PAGE.partition("## Where things are")[2], re.MULTILINE
    )

    assert sorted(re.findall("`(.+?)`", " ".join(listed))) == sorted(parts)


def test_each_command_that_it_names_is_a_target_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    named = set(re.findall(r"`make ([a-z-]+)", PAGE))

    assert sorted(named - set(targets)) == []


def test_the_readme_links_it() -> None:
    assert "(CONTRIBUTING.md)" in (ROOT / "README.md").read_text("utf-8")


def test_the_site_has_it_as_a_page() -> None:
    assert "{include} ../CONTRIBUTING.md" in (ROOT / "docs" / "contributing.md").read_text("utf-8")

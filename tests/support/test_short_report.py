"""With ``-q``, a run prints no dots, each failure at once, and how to have the same order again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

FILE = """
import pytest

@pytest.mark.parametrize("number", range(200))
def test_number(number):
    print("printed by", number)
    assert number != 7
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a run of 200 tests prints, of which the eighth fails."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "conftest.py").write_text("from tests.conftest import *\n", "utf-8")
    (folder / "test_numbers.py").write_text(FILE, "utf-8")
    order = ("-p", "randomly", "--randomly-seed=3", "--randomly-dont-reorganize")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, *order],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        encoding="utf-8",
        timeout=1.5 * PATIENCE,
        check=False,
    )
    return done.stdout.splitlines()


def test_a_failure_is_shown_before_the_tests_go_on(lines: list[str]) -> None:
    assert lines.index("printed by 7") < next(
        number for number, line in enumerate(lines) if line.startswith("10 %: 20 tests")
    )


def test_it_is_shown_once(lines: list[str]) -> None:
    assert lines.count("printed by 7") == 1


def test_what_passes_has_a_line_for_each_tenth_and_no_dot(lines: list[str]) -> None:
    assert sum(" %: " in line for line in lines) == 10
    assert not any(line.startswith(".") for line in lines)


def test_it_counts_what_passed_and_failed(lines: list[str]) -> None:
    assert any(line.startswith("1 failed, 199 passed") for line in lines)


def test_after_a_failure_it_tells_how_the_order_is_had_again(lines: list[str]) -> None:
    assert "for the same order: -n 0 --randomly-seed=3" in lines

"""The numbers of a gateway over its restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from teamwire_sync import TWConfigError
from teamwire_sync._gateway.revisions import Revisions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "revision"


def test_they_begin_with_the_clock_in_milliseconds(path: Path) -> None:
    assert Revisions(path, 5.0).last == 5000


@pytest.mark.parametrize("given", [0, 1, 9_999, 10_000, 10_001, 25_000])
def test_after_a_restart_they_are_higher_than_all_before(path: Path, given: int) -> None:
    """Though the clock was set back, and however the process has ended."""
    before = Revisions(path, 5.0)
    for _ in range(given):
        before.next()

    assert Revisions(path, 1.0).last > before.last


def test_without_their_file_they_are_higher_by_the_clock(path: Path) -> None:
    before = Revisions(path, 5.0).next()
    path.unlink()

    assert Revisions(path, 6.0).last > before


def test_few_of_them_are_written_to_the_disk(path: Path) -> None:
    revisions = Revisions(path, 5.0)
    stored = path.read_text()
    numbers = [revisions.next() for _ in range(1000)]

    assert numbers == list(range(5001, 6001))
    assert path.read_text() == stored


@pytest.mark.parametrize("content", ["", "x", "1.5", "\N{BULLET}"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TWConfigError, match="remove it"):
        Revisions(path)

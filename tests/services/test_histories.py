"""Random histories of a world over real HTTP; `histories` plays many of them, by hand."""

from __future__ import annotations

import time

import pytest

from tests.services.histories import play


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.slow(seconds=15))])
def test_a_client_has_what_a_whole_listing_has_after_each_refresh(count: int) -> None:
    """In content, order and both indexes, while most refreshes read only changes."""
    seed = time.time_ns() % 10**6
    counts, wrong = play(count, seed)

    assert not wrong, f"python -m tests.services.histories {count} --seed {seed}"
    assert counts["updates"] > count / 2

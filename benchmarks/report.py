"""What a run found: rows with a ratio, and a goal where there is one."""

from __future__ import annotations

import os
import platform
import sysconfig
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from benchmarks.timing import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_PACKAGES = (
    "attrs", "cachebox", "cachetools", "redis", "requests", "requests-cache", "urllib3",
)  # fmt: skip


@frozen
class Row:
    """A work of ours beside a rival's.

    Attributes:
        key: A name that stays the same when sizes and words change.
        work: What is done.
        rival: Who else does it.
        ours: What it takes here.
        theirs: What it takes there.
        ratio: Ours over theirs, or theirs over ours where the goal is to be so many times better.
        unit: "s" or "B".
        at_most: The goal, or None.
        at_least: The goal where more is better, or None.
    """

    key: str
    work: str
    rival: str
    ours: Figure
    theirs: Figure
    ratio: Figure
    unit: str = "s"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None without one."""
        if self.at_most is not None:
            return self.ratio.median <= self.at_most
        if self.at_least is not None:
            return self.ratio.median >= self.at_least
        return None

    @property
    def verdict(self) -> str:
        """Met, or by how much not."""
        if self.is_met is None:
            return ""
        if self.is_met:
            return "met"
        goal = self.at_most if self.at_most is not None else self.at_least
        missed = abs(self.ratio.median / goal - 1)
        return f"**not met, by {missed:.0%}**" if missed >= 0.01 else "**not met, by < 1%**"

    @property
    def goal(self) -> str:
        """The goal in words; empty without one."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}x"
        return "" if self.at_least is None else f">= {self.at_least:g}x"

    def cells(self) -> list[str]:
        """The row of the table."""
        ratio = self.ratio
        if ratio.median < 0.1:
            spread = f"1/{_short(1 / ratio.median)}"
        else:
            spread = f"{_short(ratio.median)}x ({_short(ratio.low)}-{_short(ratio.high)})"
        ours, theirs = (_text(figure.median, self.unit) for figure in (self.ours, self.theirs))
        goal = f"{self.goal}: {self.verdict}" if self.goal else ""
        return [self.work, ours, self.rival, theirs, spread, goal]

    def as_json(self) -> dict[str, Any]:
        """All of it for a program."""
        return {**asdict(self), "met": self.is_met}


def compare(
    key: str,
    work: str,
    ours: Sequence[float],
    rival: str,
    theirs: Sequence[float],
    *,
    unit: str = "s",
    at_most: float | None = None,
    at_least: float | None = None,
    paired: bool = True,
) -> Row:
    """A row of measurements that were taken in the same rounds.

    The ratio is the median of the rounds' ratios: what slows a round down is in both its sides.

    Args:
        key: See `Row`.
        work: See `Row`.
        ours: One figure a round.
        rival: See `Row`.
        theirs: One figure a round.
        unit: See `Row`.
        at_most: See `Row`.
        at_least: See `Row`.
        paired: Whether both come from the same rounds; else the ratio is that of the medians.
    """
    one, other = Figure.of(ours), Figure.of(theirs)
    above, below = (theirs, ours) if at_least is not None else (ours, theirs)
    if paired:
        ratio = Figure.of([up / down for up, down in zip(above, below)])
    else:
        top, bottom = Figure.of(above), Figure.of(below)
        ratio = Figure(top.median / bottom.median, top.low / bottom.high, top.high / bottom.low)
    return Row(key, work, rival, one, other, ratio, unit, at_most, at_least)


def circumstances() -> dict[str, Any]:
    """Where the figures were taken."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pgo": "--enable-optimizations" in arguments,
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def markdown(rows: Sequence[Row], where: dict[str, Any], seconds: float) -> str:
    """The table, with what it was measured on and how many goals are met."""
    built = "with PGO" if where["pgo"] else "without PGO"
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    goals = [row for row in rows if row.is_met is not None]
    met = sum(bool(row.is_met) for row in goals)
    table = [
        ["work", "ours", "rival", "takes", "ratio (quartiles)", "goal"],
        ["---", "--:", "---", "--:", "--:", "---"],
        *(row.cells() for row in rows),
    ]
    lines = [
        f"{where['python']} built {built}, {where['system']}, {where['cpus']} CPUs; {versions}.",
        f"{met} of {len(goals)} goals met. The run took {seconds:.0f} s.",
        "",
        *(f"| {' | '.join(cells).rstrip()} |" for cells in table),
    ]
    return "\n".join(lines)


def write_into(document: Path, text: str) -> None:
    """Put *text* in the place of what the two markers of *document* enclose.

    Raises:
        ValueError: It has no markers.
    """
    old = document.read_text("utf-8")
    before, found, rest = old.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found or not found_end:
        message = f"{document} has no place for the table: {BEGIN} and {END}"
        raise ValueError(message)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def _short(number: float) -> str:
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def _text(number: float, unit: str) -> str:
    if unit == "B":
        return f"{number / 2**20:.1f} MiB"
    for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if abs(number) * factor >= 1:
            return f"{number * factor:.3g} {name}"
    return f"{number * 1e9:.3g} ns"

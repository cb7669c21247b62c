"""What `pytest -q` prints of many tests: how far it is, each failure at once, and a summary."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class ShortReport:
    """Takes the place of the dots, and of the failures at the end.

    Args:
        terminal: pytest's own report.
    """

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal
        self._started = monotonic()
        self._ended = 0
        self._tenths = 0
        self._has_shown = False
        terminal.summary_failures = terminal.summary_errors = lambda: None  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Iterator[tuple[str, str, str]]:
        """Count what pytest counts, but print no letter for it."""
        category, _, word = yield
        return category, "", word

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Show a failure, or that another tenth of the tests has ended."""
        if report.failed:
            self._show(report)
        if report.when == "teardown":
            self._ended += 1
            self._progress()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Show why a file can't be used."""
        if report.failed:
            self._show(report)

    def pytest_terminal_summary(self) -> None:
        """Say how the tests run in the same order again, where one failed."""
        seed = self._terminal.config.getoption("randomly_seed", None)
        if self._has_shown and seed is not None:
            self._terminal.write_line(f"for the same order: -n 0 --randomly-seed={seed}")

    def _show(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        self._has_shown = True
        self._terminal.ensure_newline()
        self._terminal.write_sep("_", report.head_line or report.nodeid, red=True, bold=True)
        report.toterminal(self._terminal._tw)
        for name, content in report.sections:
            self._terminal.write_sep("-", name)
            self._terminal.write_line(content)

    def _progress(self) -> None:
        session = self._terminal._session
        total = getattr(session, "testscollected", 0)
        tenths = 10 * self._ended // max(total, 1)
        if tenths > self._tenths and total > 100:
            self._tenths = tenths
            seconds = monotonic() - self._started
            self._terminal.ensure_newline()
            self._terminal.write_line(f"{tenths}0 %: {self._ended} tests, {seconds:.0f} s")

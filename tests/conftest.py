"""The suite's closing words: what was skipped, by name, and whether it may be.

In: pytest's reports. Out: a section at the end that groups the skipped tests by what
they were missing, and a failed session where CI=true, because there a skipped test
is a promise nobody checked. It knows no fixture: those live beside their tests.

In Python's development mode asyncio also logs each callback that took a tenth of a
second. That is about the machine, and would stand among what tests look for.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict

import pytest

IN_CI = os.environ.get("CI", "").lower() == "true"

logging.getLogger("asyncio").setLevel(logging.ERROR)


class SkipLedger:
    """Collects the skips of one session and closes the books on them."""

    def __init__(self) -> None:
        self.skipped: defaultdict[str, list[str]] = defaultdict(list)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr
            if isinstance(reason, tuple):
                reason = reason[2]
            self.skipped[str(reason).removeprefix("Skipped: ")].append(report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test that skipped itself, or was skipped by a marker."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a whole module that was skipped."""
        self._note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a CI session that skipped anything."""
        if IN_CI and self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter
    ) -> None:
        """Say what was skipped and why, and what that means here."""
        if not self.skipped:
            return
        write = terminalreporter.write_line
        terminalreporter.section("Skipped tests", red=IN_CI, yellow=not IN_CI)
        for reason, tests in sorted(self.skipped.items()):
            write(f"{reason}:")
            for test in tests:
                write(f"    {test}")
        if IN_CI:
            count = sum(map(len, self.skipped.values()))
            write(f"CI=true and {count} skipped: this run has FAILED.", red=True)
            write("Nothing may be skipped here. See scripts/debian-packages.")


def pytest_configure(config: pytest.Config) -> None:
    """Open the ledger."""
    config.pluginmanager.register(SkipLedger(), "skip-ledger")

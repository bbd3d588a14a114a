"""The last line of a run: how many tests passed on the real Asterisk, and on which.

A conftest at the root of the tests takes these hooks over by ``from lab.summing_up import *``: where several processes
share the tests (pytest-xdist), the one that sums up reads no other conftest.
"""

from typing import Any

import pytest

__all__ = [
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

versions: set[str] = set()
"""Which Asterisk has run, in this process and in those that it has heard of."""

_passed: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what passed on the real Asterisk."""
    if report.when == "call" and report.passed and "real" in report.keywords:
        _passed.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that sums up which Asterisk ran in this one."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["asterisk"] = sorted(versions)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it (pytest-xdist's hook)."""
    versions.update(getattr(node, "workeroutput", {}).get("asterisk", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it."""
    if _passed:
        names = " and ".join(sorted(versions)) or "?"
        terminalreporter.write_line(f"real Asterisk {names}: {len(_passed)} tests passed")

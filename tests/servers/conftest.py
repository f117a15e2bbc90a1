"""Servers for the tests: shared ones, started on first use, and ones of a test's own.

Whatever a server wrote while a test failed is shown with the failure.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from databases import running_postgres
from servers.harness import Row, Server, start
from servers.rows import skip_unless_installed

LOG_SHOWN = 8000  # characters
_numbers = itertools.count(1)


class Fleet:
    """The servers that tests share: one a row, started on first use.

    One that doesn't answer any more is replaced, so that a failure stays with the
    test that caused it.
    """

    def __init__(self) -> None:
        self._running: dict[str, tuple[Server, contextlib.ExitStack]] = {}

    def __getitem__(self, row: Row) -> Server:
        if row.name in self._running:
            server, stack = self._running[row.name]
            try:
                server.ping()
                return server
            except OSError:
                stack.close()
        stack = contextlib.ExitStack()
        server = stack.enter_context(start(row))
        self._running[row.name] = server, stack
        return server

    def close(self) -> None:
        """End them all."""
        for _, stack in self._running.values():
            stack.close()


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """All shared servers, ended with the session."""
    servers = Fleet()
    yield servers
    servers.close()


@pytest.fixture
def watched_logs(request: pytest.FixtureRequest) -> list[tuple[Server, int]]:
    """The servers of this test, with the length that each log had before it."""
    logs: list[tuple[Server, int]] = []
    request.node.watched_logs = logs
    return logs


@pytest.fixture
def server(row: Row, fleet: Fleet, watched_logs: list[tuple[Server, int]]) -> Server:
    """The shared server of this row."""
    skip_unless_installed(row)
    running = fleet[row]
    watched_logs.append((running, running.log_path.stat().st_size))
    return running


@pytest.fixture
def launch(
    watched_logs: list[tuple[Server, int]],
) -> Iterator[Callable[..., Server]]:
    """Start a server of the test's own: it may be configured, loaded and killed."""
    with contextlib.ExitStack() as stack:

        def launch_one(row: Row, **options: Any) -> Server:
            skip_unless_installed(row)
            running = stack.enter_context(start(row, **options))
            watched_logs.append((running, 0))
            return running

        yield launch_one


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real PostgreSQL's connection string."""
    with running_postgres() as where:
        yield where


@pytest.fixture
def key() -> str:
    """A name for the streams of this test alone."""
    return f"key{next(_numbers)}."


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Show what the servers logged while a test failed."""
    report = yield
    if report.failed:
        for running, before in getattr(item, "watched_logs", []):
            with contextlib.suppress(OSError):
                text = running.log(before)[-LOG_SHOWN:]
                report.sections.append((f"log of {running.row}", text))
    return report

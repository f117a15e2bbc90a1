"""A real PostgreSQL for the tests of sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from databases import running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Give a connection string."""
    with running_postgres() as where:
        yield where

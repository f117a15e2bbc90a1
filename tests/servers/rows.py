"""How a test says on which servers it runs.

A server that isn't installed skips its tests by name when they ask for it
(`conftest.py`), so nothing has to be said here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from needs import needs
from servers.harness import BY_NAME, TABLE, Row


def skip_unless_installed(row: Row) -> None:
    """Skip the test that asks for a server that isn't there."""
    mark = needs(*row.requires)
    if mark.args[0]:
        pytest.skip(mark.kwargs["reason"])


def only(*names: str) -> pytest.MarkDecorator:
    """Parametrise over the rows of these names."""
    return pytest.mark.parametrize("row", [BY_NAME[name] for name in names], ids=str)


def on(wanted: Callable[[Row], bool]) -> pytest.MarkDecorator:
    """Parametrise over the rows of the table that are *wanted*."""
    return only(*(row.name for row in TABLE if wanted(row)))


every_server = on(lambda row: True)

"""How a running query is stopped from another thread, driver by driver.

In: a driver's connection. Out: a function that cancels what it runs, or None where the
driver has none. Found by the connection's own methods; no driver is imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["canceller"]

log = logging.getLogger("flask_sluice")

# psycopg 3.2's doesn't block in libpq; 3.1 and psycopg2 have `cancel`; SQLite and
# DuckDB interrupt. MySQL's drivers have nothing: a KILL needs a connection of its own.
METHODS = ("cancel_safe", "cancel", "interrupt")


def canceller(connection: Any) -> Callable[[], None] | None:
    """Give what cancels the query that *connection* runs."""
    for name in METHODS:
        method = getattr(connection, name, None)
        if callable(method):
            return _quietly(method)
    return None


def _quietly(method: Callable[[], object]) -> Callable[[], None]:
    def cancel() -> None:
        try:
            method()
        except Exception as error:  # noqa: BLE001 - logged
            # The query may be over, and the connection closed, this very moment.
            log.debug("A query could not be cancelled: %r", error)

    return cancel

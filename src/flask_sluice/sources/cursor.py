"""Rows from a DB-API cursor (PEP 249) that has run its query.

In: a cursor of any driver. Out: a source. It is read in batches by `fetchmany`; whether
it holds all rows itself is the driver's business and its maker's choice (`query` opens
one that doesn't).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import ArgumentError, ClientLeft
from .cancel import canceller
from .shape import Shape, shape_of
from .source import Names, Row

__all__ = ["Cursor", "is_cursor"]


def is_cursor(rows: object) -> bool:
    """Tell whether *rows* is a cursor, by its methods."""
    return hasattr(rows, "fetchmany") and hasattr(rows, "description")


class Cursor:
    """Rows from a cursor, which is closed in the end."""

    count = None

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._shape: Shape | None = None
        self._names: Names = ()
        self._taken = 0
        self._stopped = False
        self._cancel: Callable[[], None] | None = None

    @property
    def names(self) -> Names:
        """The columns' names, as the database calls them."""
        return self._names

    @property
    def kinds(self) -> Sequence[type | None]:
        """PEP 249 has no types of Python's."""
        return [None] * len(self._names)

    def open(self) -> None:
        """Read the names.

        :raises ArgumentError: no query has been run, or it gives no rows.
        """
        described = self._cursor.description
        if described is None:
            raise ArgumentError(
                "This cursor has no rows: execute a SELECT with it first, or give"
                " stream_rows() a Query(connection, sql), which does that."
            )
        self._names = tuple(str(column[0]) for column in described)
        if self._cancel is None:
            self._cancel = canceller(getattr(self._cursor, "connection", None))

    def take(self, limit: int) -> list[Row]:
        """Give the next rows."""
        if self._stopped:
            # Told between two commands, the database has nothing to cancel.
            raise ClientLeft("the export was cancelled")
        batch = self._cursor.fetchmany(limit)
        if not batch:
            return []
        # What a driver gives by default is what everything here is made for.
        if type(batch[0]) is tuple and type(batch) is list:
            return batch
        if self._shape is None:
            self._shape = shape_of(batch[0], self._names)
        rows = self._shape.tuples(batch, self._taken)
        self._taken += len(rows)
        return rows

    def cancel(self) -> None:
        """Stop the query, where the driver can."""
        self._stopped = True
        if self._cancel is not None:
            self._cancel()

    def close(self) -> None:
        """Close the cursor."""
        self._cursor.close()

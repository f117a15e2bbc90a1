"""Rows from a query that hasn't run yet, on a DB-API connection.

In: a connection, SQL and its parameters. Out: a source that holds a batch and no more:
where the driver would read all rows at once (psycopg's cursors do), the cursor is one
of the server's.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from .cancel import canceller
from .cursor import Cursor

__all__ = ["Query", "QueryRows", "is_psycopg"]

Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None


class Query:
    """A query for `stream_rows()` to run.

    :param connection: of any DB-API driver. It stays open, and is the view's.
    :param sql: the query, with the driver's own placeholders.
    :param parameters: for these; None for none.
    """

    def __init__(
        self, connection: Any, sql: Any, parameters: Parameters = None
    ) -> None:
        self.connection = connection
        self.sql = sql
        self.parameters = parameters


def is_psycopg(connection: object) -> bool:
    """Tell whether *connection* is one of psycopg 3's."""
    return type(connection).__module__.split(".")[0] == "psycopg"


class QueryRows(Cursor):
    """Rows from a `Query`."""

    def __init__(self, query: Query) -> None:
        super().__init__(None)
        self._query = query
        self._stack = contextlib.ExitStack()

    def open(self) -> None:
        """Run the query."""
        query = self._query
        connection = query.connection
        self._cancel = canceller(connection)
        if is_psycopg(connection):
            # A server's cursor lives in a transaction; inside one this is a savepoint.
            if connection.autocommit:
                self._stack.enter_context(connection.transaction())
            self._cursor = connection.cursor(f"sluice_{uuid.uuid4().hex}")
        else:
            self._cursor = connection.cursor()
        self._stack.callback(self._cursor.close)
        if query.parameters is None:
            self._cursor.execute(query.sql)
        else:
            self._cursor.execute(query.sql, query.parameters)
        super().open()

    def close(self) -> None:
        """Close the cursor, and the transaction if it was ours."""
        self._stack.close()

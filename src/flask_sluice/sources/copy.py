"""PostgreSQL's own CSV, passed on as it comes: `COPY (...) TO STDOUT`.

In: a `Query` on a connection of psycopg 3. Out: pieces of CSV, joined to 64 KiB, and
how many rows they are. No value becomes a Python object, which is most of what a CSV
costs; so the text is PostgreSQL's (`t` and `f`, a line feed at a line's end).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from ..errors import ArgumentError
from .cancel import canceller
from .query import Query, is_psycopg

__all__ = ["Copy"]


class Copy:
    """Rows as PostgreSQL writes them.

    :ivar rows: how many were given so far.
    """

    def __init__(
        self,
        query: Query,
        *,
        delimiter: str = ",",
        header: bool = True,
        null: str = "",
        limit: int = 64 * 1024,
    ) -> None:
        if not is_psycopg(query.connection):
            raise ArgumentError(
                "copy=True needs a connection of psycopg 3, and this is one of"
                f" {type(query.connection).__module__}."
            )
        self.rows = 0
        self._query = query
        self._delimiter = delimiter
        self._header = header
        self._null = null
        self._limit = limit
        self._cancel: Callable[[], None] | None = canceller(query.connection)

    def _statement(self, cursor: Any) -> Any:
        from psycopg import sql

        inner = self._query.sql
        if isinstance(inner, str):
            inner = sql.SQL(inner.rstrip().rstrip(";"))
        return sql.SQL(
            "COPY ({}) TO STDOUT (FORMAT csv, HEADER {}, DELIMITER {}, NULL {})"
        ).format(
            inner,
            sql.SQL("true" if self._header else "false"),
            sql.Literal(self._delimiter),
            sql.Literal(self._null),
        )

    def pieces(self) -> Generator[bytes, None, None]:
        """Yield the CSV in pieces of about 64 KiB, the first one early."""
        query = self._query
        with query.connection.cursor() as cursor:
            copying = cursor.copy(self._statement(cursor), query.parameters)
            with copying as copy:
                parts: list[Any] = []
                size, limit = 0, 1024
                # psycopg gives one row at a time; the first may be the header.
                self.rows = -1 if self._header else 0
                for row in copy:
                    parts.append(row)
                    size += len(row)
                    self.rows += 1
                    if size >= limit:
                        yield b"".join(parts)
                        parts.clear()
                        size, limit = 0, self._limit
                if parts:
                    yield b"".join(parts)

    def cancel(self) -> None:
        """Stop the query, from another thread."""
        if self._cancel is not None:
            self._cancel()

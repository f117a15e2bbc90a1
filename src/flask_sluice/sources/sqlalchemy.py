"""Rows from SQLAlchemy 2: a `Select`, a `Result`, a legacy `Query`.

In: one of these, and where to run it: a session, a factory of sessions, an engine or a
connection. Out: a source that holds one batch: a server's cursor where the database
has them (`stream_results`, `yield_per`). What was opened here is closed here, and what
the view has brought stays the view's. The only module that imports SQLAlchemy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Result, inspect
from sqlalchemy.orm import Query, Session, scoped_session, sessionmaker
from sqlalchemy.sql import Executable

from ..errors import ArgumentError, ClientLeft
from .cancel import canceller
from .source import Names, Row

__all__ = ["Selected", "compiled", "selected"]

YIELD_PER = 1000  # rows that the database is asked for at a time

_NO_SESSION = (
    "stream_rows() can't tell where to run this query: give it session=, a session, a"
    " sessionmaker or an engine. (Flask-SQLAlchemy's is found by itself.)"
)


def selected(rows: object, session: Any) -> Selected | None:
    """Give a source for *rows* if SQLAlchemy made them; None if it didn't.

    :raises ArgumentError: a query without a session.
    """
    if isinstance(rows, Query):
        return Selected(rows.statement, rows.session)
    if isinstance(rows, Result):
        return Selected(rows, None)
    if isinstance(rows, Executable):
        if session is None:
            raise ArgumentError(_NO_SESSION)
        return Selected(rows, session)
    return None


class Selected:
    """Rows from SQLAlchemy."""

    count = None

    def __init__(self, statement: Any, session: Any) -> None:
        self._statement = statement
        self._session = session
        self._stack = contextlib.ExitStack()
        self._result: Any = None
        self._names: list[str] = []
        self._kinds: list[type | None] = []
        self._tuple: Callable[[Any], Row] = tuple
        self._stopped = False
        self._cancel: Callable[[], None] | None = None

    @property
    def names(self) -> Names:
        """The columns' names."""
        return self._names

    @property
    def kinds(self) -> Sequence[type | None]:
        """What SQLAlchemy's types say."""
        return self._kinds

    def open(self) -> None:
        """Run the query."""
        if isinstance(self._statement, Result):
            self._result = self._statement
            self._stack.callback(self._result.close)
            self._describe_result()
            return
        where = self._enter()
        # Sooner than the query, which may take its time before the first row.
        self._cancel = canceller(_driver_connection(where, self._statement))
        options = {"stream_results": True, "yield_per": YIELD_PER}
        self._result = where.execute(self._statement, execution_options=options)
        self._stack.callback(self._result.close)
        self._describe()

    def _enter(self) -> Session | Connection:
        where = self._session
        if isinstance(where, Engine):
            return self._stack.enter_context(where.connect())
        if isinstance(where, sessionmaker):
            made: Session = self._stack.enter_context(where())
            return made
        if isinstance(where, scoped_session):
            scoped: Session = where()
            return scoped
        if isinstance(where, (Session, Connection)):
            return where
        raise ArgumentError(_NO_SESSION)

    def _describe_result(self) -> None:
        self._names = [str(key) for key in self._result.keys()]  # noqa: SIM118
        self._kinds = [None] * len(self._names)
        if isinstance(self._result, CursorResult):
            return
        # A result of the ORM may hold objects; it says so of none of its columns.
        self._tuple = _Flat([None] * len(self._names), self._names, self._kinds)

    def _describe(self) -> None:
        described = getattr(self._statement, "column_descriptions", None)
        if described is None or isinstance(self._result, CursorResult):
            # text(), or a connection's: columns and no objects.
            self._describe_result()
            columns = getattr(self._statement, "selected_columns", ())
            if len(columns) == len(self._names):
                self._kinds = [_kind(column.type) for column in columns]
            return
        mappers = []
        names: list[str] = []
        kinds: list[type | None] = []
        for column, key in zip(described, self._result.keys(), strict=True):
            entity = column.get("entity")
            mapper = None
            if entity is not None and column["expr"] is entity:
                mapper = inspect(entity).mapper
                for attribute in mapper.column_attrs:
                    names.append(attribute.key)
                    kinds.append(_kind(attribute.columns[0].type))
            else:
                names.append(str(key))
                kinds.append(_kind(column["type"]))
            mappers.append(mapper)
        self._names, self._kinds = names, kinds
        if any(mappers):
            self._tuple = _Flat(mappers, names, kinds)

    def take(self, limit: int) -> list[Row]:
        """Give the next rows."""
        if self._stopped:
            raise ClientLeft("the export was cancelled")
        return list(map(self._tuple, self._result.fetchmany(limit)))

    def cancel(self) -> None:
        """Stop the query, where the driver can."""
        self._stopped = True
        if self._cancel is not None:
            self._cancel()

    def close(self) -> None:
        """Close what was opened here."""
        self._stack.close()


class _Flat:
    """Makes one tuple of a row that has objects of the ORM in it."""

    def __init__(
        self, mappers: list[Any], names: list[str], kinds: list[type | None]
    ) -> None:
        self._mappers = mappers
        self._names = names
        self._kinds = kinds
        self._looked = any(mappers)

    def __call__(self, row: Any) -> Row:
        if not self._looked:
            self._look(row)
        values: list[Any] = []
        for value, mapper in zip(row, self._mappers, strict=True):
            if mapper is None:
                values.append(value)
            else:
                values.extend(getattr(value, a.key, None) for a in mapper.column_attrs)
        return tuple(values)

    def _look(self, row: Any) -> None:
        # The first row of a result that somebody else asked for.
        self._looked = True
        names: list[str] = []
        for n, (value, name) in enumerate(zip(row, self._names, strict=True)):
            mapper = getattr(type(value), "__mapper__", None)
            self._mappers[n] = mapper
            names += [name] if mapper is None else [a.key for a in mapper.column_attrs]
        self._names[:] = names
        self._kinds[:] = [None] * len(names)


def _kind(column_type: Any) -> type | None:
    try:
        kind = column_type.python_type
    except NotImplementedError:
        return None
    return kind if isinstance(kind, type) else None


def _driver_connection(where: Session | Connection, statement: Any) -> Any:
    return _connection(where, statement).connection.driver_connection


def _connection(where: Session | Connection, statement: Any) -> Connection:
    # A session may have a database for each kind of object.
    if isinstance(where, Session):
        return where.connection(bind_arguments={"clause": statement})
    return where


def compiled(rows: Any, session: Any) -> tuple[Any, str, Any]:
    """Give the driver's connection, SQL and parameters of a query, for `copy`.

    :raises ArgumentError: it isn't a query, or there is no open session.
    """
    if isinstance(rows, Query):
        rows, session = rows.statement, rows.session
    if not isinstance(rows, Executable) or session is None:
        raise ArgumentError(_NO_SESSION)
    if isinstance(session, (Engine, sessionmaker)):
        raise ArgumentError("copy=True needs an open session or connection.")
    where = Selected(rows, session)._enter()
    made = rows.compile(_connection(where, rows).engine)  # type: ignore[attr-defined]
    return _driver_connection(where, rows), str(made), made.params

"""The queries of the Python apps: the same rows, read the same way, by all of them.

A connection for each request, closed by who opened it. The peers read batches of
1,000, which is many times quicker than psycopg's default of 100 for a cursor of the
server's, and as quick as any for SQLite.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg

from .data import COLUMNS, SQL

BATCH = 1000


def limited(count: int) -> str:
    """The query for so many rows."""
    return f"{SQL} LIMIT {count}"


def sqlite() -> sqlite3.Connection:
    """A connection; the thread that reads needn't be the one that opened it."""
    return sqlite3.connect(os.environ["BENCH_SQLITE"], check_same_thread=False)


def postgres() -> psycopg.Connection[Any]:
    """A connection; libpq finds the server by its variables."""
    return psycopg.connect("")


def fetched(cursor: Any) -> Iterator[Any]:
    """The rows of a cursor that has run its query."""
    while batch := cursor.fetchmany(BATCH):
        yield from batch


def rows(database: str, count: int) -> Iterator[Any]:
    """Header and rows, for whoever has no database layer of its own."""
    yield COLUMNS
    if database == "sqlite":
        with closing(sqlite()) as db:
            yield from fetched(db.execute(limited(count)))
    else:
        with postgres() as db, db.cursor("export") as cursor:
            cursor.execute(limited(count))
            yield from fetched(cursor)

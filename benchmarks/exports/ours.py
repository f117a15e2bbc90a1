"""Exports as the extension makes them: `stream_rows`, any format, from either database.

    /sqlite.csv?rows=1000      from SQLite; more rows than it has: the table again
    /postgres.csv?rows=1000    from PostgreSQL, by a cursor of the server's
    /memory.csv?rows=1000      from tuples that are there already
    /copy.csv                  as PostgreSQL writes it
    /receipt                   an id for `?receipt=`, and where its receipt will be

A connection for each request, closed when its contexts end, after the last row.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask, g, request
from flask.typing import ResponseReturnValue

from flask_sluice import Sluice, receipts, stream_rows
from flask_sluice.formats.csv import COMPILED
from flask_sluice.sources import Query

from . import sources
from .data import COLUMNS, ROWS, SQL

IN_MEMORY = 20_000

app = Flask(__name__)
Sluice(app)
app.register_blueprint(receipts.blueprint)


@app.teardown_appcontext
def _close(_: object) -> None:
    if "db" in g:
        g.db.close()


@cache
def _kept() -> list[Any]:
    with sources.sqlite() as db:
        return db.execute(sources.limited(IN_MEMORY)).fetchall()


@cache
def _tuples(count: int) -> list[Any]:
    times = -(-count // IN_MEMORY)
    return (_kept() * times)[:count]


def _sqlite(count: int) -> Query:
    g.db = sources.sqlite()
    if count <= ROWS:
        return Query(g.db, sources.limited(count))
    times = -(-count // ROWS)
    again = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
    selected = SQL.replace("FROM flights", "FROM n CROSS JOIN flights")
    return Query(g.db, f"{again} {selected} LIMIT ?", (times, count))


def _postgres(count: int) -> Query:
    g.db = sources.postgres()
    return Query(g.db, sources.limited(count))


SOURCES = {"sqlite": _sqlite, "postgres": _postgres, "memory": _tuples}


@app.get("/<source>.<suffix>")
def export(source: str, suffix: str) -> ResponseReturnValue:
    """The first rows of the table."""
    return stream_rows(
        SOURCES[source](int(request.args["rows"])),
        f"flights.{suffix}",
        columns=COLUMNS if source == "memory" else None,
        receipt=request.args.get("receipt"),
    )


@app.get("/copy.csv")
def copied() -> ResponseReturnValue:
    """The table, by PostgreSQL's own CSV."""
    return stream_rows(
        _postgres(int(request.args["rows"])), "flights.csv", copy=True, guard=False
    )


@app.get("/receipt")
def receipt() -> ResponseReturnValue:
    """An id, and the receipt's address."""
    made = receipts.new_receipt()
    return {"id": made, "url": receipts.receipt_url(made)}


@app.get("/compiled")
def compiled() -> ResponseReturnValue:
    """Whether the C encoder is what encodes here."""
    return {"compiled": COMPILED}


@app.get("/ping")
def ping() -> ResponseReturnValue:
    """Whether the server is there."""
    return "pong"

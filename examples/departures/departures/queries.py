"""The questions that the pages ask of the database.

A connection goes in, plain tuples come out; a list of flights comes in batches, so
that no page holds more than one of them. This module knows no Flask and no HTML.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

YEAR = 2013
FIRST_DAY = date(YEAR, 1, 1)
LAST_DAY = date(YEAR, 12, 31)

#: Rows that a list of flights holds in memory at a time: about 50 KB of HTML.
BATCH = 200


class Flight(NamedTuple):
    """A row of a list of flights, as it is shown."""

    time: str
    left_at: str
    flight: str
    airline: str
    origin: str
    dest: str
    place: str
    aircraft: str
    distance: int
    status: str
    mood: str


class Departure(NamedTuple):
    """A row of the airport board."""

    time: str
    flight: str
    origin: str
    dest: str
    place: str
    status: str
    mood: str


class Day(NamedTuple):
    """What a day of the year was like."""

    day: str
    flights: int
    cancelled: int
    late: int
    mean_delay: float
    worst_delay: int
    miles: int
    low: float | None
    high: float | None
    gust: float | None
    rain: float | None

    @property
    def date(self) -> date:
        """The day as a date."""
        return date.fromisoformat(self.day)

    @property
    def trouble(self) -> float:
        """The share of flights that were late or cancelled, 0 to 1."""
        return (self.late + self.cancelled) / self.flights


class Facts(NamedTuple):
    """Sums of the whole year."""

    flights: int
    places: int
    airlines: int
    aircraft: int
    miles: int
    cancelled: int


class WorstDelay(NamedTuple):
    """The flight that waited longest."""

    day: str
    flight: str
    airline: str
    origin: str
    place: str
    delay: int


def connect(path: Path) -> sqlite3.Connection:
    """Open the database to read.

    A streamed body may be read by another thread than the view's, one at a time, so
    SQLite's check for that is off.
    """
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False
    )


def columns(row: type[tuple[object, ...]]) -> str:
    """Return a row type's fields, to select them."""
    return ", ".join(row._fields)  # type: ignore[attr-defined]


def facts(db: sqlite3.Connection) -> Facts:
    """Return the sums of the year."""
    return Facts(*db.execute(f"SELECT {columns(Facts)} FROM facts").fetchone())


def days(db: sqlite3.Connection) -> list[Day]:
    """Return the 365 days in order."""
    return [Day(*row) for row in db.execute(f"SELECT {columns(Day)} FROM days")]


def day(db: sqlite3.Connection, iso: str) -> Day:
    """Return one day of the year."""
    query = f"SELECT {columns(Day)} FROM days WHERE day = ?"
    return Day(*db.execute(query, (iso,)).fetchone())


def flights(
    db: sqlite3.Connection, iso: str, batch: int = BATCH
) -> Iterator[list[Flight]]:
    """Yield a day's flights by scheduled time, a batch at a time."""
    cursor = db.execute(
        f"SELECT {columns(Flight)} FROM board WHERE day = ? ORDER BY scheduled", (iso,)
    )
    while rows := cursor.fetchmany(batch):
        yield list(map(Flight._make, rows))


def departures(
    db: sqlite3.Connection, iso: str, clock: int, count: int
) -> list[Departure]:
    """Return the next departures of a day from a time such as 1405 on."""
    rows = db.execute(
        f"SELECT {columns(Departure)} FROM board "
        "WHERE day = ? AND scheduled >= ? ORDER BY scheduled LIMIT ?",
        (iso, clock, count),
    )
    return list(map(Departure._make, rows))


def worst_delay(db: sqlite3.Connection) -> WorstDelay:
    """Return the longest delay of the year."""
    return WorstDelay(
        *db.execute(
            f"SELECT {columns(WorstDelay)} FROM board "
            "WHERE day = (SELECT day FROM days ORDER BY worst_delay DESC LIMIT 1) "
            "ORDER BY delay DESC LIMIT 1"
        ).fetchone()
    )


# --- exports -----------------------------------------------------------------


def carriers(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the airlines that flew: code and name."""
    return db.execute(
        "SELECT carrier, name FROM airlines WHERE carrier IN "
        "(SELECT DISTINCT carrier FROM flights) ORDER BY name"
    ).fetchall()


def count(db: sqlite3.Connection, where: str, values: list[str]) -> int:
    """Return how many flights meet a condition."""
    query = f"SELECT count(*) FROM flights WHERE {where}"
    number: int = db.execute(query, values).fetchone()[0]
    return number


def export(where: str) -> str:
    """Return the query for those flights, as a file has them."""
    return f"""
        SELECT day,
            day || printf(' %02d:%02d', scheduled / 100 % 24, scheduled % 100)
                AS leaves,
            delay, flights.carrier || ' ' || number AS flight,
            coalesce(airlines.name, flights.carrier) AS airline, origin, dest,
            coalesce(airports.name, dest) AS place,
            coalesce(planes.manufacturer || ' ' || planes.model, '') AS aircraft,
            distance,
            CASE WHEN departed IS NULL THEN 'cancelled'
                WHEN delay >= 15 THEN 'late' ELSE 'on time' END AS status
        FROM flights LEFT JOIN airlines USING (carrier)
            LEFT JOIN airports ON faa = dest LEFT JOIN planes USING (tailnum)
        WHERE {where} ORDER BY day, scheduled"""

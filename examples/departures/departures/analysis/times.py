"""When it was late: the year's sums, its hours, its longest waits."""

from __future__ import annotations

import sqlite3
from datetime import date
from typing import NamedTuple

from ..queries import Day, columns, days

#: Minutes from which a departure is late, as in schema.sql.
LATE = 15
#: Rows of the list.
WORST = 6

# --- in numbers: a millisecond -----------------------------------------------


class Numbers(NamedTuple):
    """A day or the year in a few sums."""

    flights: int
    on_time: float  # a share, 0 to 1
    cancelled: int
    mean_delay: float
    miles: int
    days: int
    rank: int | None  # among all days, 1 is the most troubled; None for the year
    worst_day: Day


def numbers(db: sqlite3.Connection, day: str | None) -> Numbers:
    """Return the sums of a day or of the year."""
    year = days(db)
    chosen = [each for each in year if day in {None, each.day}]
    flights = sum(each.flights for each in chosen)
    cancelled = sum(each.cancelled for each in chosen)
    late = sum(each.late for each in chosen)
    left = [each.flights - each.cancelled for each in chosen]
    delays = sum(each.mean_delay * n for each, n in zip(chosen, left, strict=True))
    return Numbers(
        flights,
        1 - (late + cancelled) / flights,
        cancelled,
        delays / sum(left),
        sum(each.miles for each in chosen),
        len(year),
        1 + sum(each.trouble > chosen[0].trouble for each in year) if day else None,
        max(year, key=lambda each: each.trouble),
    )


# --- the longest waits, and the day of the longest one -----------------------


class Wait(NamedTuple):
    """A flight that waited long."""

    day: str
    time: str
    flight: str
    airline: str
    origin: str
    place: str
    status: str
    delay: int

    @property
    def date(self) -> date:
        """Its day as a date."""
        return date.fromisoformat(self.day)


class Tick(NamedTuple):
    """A flight as a mark on a day's line."""

    minute: int  # after midnight
    delay: int  # none counts as 0
    mood: str


class OwnDay(NamedTuple):
    """What else happened on the day and at the airport of one flight."""

    wait: Wait
    ticks: list[Tick]
    late: int
    cancelled: int
    number_flights: int  # with the same number, all year
    number_on_time: int
    longer: int  # departures of the year that waited longer than this one


def waits(db: sqlite3.Connection, day: str | None) -> list[Wait]:
    """Return the longest delays of a day or of the year."""
    # The six longest of the year are on the six days with the longest one each.
    rows = db.execute(
        f"SELECT {columns(Wait)} FROM board "
        "WHERE day IN (SELECT day FROM days WHERE ? IN (day, '') "
        "              ORDER BY worst_delay DESC LIMIT ?) AND delay IS NOT NULL "
        "ORDER BY delay DESC, scheduled LIMIT ?",
        (day or "", WORST, WORST),
    )
    return list(map(Wait._make, rows))


def own_day(db: sqlite3.Connection, wait: Wait) -> OwnDay:
    """Return the day around one flight."""
    ticks = [
        Tick(*row)
        for row in db.execute(
            "SELECT scheduled / 100 * 60 + scheduled % 100, coalesce(delay, 0), mood "
            "FROM board WHERE day = ? AND origin = ? ORDER BY scheduled",
            (wait.day, wait.origin),
        )
    ]
    moods = [tick.mood for tick in ticks]
    carrier, number = wait.flight.split()
    return OwnDay(
        wait,
        ticks,
        moods.count("late") + moods.count("verylate"),
        moods.count("cancelled"),
        *db.execute(
            "SELECT count(*) FILTER (WHERE carrier = :carrier AND number = :number), "
            "count(*) FILTER (WHERE carrier = :carrier AND number = :number "
            "                 AND delay < :late), "
            "count(*) FILTER (WHERE delay > :delay) FROM flights",
            {
                "carrier": carrier,
                "number": int(number),
                "late": LATE,
                "delay": wait.delay,
            },
        ).fetchone(),
    )


# --- hours of the day: half a second -----------------------------------------


class Hour(NamedTuple):
    """Delays of an hour of the day: a quarter of the flights had less than `low`."""

    hour: int
    flights: int
    low: int
    median: int
    high: int
    tenth: int  # one flight in ten was at least this late
    that_day: int | None  # the median of the chosen day


#: A percentile is the least delay that at least such a share of flights stays within.
HOURS = """
    WITH ranked AS (
        SELECT
            scheduled / 100 AS hour,
            delay,
            cume_dist() OVER (PARTITION BY scheduled / 100 ORDER BY delay) AS share
        FROM flights
        WHERE delay IS NOT NULL AND :day IN (day, '')
    )
    SELECT
        hour,
        count(*),
        min(delay) FILTER (WHERE share >= 0.25),
        min(delay) FILTER (WHERE share >= 0.5),
        min(delay) FILTER (WHERE share >= 0.75),
        min(delay) FILTER (WHERE share >= 0.9)
    FROM ranked
    GROUP BY hour
"""


def hours(db: sqlite3.Connection, day: str | None) -> list[Hour]:
    """Return the delays of each hour over the year, and the day's median beside."""
    that_day = {}
    if day is not None:
        that_day = {row[0]: row[3] for row in db.execute(HOURS, {"day": day})}
    return [
        Hour._make((*row, that_day.get(row[0])))
        for row in db.execute(HOURS, {"day": ""})
    ]

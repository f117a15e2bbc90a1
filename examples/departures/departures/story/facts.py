"""What there is to say about a day: its numbers, from a few quick questions.

A connection goes in, a tuple comes out. This module knows no words.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from ..analysis import Numbers, numbers
from ..analysis.times import LATE
from ..queries import Day, day

#: Flights that an airline needs to be compared with others.
FEW = 20
GUST = 25  # miles an hour, as in analysis/causes.py
FREEZING = 34  # degrees Fahrenheit, the same


class Airport(NamedTuple):
    """One of the three."""

    origin: str
    flights: int
    late: int
    cancelled: int


class Hour(NamedTuple):
    """The hour with the most flights."""

    hour: int
    flights: int


class Airline(NamedTuple):
    """An airline that day."""

    name: str
    flights: int
    on_time: float  # a share, 0 to 1


class Trip(NamedTuple):
    """A flight worth a sentence."""

    flight: str
    airline: str
    origin: str
    place: str
    time: str
    left_at: str
    delay: int
    distance: int


class Causes(NamedTuple):
    """Late flights by the first of these that the data knows of."""

    late: int
    aircraft: int  # it had left late before on that day
    weather: int  # rain, snow or gusts in that hour at its airport
    neither: int


class Facts(NamedTuple):
    """All that is said."""

    day: Day
    numbers: Numbers
    airports: list[Airport]
    busiest: Hour
    airlines: list[Airline]  # the most punctual first
    causes: Causes
    worst: Trip
    farthest: Trip
    place: str  # where most flights went
    place_flights: int


TRIP = "flight, airline, origin, place, time, left_at, delay, distance"


def facts(db: sqlite3.Connection, iso: str) -> Facts:
    """Return what there is to say about a day."""

    def all_of(query: str) -> list[tuple[int | float | str, ...]]:
        values = {"day": iso, "late": LATE, "few": FEW}
        return db.execute(query, values).fetchall()

    def trip(order: str) -> Trip:
        (row,) = all_of(
            f"SELECT {TRIP} FROM board WHERE day = :day AND delay IS NOT NULL "
            f"ORDER BY {order} DESC, scheduled, flight LIMIT 1"
        )
        return Trip(*row)  # type: ignore[arg-type]

    airports = all_of(
        "SELECT origin, count(*), count(*) FILTER (WHERE delay >= :late), "
        "count(*) FILTER (WHERE departed IS NULL) FROM flights "
        "WHERE day = :day GROUP BY origin ORDER BY 2 DESC"
    )
    (busiest,) = all_of(
        "SELECT scheduled / 100, count(*) FROM flights WHERE day = :day "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1"
    )
    airlines = all_of(
        "SELECT airline, count(*), avg(mood = 'ontime') FROM board WHERE day = :day "
        "GROUP BY airline HAVING count(*) >= :few ORDER BY 3 DESC, 2 DESC"
    )
    ((place, place_flights),) = all_of(
        "SELECT place, count(*) FROM board WHERE day = :day GROUP BY dest "
        "ORDER BY 2 DESC, 1 LIMIT 1"
    )
    return Facts(
        day(db, iso),
        numbers(db, iso),
        [Airport(*row) for row in airports],  # type: ignore[arg-type]
        Hour(*busiest),  # type: ignore[arg-type]
        [Airline(*row) for row in airlines],  # type: ignore[arg-type]
        causes(db, iso),
        trip("delay"),
        trip("distance"),
        str(place),
        int(place_flights),
    )


def causes(db: sqlite3.Connection, iso: str) -> Causes:
    """Return why flights were late, as far as anybody can tell."""
    found = dict(
        db.execute(
            f"""
            WITH before AS (
                SELECT *, lag(delay) OVER (
                    PARTITION BY tailnum ORDER BY scheduled, number
                ) AS earlier
                FROM flights
                WHERE day = :day AND delay IS NOT NULL
            ), sky AS (
                SELECT origin, hour, max(
                    precip > 0 OR coalesce(wind_gust, 0) >= {GUST}
                ) AS bad
                FROM weather WHERE day = :day GROUP BY origin, hour
            )
            SELECT CASE
                WHEN tailnum IS NOT NULL AND earlier >= :late THEN 'aircraft'
                WHEN bad THEN 'weather'
                ELSE 'neither'
            END, count(*)
            FROM before LEFT JOIN sky
                ON sky.origin = before.origin AND hour = scheduled / 100
            WHERE delay >= :late
            GROUP BY 1
            """,
            {"day": iso, "late": LATE},
        )
    )
    kinds = [found.get(kind, 0) for kind in ("aircraft", "weather", "neither")]
    return Causes(sum(kinds), *kinds)

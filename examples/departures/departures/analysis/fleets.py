"""Who was late, and on the way to where: airlines, routes, aircraft."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from .times import LATE

#: Rows of the lists.
CARRIERS = 10
AIRCRAFT = 6
#: Flights that a route needs for a place among the best or worst ones.
REGULAR = 100

# --- airlines: a quarter of a second -----------------------------------------


class Carrier(NamedTuple):
    """How punctual an airline was; shares are of the flights it planned."""

    carrier: str
    name: str
    flights: int
    on_time: float
    months: list[float | None]
    that_day: float | None


def carriers(db: sqlite3.Connection, day: str | None) -> list[Carrier]:
    """Return the airlines with the most flights, the most punctual one first."""
    rows = db.execute(
        """
        SELECT carrier, name, CAST(substr(day, 6, 2) AS INTEGER) AS month,
            count(*), count(*) FILTER (WHERE delay < :late),
            count(*) FILTER (WHERE day = :day),
            count(*) FILTER (WHERE day = :day AND delay < :late)
        FROM flights JOIN airlines USING (carrier)
        GROUP BY carrier, month ORDER BY carrier
        """,
        {"day": day, "late": LATE},
    )
    found = []
    for (carrier, name), group in groupby(rows, itemgetter(0, 1)):
        months: list[float | None] = [None] * 12
        flights = on_time = day_flights = day_on_time = 0
        for _, _, month, planned, good, day_planned, day_good in group:
            months[month - 1] = good / planned
            flights += planned
            on_time += good
            day_flights += day_planned
            day_on_time += day_good
        that_day = day_on_time / day_flights if day_flights else None
        share = on_time / flights
        found.append(Carrier(carrier, name, flights, share, months, that_day))
    found.sort(key=lambda each: each.flights, reverse=True)
    return sorted(found[:CARRIERS], key=lambda each: each.on_time, reverse=True)


# --- routes: a third of a second, or minutes ---------------------------------


class Route(NamedTuple):
    """From an airport to a place."""

    origin: str
    dest: str
    place: str
    distance: int  # miles
    flights: int
    mean_delay: float | None  # None where none ever left
    that_day: int


#: How unlike each other two flights of a route are, for every two of them: more than
#: half a billion pairs, so this takes minutes, and nobody waits for it.
EVERY_TWO = """
    SELECT origin, dest, avg(abs(one.delay - other.delay))
    FROM flights AS one JOIN flights AS other USING (origin, dest)
    WHERE one.rowid < other.rowid
    GROUP BY origin, dest
"""


def routes(
    db: sqlite3.Connection, day: str | None, every_two: bool = False
) -> list[Route]:
    """Return the routes, the shortest first."""
    if every_two:
        db.execute(EVERY_TWO).fetchall()
    rows = db.execute(
        """
        SELECT origin, dest, coalesce(name, dest), distance, flights, mean, that_day
        FROM (
            SELECT origin, dest, max(distance) AS distance, count(*) AS flights,
                avg(delay) AS mean, count(*) FILTER (WHERE day = :day) AS that_day
            FROM flights GROUP BY origin, dest
        ) LEFT JOIN airports ON faa = dest
        ORDER BY distance, origin
        """,
        {"day": day},
    )
    return list(map(Route._make, rows))


def notable(found: list[Route]) -> list[tuple[str, Route]]:
    """Choose the routes that are worth a line, each with its reason."""
    regular = [
        (route.mean_delay, route)
        for route in found
        if route.mean_delay is not None and route.flights >= REGULAR
    ]
    return [
        ("Shortest", min(found, key=lambda route: route.distance)),
        ("Longest", max(found, key=lambda route: route.distance)),
        ("Busiest", max(found, key=lambda route: route.flights)),
        ("Latest", max(regular)[1]),
        ("Earliest", min(regular)[1]),
    ]


# --- aircraft: more than a second --------------------------------------------


class Leg(NamedTuple):
    """A day of an aircraft."""

    date: date
    miles: int
    late: bool


class Aircraft(NamedTuple):
    """One aircraft and its way through the year, as New York saw it."""

    tailnum: str
    airline: str
    departures: int
    miles: int
    places: int
    longest_pause: int  # days between two departures
    legs: list[Leg]


def aircraft(db: sqlite3.Connection, day: str | None) -> list[Aircraft]:
    """Return the aircraft that left most often, of those that flew on the day."""
    rows = db.execute(
        """
        WITH hops AS (
            SELECT tailnum, carrier, day, dest, distance,
                julianday(day) - julianday(lag(day) OVER (
                    PARTITION BY tailnum ORDER BY day, scheduled
                )) AS pause
            FROM flights
            WHERE tailnum IS NOT NULL AND departed IS NOT NULL
        ), seen AS (
            SELECT tailnum, max(carrier) AS carrier, count(*) AS departures,
                sum(distance) AS miles, count(DISTINCT dest) AS places,
                coalesce(max(pause), 0) AS pause
            FROM hops GROUP BY tailnum
            HAVING :day IS NULL OR sum(day = :day)
        )
        SELECT tailnum, name, departures, miles, places, CAST(pause AS INTEGER)
        FROM seen JOIN airlines USING (carrier)
        ORDER BY departures DESC, tailnum LIMIT :most
        """,
        {"day": day, "most": AIRCRAFT},
    ).fetchall()
    marks = ", ".join("?" * len(rows))
    legs: defaultdict[str, list[Leg]] = defaultdict(list)
    for tailnum, iso, miles, delay in db.execute(
        "SELECT tailnum, day, sum(distance), max(delay) FROM flights "
        f"WHERE departed IS NOT NULL AND tailnum IN ({marks}) "
        "GROUP BY tailnum, day ORDER BY tailnum, day",
        [row[0] for row in rows],
    ):
        legs[tailnum].append(Leg(date.fromisoformat(iso), miles, delay >= LATE))
    return [Aircraft._make((*row, legs[row[0]])) for row in rows]

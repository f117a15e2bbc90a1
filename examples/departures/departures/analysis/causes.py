"""Why it was late: the weather, and the aircraft that was late before."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from .times import LATE

# --- weather: half a second --------------------------------------------------


class Weather(NamedTuple):
    """Flights planned for an hour of such weather at their airport."""

    kind: str
    flights: int
    late: float
    cancelled: float
    mean_delay: float
    that_day: int


#: The kinds from good to bad, as CASE chooses them; inches, miles an hour, Fahrenheit.
WEATHER = {
    "Dry and calm": "precip = 0 AND coalesce(wind_gust, 0) < 25",
    "Dry with gusts": "precip = 0",
    "Rain": "precip < 0.1 AND temp > 34",
    "Heavy rain": "temp > 34",
    "Snow or ice": "precip > 0 AND temp <= 34",
}


def weather(
    db: sqlite3.Connection, day: str | None, table: str = "weather"
) -> list[Weather]:
    """Return delays by the weather in the hour of departure."""
    kinds = " ".join(
        f"WHEN {test} THEN {place}" for place, test in enumerate(WEATHER.values())
    )
    rows = db.execute(
        f"""
        SELECT CASE {kinds} END AS kind,
            count(*), avg(delay IS NOT NULL AND delay >= :late),
            avg(departed IS NULL), avg(delay), count(*) FILTER (WHERE day = :day)
        FROM flights JOIN (
            SELECT origin, day, hour, temp, wind_gust, precip FROM {table}
        ) AS sky USING (origin, day)
        WHERE sky.hour = scheduled / 100 AND kind IS NOT NULL
        GROUP BY kind ORDER BY kind
        """,
        {"day": day, "late": LATE},
    )
    names = list(WEATHER)
    return [Weather(names[kind], *rest) for kind, *rest in rows]


# --- one late departure after another: two thirds of a second ----------------


class Ripple(NamedTuple):
    """What became of an aircraft's next departure on the same day."""

    before: str
    pairs: int
    late: float
    mean_delay: float
    that_day: int


#: How late the departure before was, and the least delay of the next kind.
RIPPLES = (
    ("Left on time", LATE),
    ("Up to an hour late", 60),
    ("One to two hours late", 120),
    ("Over two hours late", 10_000),
)


def ripples(db: sqlite3.Connection, day: str | None) -> list[Ripple]:
    """Return how late aircraft left again that had left New York late before."""
    kinds = " ".join(
        f"WHEN before < {limit} THEN {place}"
        for place, (_, limit) in enumerate(RIPPLES)
    )
    rows = db.execute(
        f"""
        WITH pairs AS (
            SELECT day, delay, lag(delay) OVER (
                PARTITION BY tailnum, day ORDER BY scheduled, number
            ) AS before
            FROM flights
            WHERE tailnum IS NOT NULL AND delay IS NOT NULL
        )
        SELECT CASE {kinds} END AS kind,
            count(*), avg(delay >= :late), avg(delay),
            count(*) FILTER (WHERE day = :day)
        FROM pairs WHERE before IS NOT NULL
        GROUP BY kind ORDER BY kind
        """,
        {"day": day, "late": LATE},
    )
    return [Ripple(RIPPLES[kind][0], *rest) for kind, *rest in rows]

"""A day's flights in the air: which they are at a minute, and where.

In: the database and a day. Out: a `Sky`, to be asked by the minute since that day's
midnight in New York. The day runs on past midnight, until nearly all have landed, and
whoever left the evening before is still in the air when it begins.

A flight is in the air from its departure for as long as the source says that it flew,
at an even speed along the great circle. What the source doesn't know isn't invented:
the few that never got to where they went have no time in the air, and aren't shown.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from .globe import Place, way

#: The radar's day begins and ends here: minutes since midnight.
FIRST, LAST = 6 * 60, 26 * 60
DAY = 24 * 60
MOODS = ("ontime", "late", "verylate")
#: Days whose flights may be in the air on a day: the longest delay was 22 hours, the
#: longest flight 12. A few leave before the midnight of the day that they belong to.
NEAR = (-2, -1, 0, 1)


@dataclass(frozen=True, slots=True)
class Flight:
    """A flight that left, and arrived where it was meant to.

    :ivar left: when, in minutes since the shown day's midnight.
    :ivar lands: when it is there.
    :ivar mood: one of MOODS.
    """

    code: str
    origin: str
    dest: str
    left: int
    lands: int
    mood: str

    def share(self, minute: float) -> float | None:
        """Tell how much of its way is behind it, 0 to 1; None if it isn't in the air.

        Where it lands it has arrived, so 1 is its last moment.
        """
        if not self.left <= minute <= self.lands:
            return None
        return (minute - self.left) / (self.lands - self.left)


class Sky:
    """The flights of a day, in the order in which they left."""

    def __init__(
        self, day: date, flights: Iterable[Flight], places: dict[str, Place]
    ) -> None:
        self.day = day
        self.places = places
        self.flights = sorted(flights, key=lambda flight: flight.left)
        self._lefts = [flight.left for flight in self.flights]
        self._landings = sorted(self.flights, key=lambda flight: flight.lands)
        self._lands = [flight.lands for flight in self._landings]

    def up(self, minute: float) -> list[Flight]:
        """Give those in the air, the newest last."""
        gone = self.flights[: bisect_right(self._lefts, minute)]
        return [flight for flight in gone if minute < flight.lands]

    def just_left(self, minute: float, count: int) -> list[Flight]:
        """Give the newest departures, the newest first."""
        end = bisect_right(self._lefts, minute)
        return self.flights[max(0, end - count) : end][::-1]

    def just_landed(self, minute: float, age: float) -> list[Flight]:
        """Give those that landed less than *age* minutes ago."""
        began = bisect_right(self._lands, minute - age)
        return self._landings[began : bisect_right(self._lands, minute)]

    def landed(self, minute: float) -> int:
        """Count those that have arrived."""
        return bisect_right(self._lands, minute)

    def to_come(self, minute: float) -> int:
        """Count those that haven't left yet."""
        return len(self.flights) - bisect_right(self._lefts, minute)

    def place(self, flight: Flight, minute: float) -> Place | None:
        """Tell where a flight is; None if it isn't in the air."""
        share = flight.share(minute)
        if share is None:
            return None
        return way(self.places[flight.origin], self.places[flight.dest])(share)

    def counts(self, step: int = 5) -> list[tuple[int, ...]]:
        """Count those in the air by mood, every few minutes of the day."""
        found = []
        for minute in range(FIRST, LAST + 1, step):
            moods = [flight.mood for flight in self.up(minute)]
            found.append(tuple(map(moods.count, MOODS)))
        return found


def places(db: sqlite3.Connection) -> dict[str, Place]:
    """Return where every airport is."""
    rows = db.execute("SELECT faa, lat, lon FROM airports")
    return {faa: Place(lat, lon) for faa, lat, lon in rows}


def routes(db: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Return the year's routes with their flights, the rarest first."""
    return db.execute(
        "SELECT origin, dest, count(air_time) AS flown FROM flights "
        "GROUP BY origin, dest HAVING flown ORDER BY flown"
    ).fetchall()


def count_up(db: sqlite3.Connection, day: date, minute: int) -> int:
    """Count the flights in the air at a minute since a day's midnight."""
    found: int = db.execute(
        "SELECT count(*) FROM board, "
        "(SELECT ? + 1440 * (julianday(?) - julianday(day)) AS at, day FROM days "
        "WHERE day BETWEEN date(?, '-2 days') AND date(?, '1 day')) AS near "
        "WHERE board.day = near.day "
        "AND left_minute <= at AND at < left_minute + air_time",
        (minute, *[day.isoformat()] * 3),
    ).fetchone()[0]
    return found


def sky(db: sqlite3.Connection, day: date, where: dict[str, Place]) -> Sky:
    """Return a day's flights, with those of the days around it that meet it."""
    found = []
    for near in NEAR:
        rows = db.execute(
            "SELECT flight, origin, dest, left_minute, air_time, mood FROM board "
            "WHERE day = ? AND air_time IS NOT NULL",
            ((day + timedelta(days=near)).isoformat(),),
        )
        for flight, origin, dest, minute, flown, mood in rows:
            left = near * DAY + minute
            if left + flown > FIRST and left < LAST:
                found.append(Flight(flight, origin, dest, left, left + flown, mood))
    return Sky(day, found, where)

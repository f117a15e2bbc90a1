"""What an airport board in New York would show now, had 2013 come again.

The time of day goes in, real departures of the same calendar day of 2013 come out: as
rows for a page, or as one line of text for each tick. There is about one departure a
minute, and the ticker says one line a second, so it goes round the next few.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .queries import LAST_DAY, YEAR, Departure, connect, departures

#: Departures on the board at a time.
ROWS = 12

Clock = Callable[[], datetime]


def new_york() -> datetime:
    """Return the time in New York, or the machine's where it knows no time zones."""
    try:
        return datetime.now(ZoneInfo("America/New_York"))
    except ZoneInfoNotFoundError:
        return datetime.now().astimezone()


def same_day(now: date) -> date:
    """Return the day of 2013 with the same name; 29 February is the 28th."""
    try:
        return date(YEAR, now.month, now.day)
    except ValueError:
        return date(YEAR, 2, 28)


def following(day: date) -> date:
    """Return the next day of 2013, which begins again after its last one."""
    return date(YEAR, 1, 1) if day >= LAST_DAY else day + timedelta(days=1)


class Board:
    """The board of one database; any thread may ask it."""

    def __init__(self, database: Path, clock: Clock = new_york) -> None:
        self.database = database
        self.clock = clock
        self._shown: tuple[tuple[date, int], list[Departure]] | None = None

    def rows(self) -> list[Departure]:
        """Return the next departures; the database is asked once a minute."""
        now = self.clock()
        key = (same_day(now.date()), now.hour * 100 + now.minute)
        shown = self._shown
        if shown is None or shown[0] != key:
            # Two threads may both do this; they find the same rows.
            self._shown = shown = (key, self._ask(*key))
        return shown[1]

    def _ask(self, day: date, clock: int) -> list[Departure]:
        with closing(connect(self.database)) as db:
            rows = departures(db, day.isoformat(), clock, ROWS)
            if len(rows) < ROWS:
                # Late in the evening the board goes on with tomorrow's first flights.
                tomorrow = following(day).isoformat()
                rows += departures(db, tomorrow, 0, ROWS - len(rows))
        return rows

    def line(self, tick: int) -> str:
        """Return the ticker's line for a tick."""
        rows = self.rows()
        return line(rows[tick % len(rows)])


def line(row: Departure) -> str:
    r"""Write a departure as a line; two spaces or more stand between its columns.

    >>> line(Departure("14:05", "B6 413", "JFK", "FLL", "Fort Lauderdale", "on time",
    ...                "ontime"))
    '14:05  B6 413   JFK -> FLL  Fort Lauderdale                       on time\n'
    """
    return (
        f"{row.time}  {row.flight:<7}  {row.origin} -> {row.dest}  "
        f"{row.place:<36}  {row.status}\n"
    )

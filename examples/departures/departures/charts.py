"""Numbers to lines: the geometry of the dashboard's charts.

Rows of the analysis go in, the ``d`` of SVG paths comes out, in the units of the
chart's own box. A box is stretched to the room that its card has, so whatever must
not be stretched (text, the width of a line, the shape of a dot) is left to the page.
This module knows no colour and no HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from .analysis import Aircraft, Hour, OwnDay, Route

Point = tuple[float, float]

#: Each chart's box: width, height.
HOURS = (190, 120)
ROUTES = (520, 40)
OWN_DAY = (1440 - 300, 100)
YEAR = (365, 24)
SPARK = (110, 20)


class Scale(NamedTuple):
    """From a range of values to a range of the box; what lies outside is put in."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (min(max(value, self.low), self.high) - self.low) / (
            self.high - self.low
        )
        return self.start + share * (self.end - self.start)


#: Minutes of delay, upwards: four bands of 30 with 90, 60, 30 and 0 in their middles.
DELAY = Scale(-15, 105, HOURS[1], 0)
#: The same for routes: 30, 20, 10 and 0.
MEAN = Scale(-5, 35, ROUTES[1], 0)
MILES = Scale(0, 5200, 0, ROUTES[0])
FIRST_HOUR = 5


def number(value: float) -> str:
    """Write a coordinate with as few digits as it needs."""
    return f"{value:.1f}".removesuffix(".0")


def line(points: Iterable[Point]) -> str:
    """Return a path through the points."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def hour_points(rows: Iterable[Hour], field: str) -> list[Point]:
    """Return one of an hour's delays as points, where there is one."""
    return [
        ((row.hour - FIRST_HOUR) * 10 + 5, DELAY(value))
        for row in rows
        if (value := getattr(row, field)) is not None
    ]


def hour_line(rows: Sequence[Hour], field: str) -> str:
    """Return one of an hour's delays as a line."""
    return line(hour_points(rows, field))


def hour_dots(rows: Sequence[Hour], field: str) -> str:
    """Return the same as dots: lines of no length, which round ends make visible."""
    points = hour_points(rows, field)
    return "".join(f"M{number(x)} {number(y)}h0" for x, y in points)


def hour_band(rows: Sequence[Hour]) -> str:
    """Return the area that holds half of an hour's flights."""
    back = reversed(hour_points(rows, "low"))
    return line([*hour_points(rows, "high"), *back]) + "Z"


def route_dot(route: Route) -> str:
    """Return a route's place between near and far, early and late."""
    x, y = MILES(route.distance), MEAN(route.mean_delay or 0)
    return f"M{number(x)} {number(y)}h0"


def own_day_bars(own: OwnDay, *moods: str) -> str:
    """Return the flights of such moods as bars, by time and delay."""
    # A few wait for hours and most for minutes: the square root shows both.
    scale = Scale(0, max(own.wait.delay, 1) ** 0.5, 4, OWN_DAY[1])

    def height(delay: int) -> str:
        return number(scale(max(delay, 0) ** 0.5))

    return "".join(
        f"M{tick.minute - 300} {OWN_DAY[1]}v-{height(tick.delay)}"
        for tick in own.ticks
        if tick.mood in moods
    )


def year_bars(seen: Aircraft, late: bool) -> str:
    """Return the days of an aircraft as bars of so many miles."""
    most = max(leg.miles for leg in seen.legs)
    height = Scale(0, most, 0, YEAR[1])
    return "".join(
        f"M{day_of_year(leg.date) - 0.5} {YEAR[1]}v-{number(height(leg.miles))}"
        for leg in seen.legs
        if leg.late is late
    )


def day_of_year(day: date) -> int:
    """Return 1 to 365."""
    return day.timetuple().tm_yday


def month_starts(year: int) -> list[int]:
    """Return where the months begin in a year's box."""
    return [day_of_year(date(year, month, 1)) - 1 for month in range(1, 13)]


def spark(months: Sequence[float | None]) -> str:
    """Return a share's way through the months, between half and all."""
    scale = Scale(0.5, 1.0, SPARK[1], 0)
    points = [
        (month * 10, scale(share))
        for month, share in enumerate(months)
        if share is not None
    ]
    return line(points)

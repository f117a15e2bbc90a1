"""The home page: the board, the year at a glance, and the way to everything else."""

from __future__ import annotations

from flask import Blueprint, render_template

from ..queries import Day, days, facts, worst_delay
from ..state import get_db, state

bp = Blueprint("home", __name__)

#: Shares of late or cancelled flights at which the calendar's colour changes.
STEPS = (0.1, 0.2, 0.3, 0.45)
#: Departures on the home page's board.
ROWS = 6


def heat(day: Day) -> int:
    """Return a day's colour, 0 to 4."""
    return sum(day.trouble >= step for step in STEPS)


def cell(day: Day) -> tuple[int, int]:
    """Return a day's column and row in the calendar; weeks begin on Monday."""
    first = day.date.replace(month=1, day=1)
    past = day.date.timetuple().tm_yday - 1 + first.weekday()
    return divmod(past, 7)


@bp.get("/")
def index() -> str:
    """Show the home page."""
    db = get_db()
    year = days(db)
    return render_template(
        "home.html",
        now=state().board.clock(),
        rows=state().board.rows()[:ROWS],
        facts=facts(db),
        days=year,
        cell=cell,
        heat=heat,
        steps=STEPS,
        busiest=max(year, key=lambda day: day.flights),
        worst=max(year, key=lambda day: day.cancelled / day.flights),
        longest=worst_delay(db),
    )

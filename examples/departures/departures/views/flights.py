"""Flights as a streamed table: of one day, or all 336,776 of them.

The page's head and navigation leave before the first flight has been read, and rows
follow a batch at a time, so memory is the same for a day and for the year.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from flask import (
    Blueprint,
    abort,
    get_template_attribute,
    render_template,
    request,
)

from flask_sluice import StreamedResponse, stream

from .. import queries
from ..board import same_day
from ..queries import FIRST_DAY, LAST_DAY, YEAR, Day
from ..state import get_db, state

bp = Blueprint("flights", __name__)

ALL = "all"
#: Where the rows belong in the page's template.
GAP = "<!-- rows -->"
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@bp.get("/flights")
def table() -> StreamedResponse:
    """Stream the page for ``?day=2013-07-04`` or ``?day=all``; today by default."""
    asked = request.args.get("day")
    if asked == ALL:
        return stream(page(None, queries.days(get_db())))
    day = chosen_day(asked)
    return stream(page(day, [queries.day(get_db(), day.isoformat())]))


def chosen_day(asked: str | None) -> date:
    """Return the day that the address asks for, or answer 400."""
    if asked is None:
        return same_day(state().board.clock().date())
    try:
        if not ISO_DATE.fullmatch(asked):
            raise ValueError
        day = date.fromisoformat(asked)
    except ValueError:
        abort(400, f"“{asked[:40]}” is no day: write it like {YEAR}-07-04, or “all”.")
    if not FIRST_DAY <= day <= LAST_DAY:
        abort(400, f"All flights here left in {YEAR}: choose a day of that year.")
    return day


def page(day: date | None, days: list[Day]) -> Iterator[str]:
    """Yield the page's head, its rows a batch at a time, and its end."""
    html = render_template(
        "flights.html",
        day=day,
        summary=days[0] if day else None,
        before=neighbour(day, -1),
        after=neighbour(day, +1),
        total=sum(each.flights for each in days),
    )
    head, _, tail = html.partition(GAP)
    yield head  # the first thing yielded is the first thing sent

    begin = get_template_attribute("flights_rows.html", "begin")
    rows = get_template_attribute("flights_rows.html", "rows")
    end = get_template_attribute("flights_rows.html", "end")
    count = 0
    for each in days:
        yield begin(each, titled=day is None)
        for batch in queries.flights(get_db(), each.day):
            yield rows(batch)
            count += len(batch)
        yield end()

    yield get_template_attribute("flights_rows.html", "total")(count, day)
    yield tail


def neighbour(day: date | None, step: int) -> date | None:
    """Return the day before or after, if it is one of the year's."""
    if day is None:
        return None
    near = day + timedelta(days=step)
    return near if FIRST_DAY <= near <= LAST_DAY else None

"""The dashboard: eight questions to a year of flights, each shown when it is answered.

``/dashboard`` is streamed with ``stream_page``: the whole page is there at once, and
each card is filled as soon as its query is done. ``/dashboard/plain`` is the same
template with the same deferred queries through ``render_template``, which waits for
the last of them. ``/dashboard/both`` shows the two loading side by side.

The queries are real and so is their slowness: nothing here sleeps, unless the address
asks for it with ``pace``.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, current_app, render_template, request

from flask_sluice import Sluice, StreamedResponse, defer, stream_page

from .. import analysis, charts, pages, queries
from ..analysis import OwnDay, Wait
from ..state import get_db
from .flights import ALL, chosen_day, neighbour

bp = Blueprint("dashboard", __name__)

Query = Callable[[sqlite3.Connection, str | None], Any]

#: The cards in the order of the page, each with what it asks.
CARDS: dict[str, Query] = {
    "numbers": analysis.numbers,
    "hours": analysis.hours,
    "worst": analysis.waits,
    "carriers": analysis.carriers,
    "weather": analysis.weather,
    "routes": analysis.routes,
    "ripples": analysis.ripples,
    "aircraft": analysis.aircraft,
}
#: What `fail` and `slow` put in their place: a table that isn't there, and a question
#: that takes minutes.
FAILING: dict[str, Query] = {"weather": partial(analysis.weather, table="weather_2014")}
SLOW: dict[str, Query] = {"routes": partial(analysis.routes, every_two=True)}
#: Seconds that the card with the routes may take, if DASHBOARD_PATIENCE doesn't say,
#: and the one that takes too long.
PATIENCE = 20.0
SHORT_PATIENCE = 3.0
#: Milliseconds of artificial delay that each card may have more than the one before.
MOST_PACE = 2000
#: Those that are offered.
PACES = (0, 200, 500, 1000)

DIGITS = re.compile(r"[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one request asks for."""

    day: date | None
    fail: str | None
    slow: str | None
    pace: int

    @property
    def iso(self) -> str | None:
        """The day as the database writes it."""
        return self.day.isoformat() if self.day else None

    def query(self, card: str) -> Query:
        """Return what a card asks, this time."""
        if card == self.fail:
            return FAILING[card]
        return SLOW[card] if card == self.slow else CARDS[card]

    def arguments(self, **changes: object) -> dict[str, object]:
        """Return what an address needs to ask for the same, but for some changes."""
        own = {
            "day": self.iso,
            "fail": self.fail,
            "slow": self.slow,
            "pace": self.pace or None,
        }
        return own | changes


class Answer(NamedTuple):
    """What a query found, and how long it took."""

    found: Any
    milliseconds: int


class Worst(NamedTuple):
    """The longest waits, and what is still being asked about the first of them."""

    waits: list[Wait]
    own_day: object  # deferred


@bp.get("/dashboard")
def page() -> StreamedResponse:
    """Show the page at once and fill its cards one by one."""
    return stream_page("dashboard.html", **context("dashboard.page"))


@bp.get("/dashboard/plain")
def plain() -> str:
    """Show the same page when all of it is there."""
    return render_template("dashboard.html", **context("dashboard.plain"))


@bp.get("/dashboard/both")
def both() -> str:
    """Show both of them, loading side by side."""
    wanted = asked()
    return render_template(
        "dashboard_both.html",
        wanted=wanted,
        paces=sorted({*PACES, wanted.pace}),
        cards=len(CARDS) + 1,  # one of them has another one in it
    )


@bp.after_request
def set_policy(response: Response) -> Response:
    """Let these pages stand in a frame of this app, and run its nonce."""
    pages.set_policy(response, frame_ancestors="'self'")
    return response


# --- what is asked for ---------------------------------------------------------


def asked() -> Wanted:
    """Read the address, or answer 400."""
    day = request.args.get("day")
    return Wanted(
        day=None if day in {None, ALL} else chosen_day(day),
        fail=one_of("fail", FAILING),
        slow=one_of("slow", SLOW),
        pace=pace(),
    )


def one_of(name: str, cards: dict[str, Query]) -> str | None:
    """Return a parameter that names one of the cards, if it is given."""
    given = request.args.get(name)
    if given is not None and given not in cards:
        abort(400, f"“{name}” takes {' or '.join(cards)}, not “{given[:40]}”.")
    return given


def pace() -> int:
    """Return the milliseconds of artificial delay."""
    given = request.args.get("pace", "0")
    if not DIGITS.fullmatch(given) or int(given) > MOST_PACE:
        abort(400, f"“pace” must be a whole number from 0 to {MOST_PACE:,}.")
    return int(given)


def context(endpoint: str) -> dict[str, Any]:
    """Start all queries, and return what the template needs."""
    wanted = asked()
    bare = request.args.get("bare") == "1"
    patience = SHORT_PATIENCE
    if wanted.slow is None:
        patience = current_app.config.get("DASHBOARD_PATIENCE", PATIENCE)
    jobs: dict[str, object] = {}
    for place, card in enumerate(CARDS):
        pause = place * wanted.pace / 1000
        job = worst if card == "worst" else answer
        timeout = patience + pause if card == "routes" else None
        jobs[card] = defer(job, wanted.query(card), wanted.iso, pause, timeout=timeout)
    return {
        **jobs,
        "wanted": wanted,
        "total": queries.facts(get_db()).flights,
        "endpoint": endpoint,
        "layout": "bare.html" if bare else "base.html",
        "bare": bare,
        "patience": patience,
        "before": neighbour(wanted.day, -1),
        "after": neighbour(wanted.day, +1),
        "charts": charts,
        "notable": analysis.notable,
    }


# --- the deferred functions ------------------------------------------------------
# Each runs beside the view, in an app context and with a connection of its own.


def answer(query: Callable[..., Any], about: object, pause: float = 0.0) -> Answer:
    """Ask one question; stop asking when nobody waits for the answer any more."""
    sluice: Sluice = current_app.extensions["sluice"]
    if pause:
        over = threading.Event()
        sluice.on_leave(over.set)
        over.wait(pause)
    db = get_db()
    sluice.on_leave(db.interrupt)
    began = perf_counter()
    found = query(db, about)
    return Answer(found, round((perf_counter() - began) * 1000))


def worst(query: Query, day: str | None, pause: float) -> Answer:
    """Find the longest waits, and start asking about the first one's own day."""
    waits, milliseconds = answer(query, day, pause)
    more: Callable[[sqlite3.Connection, Wait], OwnDay] = analysis.own_day
    return Answer(Worst(waits, defer(answer, more, waits[0])), milliseconds)

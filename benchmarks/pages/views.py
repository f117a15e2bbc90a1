"""Views of the page in a browser: when each slot was visible, and how late that is.

Every contender serves both orders of the page; a round visits all of them once, in an
order drawn anew. A slot is ready its own time after the server began with the request,
which the server says in a header. Counting from the first byte instead would flatter
whoever is slow to send it; the tables have that figure too, for comparison.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from ..browser import Visit
from ..report import Goal, Samples, Table
from ..rounds import shuffled
from .contenders import CONTENDERS, FALLBACK, MARKO, NATIVE, Cast, Contender
from .plan import ready_times, slots_of

ORDERS = {"asc": "quickest slot first", "desc": "slowest slot first"}
PAGE = "bench"
READY = dict(ready_times(slots_of(PAGE)))
SLOWEST = max(READY.values())

VISIBLE_GOAL_MS = 26
LOAD_GOAL_MS = 25
NOISE_MS = 17
"""One frame: what is seen is counted in frames."""

Key = tuple[str, str]
"""A contender's name and an order."""


@dataclass
class View:
    """One visit, with its times counted from when the server began."""

    visit: Visit

    def at(self, slot: str) -> float:
        """When a slot was visible; never is infinite."""
        return self.visit.seen.get(slot, math.inf) - self.visit.started

    @property
    def first_byte(self) -> float:
        """When the first byte came."""
        return self.visit.first_byte - self.visit.started

    @property
    def loaded(self) -> float:
        """When the page was over."""
        return self.visit.loaded - self.visit.started

    def late(self, slot: str) -> float:
        """How long after it was ready."""
        return self.at(slot) - READY[slot]

    def lates(self) -> list[float]:
        """All slots."""
        return [self.late(slot) for slot in READY]


def _ids(order: str) -> list[str]:
    return [slot for slot, _ in ready_times(slots_of(PAGE, order))]


def _view(cast: Cast, who: Contender, order: str) -> View:
    url = cast.url(who, page=PAGE, order=order)
    return View(cast.browser(who).visit(url, _ids(order)))


@dataclass
class Views:
    """All visits of all rounds."""

    views: dict[Key, list[View]]

    def figure(self, name: str, order: str, figure: Callable[[View], float]) -> Samples:
        """One figure of a contender's visits."""
        return Samples(figure(view) for view in self.views[name, order])

    def late(self, name: str, order: str) -> Samples:
        """The middle slot's lateness."""
        return self.figure(name, order, lambda v: statistics.median(v.lates()))

    def late_from_first_byte(self, name: str, order: str) -> Samples:
        """The same, had the work begun with the first byte."""
        return self.figure(
            name, order, lambda v: statistics.median(v.lates()) - v.first_byte
        )

    def load(self, name: str, order: str) -> Samples:
        """How long after its slowest slot a page is over."""
        return self.figure(name, order, lambda v: v.loaded - SLOWEST)

    def seen(self, name: str, order: str, slot: str) -> Samples:
        """When a slot was visible."""
        return self.figure(name, order, lambda v: v.at(slot))

    def behind(self, name: str, other: str, order: str) -> dict[str, Samples]:
        """How much later than another's each slot was visible, round by round."""
        mine, theirs = self.views[name, order], self.views[other, order]
        return {
            slot: Samples(
                a.at(slot) - b.at(slot) for a, b in zip(mine, theirs, strict=True)
            )
            for slot in READY
        }


def look(cast: Cast, rounds: int) -> Views:
    """Visits everybody, again and again."""
    turns = {
        f"{who.name}/{order}": partial(_view, cast, who, order)
        for who in CONTENDERS
        for order in ORDERS
    }
    results = shuffled(rounds, turns)
    return Views(
        {
            (who.name, order): results[f"{who.name}/{order}"]
            for who in CONTENDERS
            for order in ORDERS
        }
    )


def _summary(views: Views, order: str) -> Table:
    table = Table(
        f"{ORDERS[order].capitalize()}. Ms, median view (smallest to largest); "
        "*late* is from ready to visible, of the middle slot and of the latest one:",
        [
            "",
            "late, middle",
            "late, latest",
            "late from first byte",
            "load end after the slowest slot",
            "first byte",
            "first paint",
            "DOM ready",
            "all in place",
        ],
    )
    for who in CONTENDERS:
        figure = partial(views.figure, who.name, order)
        whole = figure(lambda v: v.visit.in_order)
        table.rows.append(
            (
                who.name,
                views.late(who.name, order).show(),
                figure(lambda v: max(v.lates())).show(),
                views.late_from_first_byte(who.name, order).show(),
                views.load(who.name, order).show(),
                figure(lambda v: v.visit.first_byte - v.visit.request).show(),
                figure(lambda v: v.visit.first_paint).show(),
                figure(lambda v: v.visit.dom_ready).show(),
                f"{sum(whole):.0f} of {len(whole)}",
            )
        )
    return table


def _by_slot(views: Views, order: str) -> Table:
    table = Table(
        f"{ORDERS[order].capitalize()}: visible after, ms, medians. "
        "The first row is when each slot is ready:",
        ["", *READY],
        [("ready", *(f"{ready:.0f}" for ready in READY.values()))],
    )
    for who in CONTENDERS:
        times = (views.seen(who.name, order, slot).median for slot in READY)
        table.rows.append((who.name, *(f"{time:.0f}" for time in times)))
    return table


def tables(views: Views) -> list[Table]:
    """What was seen."""
    return [make(views, order) for order in ORDERS for make in (_summary, _by_slot)]


def _goals_of(views: Views, name: str) -> list[Goal]:
    late = {order: views.late(name, order) for order in ORDERS}
    load = {order: views.load(name, order) for order in ORDERS}
    behind = {
        (order, slot): by
        for order in ORDERS
        for slot, by in views.behind(name, MARKO, order).items()
    }
    worst = max(behind, key=lambda key: behind[key].median)
    most = behind[worst]
    return [
        Goal(
            f"{name}: slot visible at most {VISIBLE_GOAL_MS} ms after it was ready",
            _both(late),
            all(ms.median <= VISIBLE_GOAL_MS for ms in late.values()),
        ),
        Goal(
            f"{name}: no slot later than {MARKO}'s by more than a frame",
            f"worst: {worst[1]} ({worst[0]}) by {most.show()} ms",
            most.median <= NOISE_MS,
        ),
        Goal(
            f"{name}: load end at most {LOAD_GOAL_MS} ms after the slowest slot",
            _both(load),
            all(ms.median <= LOAD_GOAL_MS for ms in load.values()),
        ),
    ]


def _both(figures: dict[str, Samples]) -> str:
    return ", ".join(f"{order} {ms.show()}" for order, ms in figures.items()) + " ms"


def goals(views: Views) -> list[Goal]:
    """What was promised of ours, in both orders."""
    return [goal for name in (NATIVE, FALLBACK) for goal in _goals_of(views, name)]


def panels(views: Views) -> dict[str, dict[str, Sequence[float]]]:
    """For the picture: when each slot was visible."""
    return {
        f"The slots of one page, {words}": {
            who.name: [views.seen(who.name, order, slot).median for slot in READY]
            for who in CONTENDERS
        }
        for order, words in ORDERS.items()
    }

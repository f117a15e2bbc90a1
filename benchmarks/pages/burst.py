"""Bursts: hundreds of slots that are ready at one moment.

The floor is the same markup in document order: the head at once, and all sections,
rendered in advance, in one write: as quick as markup can come. Ours renders a patch for
each slot when they are ready. Counted from that moment, a fixed time after the server
began, to the frame in which the last one is visible: what the server takes to render
them is in it, and the last byte has a column of its own.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from ..browser import Visit
from ..report import Goal, Samples, Table
from ..rounds import shuffled
from ..scale import Scale
from .contenders import FALLBACK, NATIVE, Cast

PAUSE_MS = 300
IN_ORDER = "in document order"
GOAL_SLOTS = 1000
NATIVE_GOAL = 1.1
LINEAR_GOAL = 2.5
"""Twice the slots: 2 times as long when linear, 4 when quadratic."""

PAGES = {
    IN_ORDER: ("/burst-in-order", True),
    NATIVE: ("/burst", True),
    FALLBACK: ("/burst", False),
}


def _visit(cast: Cast, name: str, count: int) -> Visit:
    path, native = PAGES[name]
    url = cast.at("flask", path, count=count, ms=PAUSE_MS)
    return cast.browsers[native].visit_burst(url, count)


def _filled(visit: Visit) -> float:
    if "all" not in visit.seen:
        raise RuntimeError("a burst never showed all of its slots")
    return visit.seen["all"] - visit.started - PAUSE_MS


def _sent(visit: Visit) -> float:
    return visit.last_byte - visit.started - PAUSE_MS


def measure(cast: Cast, scale: Scale) -> tuple[Table, list[Goal]]:
    """All sizes and ways, shuffled."""
    turns = {
        f"{name}/{count}": partial(_visit, cast, name, count)
        for name in PAGES
        for count in scale.burst_slots
    }
    results = shuffled(scale.burst_views, turns)
    filled = {
        key: Samples(_filled(visit) for visit in visits)
        for key, visits in results.items()
    }
    table = Table(
        f"Bursts: all slots, 20 elements each, ready {PAUSE_MS} ms after the "
        "server began. Ms from then until",
        ["", "slots", "all visible", "to in order", "last byte", "main thread, in all"],
    )
    for count in scale.burst_slots:
        base = filled[f"{IN_ORDER}/{count}"]
        for name in PAGES:
            key = f"{name}/{count}"
            visits = results[key]
            table.rows.append(
                (
                    name,
                    f"{count:,}",
                    filled[key].show(),
                    filled[key].over(base).show(2),
                    Samples(map(_sent, visits)).show(),
                    Samples(visit.main_thread for visit in visits).show(),
                )
            )
    return table, _goals(filled, scale)


def _goals(filled: dict[str, Samples], scale: Scale) -> list[Goal]:
    native = filled[f"{NATIVE}/{GOAL_SLOTS}"]
    ratio = native.over(filled[f"{IN_ORDER}/{GOAL_SLOTS}"])
    sizes = [count for count in scale.burst_slots if count >= GOAL_SLOTS // 2]
    middles = [filled[f"{FALLBACK}/{count}"].median for count in sizes]
    growth = [b / a for a, b in pairwise(middles)]
    steps = " to ".join(f"{count:,}" for count in sizes)
    return [
        Goal(
            f"{NATIVE}: {GOAL_SLOTS:,} slots at once, at most {NATIVE_GOAL} times "
            "in order",
            ratio.show(2),
            ratio.median <= NATIVE_GOAL,
        ),
        Goal(
            f"{FALLBACK}: linear, twice the slots at most {LINEAR_GOAL} times as long",
            f"{steps}: " + ", ".join(f"{times:.2f}" for times in growth),
            max(growth) <= LINEAR_GOAL,
        ),
    ]

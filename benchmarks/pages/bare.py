"""The page laid bare: its bytes, its looks without scripts, what a failure does.

These are counts and facts rather than times, so one look at each contender is enough.
A slot's bytes are what a page has more than `render_template`'s, without the words that
stand in the slots' places, over the number of slots; scripts and styles that carry the
slots are in it.
"""

from __future__ import annotations

import re
import urllib.request

from ..browser import LEGACY_AGENT, Glance
from ..report import Goal, Table
from .contenders import CONTENDERS, FALLBACK, NATIVE, PLAIN, Cast, Contender
from .plan import LOADING
from .views import ORDERS, PAGE, READY, SLOWEST, Views

NATIVE_AGENT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0"
BYTES_GOAL = {NATIVE: 60, FALLBACK: 110}
SCRIPT = re.compile(rb"<script.*?</script>", re.DOTALL)

EARLY_SECONDS = 0.9
"""In the descending order six slots are ready then, and the first one is not."""
OVER_SECONDS = 4.3
"""After the end of the slowest contender."""
ERROR = "Failed: no answer"


def _script_bytes(cast: Cast, who: Contender) -> int:
    agent = NATIVE_AGENT if who.native else LEGACY_AGENT
    request = urllib.request.Request(
        cast.url(who, page=PAGE), headers={"User-Agent": agent}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return sum(map(len, SCRIPT.findall(response.read())))


def _beyond(views: Views, who: Contender) -> float:
    order = next(iter(ORDERS))
    plain = views.figure(PLAIN, order, lambda v: v.visit.bytes).median
    page = views.figure(who.name, order, lambda v: v.visit.bytes).median
    words = len(LOADING) * len(READY) if who.fallbacks else 0
    return (page - plain - words) / len(READY)


def weigh(cast: Cast, views: Views) -> tuple[Table, list[Goal]]:
    """Bytes, and the goals for ours."""
    table = Table(
        f"Bytes of the page of {len(READY)} slots; ours goes out compressed, which it "
        "does by itself with any browser that takes it:",
        [
            "",
            "page",
            "as sent",
            "beyond content, a slot",
            "of it scripts, in all",
            "main thread busy, ms",
        ],
    )
    goals = []
    for who in CONTENDERS:
        order = next(iter(ORDERS))
        page = views.figure(who.name, order, lambda v: v.visit.bytes).median
        sent = views.figure(who.name, order, lambda v: v.visit.sent).median
        busy = views.figure(who.name, order, lambda v: v.visit.main_thread)
        beyond = _beyond(views, who)
        scripts = _script_bytes(cast, who)
        table.rows.append(
            (
                who.name,
                f"{page:,.0f}",
                f"{sent:,.0f}",
                f"{beyond:.0f}",
                f"{scripts:,}",
                busy.show(),
            )
        )
        if who.name in BYTES_GOAL:
            most = BYTES_GOAL[who.name]
            goals.append(
                Goal(
                    f"{who.name}: at most {most} bytes a slot beyond content",
                    f"{beyond:.1f}, scripts included ({scripts} on the page)",
                    beyond <= most,
                )
            )
    return table, goals


def _verdict(end: Glance) -> str:
    words = {
        ERROR: "an error in its place",
        "Loading": "loading, for ever",
        "Internal Server Error": "a bare 500 for the page",
    }
    return next((said for text, said in words.items() if text in end.text), "nothing")


def without_scripts(cast: Cast) -> tuple[Table, list[Goal]]:
    """The descending page with JavaScript off."""
    ids = list(READY)
    due = {slot for slot, ready in READY.items() if ready < EARLY_SECONDS * 1000}
    table = Table(
        f"JavaScript off, slowest slot first: slots that stand in their places; after "
        f"{EARLY_SECONDS} s, {len(due)} are ready:",
        ["", f"after {EARLY_SECONDS} s", f"after {OVER_SECONDS} s"],
    )
    goals = []
    for who in CONTENDERS:
        url = cast.url(who, page=PAGE, order="desc")
        moments = [EARLY_SECONDS, OVER_SECONDS]
        early, end = cast.browser(who).watch(url, ids, moments, scripts=False)
        table.rows.append(
            (
                who.name,
                f"{len(early.shown)} of {len(due)}",
                f"{len(end.shown)} of {len(ids)}",
            )
        )
        if who.name == NATIVE:
            goals.append(
                Goal(
                    f"{NATIVE}: JavaScript off, all slots, out of order",
                    f"{len(end.shown)} of {len(ids)}, of them {len(early.shown)} "
                    f"before the first in the document",
                    set(end.shown) == set(ids) and set(early.shown) == due,
                )
            )
    return table, goals


def failing(cast: Cast) -> Table:
    """The ascending page, and nobody but the system itself catches the failure."""
    others = [slot for slot in READY if slot != "bad"]
    table = Table(
        f"A slot raises, and no author caught it: {OVER_SECONDS} s later",
        ["", "the slot shows", "the others", "document"],
    )
    for who in CONTENDERS:
        url = cast.url(who, page=PAGE, order="asc", **{"raise": 1})
        [end] = cast.browser(who).watch(url, others, [OVER_SECONDS], scripts=True)
        row = (_verdict(end), f"{len(end.shown)} of {len(others)}", end.state)
        table.rows.append((who.name, *row))
    return table


assert SLOWEST < OVER_SECONDS * 1000, "the last look comes after the last slot"

"""Hints: when a page's files are there, and when it is first seen, far from its server.

A page whose view takes 0.6 s, through Caddy and nginx over HTTP/2, over a link with a
delay, in headless Chromium: without hints, with a `Link` header, with 103 Early Hints
that the view gives or that were learned, and with its shell streamed. The parts live in
`benchmarks/hints/`; this module puts them together.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .. import pictures
from ..hints.app import FILES, VIEW_SECONDS
from ..hints.link import ROUND_TRIP_MS
from ..hints.proxies import PROXIES
from ..hints.visits import Key, Visit, look
from ..report import Goal, Report, Samples, Table
from ..scale import Scale

NAMES = {
    "off": "no hints",
    "link": "Link header",
    "explicit": "103, explicit",
    "learned": "103, learned",
    "shell": "streamed shell",
}
EARLY = ("explicit", "learned")
FRAME_MS = 17

VIEW_MS, ONE_WAY_MS = round(1000 * VIEW_SECONDS), ROUND_TRIP_MS // 2
ABOUT = f"""\
A page with a stylesheet, a script that blocks and a font, whose view takes {VIEW_MS}
ms; gunicorn gthread behind a proxy that speaks HTTP/2 and TLS, and between the proxy
and Chromium a relay that holds every byte for {ONE_WAY_MS} ms: a round trip takes
{ROUND_TRIP_MS} ms, and a new connection one more. Bandwidth isn't limited. Each visit
has a connection of its own, an empty cache and no cookie, so that its request is with
the server after two and a half round trips. The document is the same for all, and names
its font in its head; *Link header* hints the three files in the page's header,
*explicit* by `early_hints()` at the view's beginning, *learned* not at all. Files are
kept for a year. *There* is when the browser had the last byte, by its own network's
log. Visits take turns, in an order drawn anew for each round; medians (smallest to
largest), milliseconds from the start of the navigation.

![The page as it is seen, moment by moment](../../docs/_static/hints-filmstrip.png)"""

FIGURES: dict[str, Callable[[Visit], float]] = {
    "stylesheet there": lambda v: v.files[0],
    "script there": lambda v: v.files[1],
    "font there": lambda v: v.files[2],
    "first byte of HTML": lambda v: v.first_byte,
    "first paint": lambda v: v.paint,
    "rows visible": lambda v: v.rows,
}

Visits = dict[Key, list[Visit]]


def _samples(seen: list[Visit], figure: Callable[[Visit], float]) -> Samples:
    return Samples(figure(visit) for visit in seen)


def _ahead(visit: Visit) -> float:
    return visit.first_byte - max(visit.files)


def _table(visits: Visits, proxy: str) -> Table:
    head = ["", *FIGURES, "fetched for a 103"]
    table = Table(f"{proxy}:", head)
    for way, name in NAMES.items():
        seen = visits[proxy, way]
        figures = [_samples(seen, figure).show() for figure in FIGURES.values()]
        hinted = sum(visit.hinted for visit in seen)
        row = (name, *figures, f"{hinted} of {len(FILES) * len(seen)}")
        table.rows.append(row)
    return table


def _goals(visits: Visits, proxy: str) -> list[Goal]:
    goals = []
    for way in EARLY:
        ahead = _samples(visits[proxy, way], _ahead)
        goals.append(
            Goal(
                f"{proxy}, {NAMES[way]}: all files there before the first byte of HTML",
                f"{ahead.show()} ms before",
                min(ahead) > 0,
            )
        )
    explicit, learned = (
        _samples(visits[proxy, way], lambda visit: visit.paint) for way in EARLY
    )
    apart = learned.median - explicit.median
    goals.append(
        Goal(
            f"{proxy}: learned paints as early as explicit, within a frame",
            f"{apart:+.0f} ms",
            abs(apart) < FRAME_MS,
        )
    )
    return goals


def _digest(visits: Visits, load: float) -> Table:
    table = Table(
        "Milliseconds from the start of the navigation, medians, through"
        f" {' / '.join(PROXIES)}; load average after the run {load:.1f}:",
        ["", "all files there", "first byte of HTML", "first paint", "rows visible"],
    )
    figures: list[Callable[[Visit], float]] = [
        lambda visit: max(visit.files),
        *(FIGURES[name] for name in table.head[2:]),
    ]
    for way, name in NAMES.items():
        cells = (
            " / ".join(
                f"{_samples(visits[proxy, way], figure).median:,.0f}"
                for proxy in PROXIES
            )
            for figure in figures
        )
        table.rows.append((name, *cells))
    return table


def run(scale: Scale) -> Report:
    """All ways through all proxies."""
    visits, browser = look(scale.hint_visits)
    load = os.getloadavg()[0]
    report = Report("hints", "What early hints gain", ABOUT)
    for proxy in PROXIES:
        report.tables.append(_table(visits, proxy))
        report.goals += _goals(visits, proxy)
    report.digest = _digest(visits, load)
    report.versions += [browser, *(proxy.version() for proxy in PROXIES.values())]
    report.versions.append(f"load average after the run {load:.1f}")

    def draw(path: Path) -> None:
        panels = {
            f"First paint, {proxy}": {
                name: _samples(visits[proxy, way], lambda visit: visit.paint)
                for way, name in NAMES.items()
            }
            for proxy in PROXIES
        }
        pictures.bars(path, panels, "ms from the start of the navigation")

    report.draw = draw
    return report

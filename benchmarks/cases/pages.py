"""Pages: how soon each part of a page is seen, against those who are known for it.

A dashboard whose parts take from 50 ms to 1.6 s, one of them failing and one opening
another inside, served by plain Flask, FlaskSR, React, Marko and the extension, and
watched in headless Chromium. Then what the way there costs: bytes, bursts of slots, a
long template without any, and a crowd on few threads. The parts live in
`benchmarks/pages/`; this module puts them together.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from .. import npm, pictures
from ..pages import bare, burst, crowd, node, rows, views
from ..pages.contenders import CONTENDERS, cast
from ..report import Report, Table
from ..scale import Scale

ABOUT = """\
One page with eight parts: they take 50, 100, 200, 400, 800 (and inside it 200 more
when it is there) and 1600 ms, and one fails after 300. Each way to serve it does all
its work at once, except where it says *sequential*; a failure is caught by hand where
the system has no place for it, so that each shows its best. *Native* is a Chromium
that knows `<template for>`, *fallback* the same browser with that switched off and
another's user agent. *Late* runs from when a part was ready to the first frame
in which its box was there, looked at once a frame. A part is ready its own time after
the server began with the request, as the server itself says. Where the browser can't
show anything yet, the first parts wait for the first paint.
React's waits before it shows what came are its design, against flicker."""

NODE_PACKAGES = ["react-dom", "marko"]


def digest(seen: views.Views, weight: Table, silent: Table, failures: Table) -> Table:
    """One row each: what tells them apart."""
    table = Table(
        "Milliseconds, medians, as *quickest part first* / *slowest part first*; the "
        "last three columns are the same for both:",
        [
            "",
            "a part is visible after it was ready",
            "page over after its slowest part",
            "JavaScript off, parts shown",
            "a part fails, uncaught",
            "bytes beyond content, a part",
        ],
    )
    cells = {
        who.name: (shown[-1], fails[1], weighs[3])
        for who, shown, fails, weighs in zip(
            CONTENDERS, silent.rows, failures.rows, weight.rows, strict=True
        )
    }
    for name, rest in cells.items():
        late, over = (
            " / ".join(f"{figure(name, order).median:,.0f}" for order in views.ORDERS)
            for figure in (seen.late, seen.load)
        )
        table.rows.append((name, late, over, *rest))
    return table


def run(scale: Scale) -> Report:
    """Views, bytes and bursts on one set of servers and browsers; then the rest."""
    report = Report("pages", "Pages with parts that take their time", ABOUT)
    with cast() as everybody:
        seen = views.look(everybody, scale.page_views)
        weight, weight_goals = bare.weigh(everybody, seen)
        silent, silent_goals = bare.without_scripts(everybody)
        failures = bare.failing(everybody)
        bursts, burst_goals = burst.measure(everybody, scale)
        browser = everybody.browsers[True].version()
    long, long_goals = rows.measure(scale)
    crowds, crowd_goals = crowd.measure(scale)
    report.tables += views.tables(seen)
    report.tables += [weight, silent, failures, bursts, long, crowds]
    report.goals += views.goals(seen) + silent_goals + weight_goals
    report.goals += burst_goals + long_goals + crowd_goals
    report.digest = digest(seen, weight, silent, failures)
    report.versions += [browser, f"flasksr {version('flasksr')}", npm.node_version()]
    report.versions += [node.version_of(package) for package in NODE_PACKAGES]

    def draw(path: Path) -> None:
        moments = sorted(views.READY.values())
        across = "visible after, ms; grey lines: when each part is ready"
        pictures.marks(path, views.panels(seen), moments, across)

    report.draw = draw
    return report

"""CSV on the wire: rows a second from SQLite and PostgreSQL, by everybody in turns.

All servers run all the time, on one core with the client; PostgreSQL has the machine.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from ..report import Goal, Samples, Table
from ..rounds import by_round, interleave
from ..scale import Scale
from ..servers import Server, one_core
from .contenders import (
    DATABASES,
    FLASK,
    OURS,
    PURE,
    check_csv,
    contenders,
    everybody,
    fetch,
)
from .data import Data, expected

TIMES_GOAL = 4
PURE_GOAL = 1.5


@dataclass
class Turn:
    """One body: rows a second, and CPU of the server in µs a row."""

    rate: float
    cpu: float
    chunks: float


Rates = dict[str, dict[str, Samples]]
"""By database, then by contender."""


def _turn(server: Server, data: Data, database: str, count: int) -> Turn:
    size, _ = expected(data, database, count)
    before = server.cpu_seconds()
    body = fetch(server, f"/{database}.csv?rows={count}", size)
    cpu = server.cpu_seconds() - before
    return Turn(
        count / body["total_ns"] * 1e9, cpu / count * 1e6, count / body["chunks"]
    )


def measure(data: Data, scale: Scale) -> tuple[list[Table], list[Goal], Rates]:
    """A table for each database."""
    tables, goals, rates = [], [], {}
    with everybody(data) as servers, ExitStack() as stack:
        for server in servers.values():
            stack.enter_context(one_core(server))
        counts = {each.name: each.rows(scale) for each in contenders()}
        for database, title in DATABASES.items():
            for name, server in servers.items():
                check_csv(server, data, database, counts[name])
            results = interleave(
                scale.export_rounds,
                {
                    name: partial(_turn, server, data, database, counts[name])
                    for name, server in servers.items()
                },
            )
            rate = {
                name: by_round(turns, lambda turn: turn.rate)
                for name, turns in results.items()
            }
            rates[title] = rate
            tables.append(_table(title, results, rate, counts))
            goals += _goals(title, rate)
    return tables, goals, rates


def _table(
    title: str,
    results: dict[str, list[Turn]],
    rate: dict[str, Samples],
    counts: dict[str, int],
) -> Table:
    table = Table(
        f"CSV from {title}, 19 columns, 92 bytes a row:",
        ["", "rows/s", "to flask", "CPU, µs a row", "rows a chunk", "rows a turn"],
    )
    for name, turns in results.items():
        table.rows.append(
            (
                name,
                rate[name].show(),
                rate[name].over(rate[FLASK]).show(2),
                by_round(turns, lambda t: t.cpu).show(2),
                f"{turns[-1].chunks:,.0f}",
                f"{counts[name]:,}",
            )
        )
    return table


def _goals(title: str, rate: dict[str, Samples]) -> list[Goal]:
    compiled, pure = (rate[name].over(rate[FLASK]) for name in (OURS, PURE))
    foreign = rate.keys() - {OURS, PURE}
    others = {name: rate[OURS].over(rate[name]) for name in foreign}
    nearest = min(others, key=lambda name: others[name].median)
    return [
        Goal(
            f"CSV from {title}: at least {TIMES_GOAL} times Flask's idiom",
            compiled.show(2),
            compiled.median >= TIMES_GOAL,
        ),
        Goal(
            f"CSV from {title}: ahead of everybody else",
            f"{others[nearest].show(2)} times {nearest}",
            others[nearest].median > 1,
        ),
        Goal(
            f"CSV from {title}, no compiler: at least {PURE_GOAL} times Flask's idiom",
            pure.show(2),
            pure.median >= PURE_GOAL,
        ),
    ]


def digest(rates: Rates) -> Table:
    """For the docs: both databases beside each other."""
    head = [""]
    for title in rates:
        head += [f"rows/s from {title}", "to Flask's idiom"]
    table = Table("CSV of 19 columns over HTTP, rows a second, medians:", head)
    for name in next(iter(rates.values())):
        cells = [name]
        for rate in rates.values():
            times = rate[name].over(rate[FLASK]).median
            cells += [f"{rate[name].median:,.0f}", f"{times:.1f}"]
        table.rows.append(cells)
    return table

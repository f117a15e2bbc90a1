"""A long page without slots: what it costs to stream an ordinary template.

2,000 rows of a table, rendered whole, by Flask's `stream_template`, which sends each
piece that Jinja yields as a chunk, and by `stream_page`. One server, on one core with
the client, in turns.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial

from .. import client
from ..report import Goal, Table
from ..rounds import by_round, interleave
from ..scale import Scale
from ..servers import Server, one_core, serve
from .contenders import FLASK

PATHS = {
    "flask, render_template": "/rows-render",
    "flask, stream_template": "/rows-stream",
    "sluice, stream_page": "/rows-page",
}
PLAIN, OURS = "flask, render_template", "sluice, stream_page"
TIMES_GOAL = 1.3
CHUNKS_GOAL = 20


@dataclass
class Turn:
    """The middle request of a turn; CPU is the server's, of the mean request."""

    ms: float
    cpu_ms: float
    chunks: int
    payload: int


def _turn(server: Server, path: str, requests: int) -> Turn:
    before = server.cpu_seconds()
    seen = client.fetch(server.port, path, repeats=requests)
    cpu = server.cpu_seconds() - before
    return Turn(
        ms=statistics.median(body["total_ns"] for body in seen) / 1e6,
        cpu_ms=cpu / requests * 1000,
        chunks=max(body["chunks"] for body in seen),
        payload=seen[0]["payload"],
    )


def _framing(turn: Turn) -> float:
    """Bytes around the chunks: for each a length in hex and two line ends."""
    if not turn.chunks:
        return 0
    digits = len(f"{turn.payload // turn.chunks:x}")
    return turn.chunks * (digits + 4) + 5


def measure(scale: Scale) -> tuple[Table, list[Goal]]:
    """All three, in rounds."""
    with serve("gthread", FLASK) as server, one_core(server):
        results = interleave(
            scale.rounds,
            {
                name: partial(_turn, server, path, scale.row_requests)
                for name, path in PATHS.items()
            },
        )
    ms = {name: by_round(turns, lambda t: t.ms) for name, turns in results.items()}
    table = Table(
        "2,000 rows and no slot, gunicorn gthread:",
        ["", "whole page, ms", "to render_template", "CPU, ms", "chunks", "bytes"],
    )
    for name, turns in results.items():
        last = turns[-1]
        table.rows.append(
            (
                name,
                ms[name].show(1),
                ms[name].over(ms[PLAIN]).show(2),
                by_round(turns, lambda t: t.cpu_ms).show(1),
                f"{max(turn.chunks for turn in turns):,}",
                f"{last.payload + _framing(last):,.0f}",
            )
        )
    ratio = ms[OURS].over(ms[PLAIN])
    chunks = max(turn.chunks for turn in results[OURS])
    goals = [
        Goal(
            f"2,000 rows: at most {TIMES_GOAL} times render_template's time",
            ratio.show(2),
            ratio.median <= TIMES_GOAL,
        ),
        Goal(
            f"2,000 rows: at most {CHUNKS_GOAL} chunks",
            str(chunks),
            chunks <= CHUNKS_GOAL,
        ),
    ]
    return table, goals

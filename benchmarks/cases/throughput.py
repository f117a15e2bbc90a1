"""Throughput: big items through gunicorn, three ways, as fast as a C client reads.

The generator costs nothing and the client is faster than the server, so what is left
is the road: the server's own loop (bare WSGI), plus Flask's, plus the extension's.
Each server kind gets one process in which all three are served; rounds are interleaved.
Bytes a second is what a user sees; CPU a gigabyte is what the machine pays. Client and
server are kept on one core: there the server's own work weighs most, and the scheduler
has nothing to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .. import client, pictures
from ..report import Goal, Report, Samples, Table
from ..rounds import by_round, interleave
from ..scale import GB, KB, MB, Scale
from ..servers import Server, one_core, serve

ITEM = 64 * KB
KINDS = ["gthread", "sync", "gevent"]
NAMES = {
    "bare": "bare WSGI",
    "flask": "flask Response(generator)",
    "sluice": "sluice stream(generator)",
}
GOAL = 0.95

ABOUT = """\
Items of 64 KiB from a generator that costs next to nothing, through one gunicorn
worker to a client in C that only counts, both on one core. Ratios are to bare WSGI on
the same server, round by round; in brackets the smallest and the largest round. CPU is
the server's."""


@dataclass
class Turn:
    """One body: how fast it came, and what it cost."""

    speed: float
    cpu: float
    chunks: int


def _turn(server: Server, who: str, size: int) -> Turn:
    count = size // ITEM
    before = server.cpu_seconds()
    path = f"/{who}/blocks?size={ITEM}&count={count}"
    [body] = client.fetch(server.port, path)
    if body["payload"] != ITEM * count:
        raise RuntimeError(f"{path}: {body['payload']} bytes instead of {ITEM * count}")
    return Turn(
        speed=body["payload"] / body["total_ns"] * 1e9 / MB,
        cpu=(server.cpu_seconds() - before) / body["payload"] * GB,
        chunks=body["chunks"],
    )


def _measure(kind: str, scale: Scale) -> dict[str, list[Turn]]:
    with serve(kind) as server, one_core(server):
        turns: dict[str, Callable[[], Turn]] = {
            who: partial(_turn, server, who, scale.throughput_bytes) for who in NAMES
        }
        return interleave(scale.rounds, turns)


def run(scale: Scale) -> Report:
    """Measures every kind of worker in turn."""
    head = ["", "MB/s", "to bare", "CPU s per GB", "CPU to bare"]
    report = Report("throughput", "Throughput at 64 KiB items", ABOUT)
    panels: dict[str, dict[str, Samples]] = {}
    for kind in KINDS:
        results = _measure(kind, scale)
        speed = {who: by_round(results[who], lambda t: t.speed) for who in NAMES}
        cpu = {who: by_round(results[who], lambda t: t.cpu) for who in NAMES}
        table = Table(f"gunicorn {kind}:", head)
        for who, name in NAMES.items():
            table.rows.append(
                (
                    name,
                    speed[who].show(),
                    speed[who].over(speed["bare"]).show(2),
                    cpu[who].show(3),
                    cpu[who].over(cpu["bare"]).show(2),
                )
            )
        report.tables.append(table)
        panels[f"gunicorn {kind}"] = speed
        ratio = speed["sluice"].over(speed["bare"])
        report.goals.append(
            Goal(
                f"gunicorn {kind}: at least {GOAL} of bare WSGI's MB/s",
                ratio.show(2),
                ratio.median >= GOAL,
            )
        )

    def draw(path: Path) -> None:
        pictures.bars(path, panels, "MB/s, more is better")

    report.draw = draw
    return report

"""One event to all of them: what each stream weighs, and each delivery costs.

In this order: all connect; two events a second; five a second; twenty at once. Each
client counts: numbers that don't follow one another are events lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .. import client
from ..report import Goal, Samples, Table
from ..scale import Scale
from ..servers import Server, get
from .contenders import BETTER, CONTENDERS, NCHAN, OURS, STARLETTE, Contender

Panels = dict[str, dict[str, Samples]]

WAIT = 60.0  # seconds for a phase
SLOW, PACED, BURST = (6, 2.0), (20, 5.0), (20, 0.0)  # events, and how many a second


@dataclass
class Figures:
    """All rounds of one contender."""

    clients: int = 0
    kb: Samples = field(default_factory=Samples)
    connects: Samples = field(default_factory=Samples)
    connect_cpu: Samples = field(default_factory=Samples)
    hello: Samples = field(default_factory=Samples)
    slow_cpu: Samples = field(default_factory=Samples)
    paced_cpu: Samples = field(default_factory=Samples)
    p50: Samples = field(default_factory=Samples)
    p99: Samples = field(default_factory=Samples)
    burst: Samples = field(default_factory=Samples)
    lost: int = 0
    failed: int = 0


@contextmanager
def _opened(
    contender: Contender, server: Server, clients: int
) -> Iterator[client.Holder]:
    over = threading.Event()

    def poke() -> None:
        # Flask-SSE sends no headers before its first event.
        while contender.is_late and not over.wait(0.5):
            contender.publish(server, 1, 0.0)

    poking = threading.Thread(target=poke)
    poking.start()
    try:
        with client.hold(server.port, "/events", clients, listens=True) as holder:
            over.set()
            poking.join()
            yield holder
    finally:
        over.set()


def _phase(
    contender: Contender,
    server: Server,
    holder: client.Holder,
    events: tuple[int, float],
) -> tuple[client.Seen, float]:
    count, rate = events
    before = server.cpu_seconds()
    # Told a moment later, when the clients count.
    threading.Timer(0.2, contender.publish, (server, count, rate)).start()
    seen = holder.collect(count, WAIT)
    return seen, server.cpu_seconds() - before


def _round(contender: Contender, clients: int, redis_url: str, to: Figures) -> None:
    with contender.served(redis_url) as server:
        fresh = server.descriptors()
        if contender is OURS:
            with client.hold(server.port, "/ping", clients) as holder:
                to.hello.append(clients / holder.opened["seconds"])
            server.settle(fresh)
        with _opened(contender, server, 200):
            pass  # warm: threads, caches, first imports
        server.settle(fresh)
        memory, cpu = server.pss_kb(), server.cpu_seconds()
        with _opened(contender, server, clients) as holder:
            opened = holder.opened
            to.clients = clients
            to.failed += opened["failed"]
            to.connects.append(opened["opened"] / opened["seconds"])
            to.connect_cpu.append((server.cpu_seconds() - cpu) / opened["opened"] * 1e3)
            time.sleep(1.0)
            to.kb.append((server.pss_kb() - memory) / opened["opened"])
            for events, cpus in ((SLOW, to.slow_cpu), (PACED, to.paced_cpu)):
                seen, spent = _phase(contender, server, holder, events)
                cpus.append(spent / max(seen["counted"], 1) * 1e6)
            to.p50.append(seen["p50_ms"])
            to.p99.append(seen["p99_ms"])
            seen, _ = _phase(contender, server, holder, BURST)
            to.burst.append(seen["counted"] / max(seen["span_ms"], 0.001) * 1e3)
            expected = sum(count for count, _ in (SLOW, PACED, BURST)) * seen["open"]
            got = seen["lines"] if not contender.is_late else expected
            to.lost += max(0, expected - got) + seen["closed"]
            get(server.port, "/ping")


def measure(
    scale: Scale, redis_url: str
) -> tuple[list[Table], list[Goal], Panels, Table]:
    """Everyone's rounds, in turn; what of them makes a picture, and what is quoted."""
    figures = {contender: Figures() for contender in CONTENDERS}
    for _ in range(scale.event_rounds):
        for contender, found in figures.items():
            count = scale.event_clients if contender.crowd else scale.event_few_clients
            _round(contender, count, redis_url, found)
    crowd = {who: found for who, found in figures.items() if who.crowd}
    panels = {
        "CPU µs a delivery": {w.name: f.paced_cpu for w, f in crowd.items()},
        "KB a stream": {w.name: f.kb for w, f in crowd.items()},
    }
    tables = [_costs(figures), _speeds(figures)]
    return tables, _goals(figures), panels, _digest(crowd)


def _costs(figures: dict[Contender, Figures]) -> Table:
    table = Table(
        "What a stream and a delivery cost. CPU in microseconds a delivery, at two"
        " events a second and at five.",
        ["", "clients", "KB a stream", "CPU, 2/s", "CPU, 5/s", "lost"],
    )
    for contender, found in figures.items():
        table.rows.append(
            [
                contender.name,
                f"{found.clients:,}",
                found.kb.show(1),
                found.slow_cpu.show(1),
                found.paced_cpu.show(1),
                f"{found.lost:,}",
            ]
        )
    return table


def _speeds(figures: dict[Contender, Figures]) -> Table:
    table = Table(
        "How soon, at five events a second; how many deliveries a second when twenty"
        " events are published at once; and how they come in.",
        [
            "",
            "p50 ms",
            "p99 ms",
            "burst, deliveries/s",
            "connects/s",
            "CPU ms a connect",
        ],
    )
    for contender, found in figures.items():
        table.rows.append(
            [
                contender.name,
                found.p50.show(),
                found.p99.show(),
                found.burst.show(),
                found.connects.show(),
                found.connect_cpu.show(2),
            ]
        )
    return table


def _digest(figures: dict[Contender, Figures]) -> Table:
    table = Table(
        "10,000 readers of one channel, one process: what a stream and a delivery cost,"
        " how late the last hundredth is at five events a second, and deliveries a"
        " second when twenty events are published at once.",
        [
            "",
            "KB a stream",
            "CPU µs a delivery",
            "p99 ms",
            "burst, deliveries/s",
            "lost",
        ],
    )
    for contender, found in figures.items():
        table.rows.append(
            [
                contender.name,
                f"{found.kb.median:.1f}",
                f"{found.paced_cpu.median:.1f}",
                f"{found.p99.median:,.0f}",
                f"{found.burst.median:,.0f}",
                f"{found.lost:,}",
            ]
        )
    return table


def _goals(figures: dict[Contender, Figures]) -> list[Goal]:
    ours, nchan = figures[OURS], figures[NCHAN]
    better, starlette = figures[BETTER], figures[STARLETTE]
    ratios = [
        ("CPU a delivery, of nchan's", ours.paced_cpu.over(nchan.paced_cpu), 1.1, -1),
        (
            "CPU a delivery, of sse-starlette's",
            ours.paced_cpu.over(starlette.paced_cpu),
            0.2,
            -1,
        ),
        (
            "CPU a delivery, of better-sse's",
            ours.paced_cpu.over(better.paced_cpu),
            0.6,
            -1,
        ),
        ("burst, of better-sse's", ours.burst.over(better.burst), 2.0, 1),
        ("burst, of nchan's", ours.burst.over(nchan.burst), 10.0, 1),
        ("connects, of a hello-world's", ours.connects.over(ours.hello), 0.8, 1),
        ("p99 at 5/s, of better-sse's", ours.p99.over(better.p99), 1.0, -1),
    ]
    goals = [
        Goal(
            f"KB a stream, {ours.clients:,} of them: at most 1",
            ours.kb.show(2),
            ours.kb.median <= 1.0,
        )
    ]
    for name, ratio, limit, sign in ratios:
        word = "at least" if sign > 0 else "at most"
        met = (ratio.median - limit) * sign >= 0
        goals.append(Goal(f"{name}: {word} {limit:g}", ratio.show(2), met))
    goals.append(Goal("events lost: 0", str(ours.lost), ours.lost == 0))
    return goals

"""Idle streams: how many tickers one worker holds, what each costs, and how it ends.

Many clients open a ticker (one short line a second) and keep it. Then, in this order:
what a stream weighs; whether every client gets every line, counted by number; whether
the server still answers others; whether streams that leave give their descriptors
back; and what happens at SIGTERM. One run each, not rounds: a run takes a minute, and
its figures are counts and sums rather than speeds.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .. import client, pictures
from ..report import Goal, Report, Samples, Table
from ..scale import Scale
from ..servers import STOP_SECONDS, Server, ping, pinging, serve

LINE_SECONDS = 10.0
"""A client that is this late with a line counts as having lost it."""
GOAL_STOP_SECONDS = 2.0

ABOUT = """\
Ticker streams (one line a second) held open by one client process on one server
process. Memory is the process tree's PSS, before and after, over the streams; the
kernel's socket buffers are not in it, and are the same for all. A line's delay runs
from when it was made to when the client read it: one clock ticks for all of ours, so
the last client waits for the others. CPU includes the pings. `Response` with `sleep`
is the usual way: a thread, or a greenlet, and a clock for each stream, and fewer."""


@dataclass
class Plan:
    """One contender: a server, an app, and how many clients it is given."""

    name: str
    kind: str
    app: str
    path: str
    clients: int

    @property
    def ours(self) -> bool:
        """Whether the goals are for this one."""
        return self.name.startswith("sluice")


@dataclass
class Held:
    """All that was seen of one contender."""

    plan: Plan
    opened: client.Seen
    kb_each: float
    threads: int
    quiet_pings: list[float]
    busy_pings: list[float]
    collected: client.Seen
    cpu_each: float
    kept_descriptors: int
    closed: client.Seen = field(default_factory=dict)
    eof_seconds: float | None = None
    gone_seconds: float | None = None


def _plans(scale: Scale) -> list[Plan]:
    many = scale.idle_clients
    threads, greenlets = scale.thread_clients, scale.greenlet_clients
    return [
        Plan("sluice, gthread, 8 threads", "gthread", "sluice_app", "/sluice", many),
        Plan("sluice, uvicorn (ASGIApp)", "uvicorn", "asgi_app", "/sluice", many),
        Plan("flask, gthread", "gthread-many", "flask_app", "/flask", threads),
        Plan("flask, gevent", "gevent-many", "flask_app", "/flask", greenlets),
    ]


def _end(server: Server, holder: client.Holder, held: Held) -> None:
    family = server.tree()
    begin = time.monotonic_ns()
    server.process.terminate()
    held.closed = holder.wait_closed(STOP_SECONDS)
    _, alive = psutil.wait_procs(family, timeout=STOP_SECONDS)
    if not held.closed["open"]:
        held.eof_seconds = (held.closed["last_close_ns"] - begin) / 1e9
    if not alive:
        held.gone_seconds = (time.monotonic_ns() - begin) / 1e9
    for process in alive:
        process.kill()


def _hold(plan: Plan, ticks: int) -> Held:
    path = f"{plan.path}/ticker"
    with serve(
        plan.kind, f"benchmarks.apps:{plan.app}", room=plan.clients + 64
    ) as server:
        fresh = server.descriptors()
        with client.hold(server.port, path, 20) as holder:
            holder.collect(1, LINE_SECONDS)  # warm: threads, caches, first imports
        quiet = [ping(server.port) for _ in range(30)]
        server.settle(fresh)
        memory = server.pss_kb()
        with client.hold(server.port, path, plan.clients) as holder:
            opened = holder.opened
            holder.collect(2, LINE_SECONDS)
            kb_each = (server.pss_kb() - memory) / opened["opened"]
            threads, before = server.threads(), server.cpu_seconds()
            with pinging(server.port) as busy:
                collected = holder.collect(ticks, ticks + LINE_SECONDS)
            cpu = server.cpu_seconds() - before
            # The last ping's connection may still be counted: let it go first.
            server.settle(fresh + opened["opened"])
            expected = server.descriptors() - plan.clients // 10
            holder.drop(plan.clients // 10)
            kept = server.settle(expected)
            held = Held(
                plan=plan,
                opened=opened,
                kb_each=kb_each,
                threads=threads,
                quiet_pings=quiet,
                busy_pings=busy,
                collected=collected,
                cpu_each=cpu / max(collected["counted"], 1) * 1e6,
                kept_descriptors=max(kept, 0),
            )
            _end(server, holder, held)
    return held


def _lost(held: Held) -> int:
    """Clients' lines that should have come and didn't, came twice or came broken."""
    seen, end = held.collected, held.closed
    return int(seen["gaps"] + seen["strays"] + seen["closed"] + end["broken"])


def _seconds(value: float | None) -> str:
    return f"over {STOP_SECONDS:.0f}" if value is None else f"{value:.2f}"


def _goals(held: Held, ticks: int) -> list[Goal]:
    name, clients = held.plan.name, held.plan.clients
    seen, end = held.collected, held.closed
    whole = seen["least"] >= ticks and not _lost(held) and seen["open"] == clients
    prompt = held.gone_seconds is not None and held.gone_seconds < GOAL_STOP_SECONDS
    cut = end["finished"] == 0 and end["open"] == 0
    return [
        Goal(
            f"{name}: {clients:,} held, every line delivered",
            f"{seen['open']:,} held, at least {seen['least']} of {ticks} ticks each, "
            f"{seen['counted']:,} lines, {_lost(held)} lost",
            whole,
        ),
        Goal(
            f"{name}: SIGTERM under {GOAL_STOP_SECONDS:.0f} s, bodies seen unfinished",
            f"EOF {_seconds(held.eof_seconds)} s, gone {_seconds(held.gone_seconds)} s,"
            f" {end['finished']} looked finished",
            prompt and cut,
        ),
        Goal(
            f"{name}: no descriptor kept of {clients // 10:,} that left",
            f"{held.kept_descriptors} kept",
            held.kept_descriptors == 0,
        ),
    ]


def _row_of_cost(held: Held) -> list[str]:
    return [
        held.plan.name,
        f"{held.collected['open']:,}",
        f"{held.opened['seconds']:.1f}",
        f"{held.kb_each:.1f}",
        str(held.threads),
        f"{held.cpu_each:.1f}",
    ]


def _row_of_service(held: Held) -> list[str]:
    seen = held.collected
    busy = sorted(held.busy_pings) or [float("nan")]
    return [
        held.plan.name,
        f"{seen['p50_ms']:.0f} / {seen['p99_ms']:.0f}",
        f"{statistics.median(held.quiet_pings):.1f}",
        f"{statistics.median(busy):.1f} / {busy[-1]:.0f}",
        _seconds(held.eof_seconds),
        _seconds(held.gone_seconds),
        f"{held.closed['finished']:,}",
    ]


def run(scale: Scale) -> Report:
    """Each contender on a server of its own, one after the other."""
    cost = Table(
        "What a stream costs:",
        ["", "held", "to open all, s", "KB each", "threads", "CPU µs a line"],
    )
    service = Table(
        "How it serves and ends (ms: half / 99 of 100; other requests: half / worst):",
        [
            "",
            "delay, ms",
            "/ping before, ms",
            "/ping during, ms",
            "SIGTERM to EOF, s",
            "to gone, s",
            "looked finished",
        ],
    )
    report = Report("idle", "Idle streams", ABOUT, [cost, service])
    weights: dict[str, Samples] = {}
    for plan in _plans(scale):
        held = _hold(plan, scale.idle_ticks)
        cost.rows.append(_row_of_cost(held))
        service.rows.append(_row_of_service(held))
        weights[f"{plan.name}\n{held.collected['open']:,} streams"] = Samples(
            [max(held.kb_each, 0.01)]
        )
        if plan.ours:
            report.goals += _goals(held, scale.idle_ticks)

    def draw(path: Path) -> None:
        panels = {"Memory of an idle stream": weights}
        pictures.bars(path, panels, "KB each, less is better")

    report.draw = draw
    return report

"""Small items: what each 60-byte item costs on its way into a chunk.

In process first: the WSGI iterable is called and drained with no server at all, so
nanoseconds are the machinery's own (and the generator's, which is in every figure and
shown alone). Then over gunicorn, where an item that travels alone pays for a chunk,
a system call and a wake-up, and one that travels with a thousand others doesn't.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.test import create_environ

from .. import bodies, client, pictures
from ..report import Goal, Report, Samples, Table
from ..rounds import by_round, interleave
from ..scale import KB, Scale
from ..servers import Server, one_core, serve

if TYPE_CHECKING:
    from _typeshed import OptExcInfo

SIZE = len(bodies.ITEM)
CHUNK = 64 * KB
GOAL_NS = 150
GOAL_TIMES = 10

ABOUT = """\
Items of 60 bytes, about one short CSV row each. *In process*: nanoseconds an item, the
generator included, with the WSGI iterable drained in a loop and no server. *On the
wire*: items a second through one gunicorn gthread worker to a client on the same core.
In brackets the smallest and the largest round; ratios are taken round by round."""


def _join(source: Iterable[bytes]) -> Iterator[bytes]:
    """What anybody would write by hand: collect, count, join at 64 KiB."""
    parts: list[bytes] = []
    size = 0
    for item in source:
        parts.append(item)
        size += len(item)
        if size >= CHUNK:
            yield b"".join(parts)
            parts = []
            size = 0
    if parts:
        yield b"".join(parts)


def _drain(chunks: Iterable[bytes]) -> int:
    return sum(map(len, chunks))


def _alone(count: int) -> int:
    return _drain(bodies.items(count))


def _by_hand(count: int) -> int:
    return _drain(_join(bodies.items(count)))


def _start_response(
    status: str, headers: list[tuple[str, str]], exc_info: OptExcInfo | None = None
) -> Callable[[bytes], object]:
    if not status.startswith("200"):
        raise RuntimeError(status)
    return lambda data: None


def _through(app: Flask, path: str, count: int) -> int:
    environ = create_environ(f"{path}count={count}")
    chunks = app(environ, _start_response)
    try:
        return _drain(chunks)
    finally:
        chunks.close()  # type: ignore[attr-defined]


def _timed(count: int, work: Callable[[int], int]) -> float:
    begin = time.perf_counter_ns()
    size = work(count)
    spent = time.perf_counter_ns() - begin
    if size != count * SIZE:
        raise RuntimeError(f"{size} bytes instead of {count * SIZE}")
    return spent / count


def _in_process(scale: Scale) -> dict[str, Samples]:
    from .. import apps  # here, so that no other case pays for the import

    flask, sluice = apps.flask_app, apps.sluice_app
    works: dict[str, Callable[[int], int]] = {
        "bare: the generator alone": _alone,
        "bare: list and join by hand": _by_hand,
        "flask: Response, bytes": partial(_through, flask, "/flask/items?"),
        "flask: Response, text": partial(_through, flask, "/flask/text_items?"),
        "sluice: stream, bytes": partial(_through, sluice, "/sluice/items?"),
        "sluice: stream, text": partial(_through, sluice, "/sluice/text_items?"),
        "sluice: stream, max_delay=0.05": partial(
            _through, sluice, "/sluice/items?max_delay_ms=50&"
        ),
    }
    turns = {
        name: partial(_timed, scale.in_process_items, work)
        for name, work in works.items()
    }
    results = interleave(scale.rounds, turns)
    return {name: by_round(ns, float) for name, ns in results.items()}


def _fetch(server: Server, path: str, count: int) -> tuple[float, float, int]:
    before = server.cpu_seconds()
    [body] = client.fetch(server.port, f"{path}count={count}")
    if body["payload"] != count * SIZE:
        raise RuntimeError(f"{path}: {body['payload']} bytes, not {count * SIZE}")
    cpu = (server.cpu_seconds() - before) / count * 1e6
    return count / body["total_ns"] * 1e9, cpu, body["chunks"]


def _on_the_wire(scale: Scale) -> dict[str, list[tuple[float, float, int]]]:
    slow, fast = scale.wire_items_slow, scale.wire_items_fast
    with serve("gthread") as server, one_core(server):
        plans = {
            "bare WSGI": ("/bare/items?", slow),
            "flask Response(generator)": ("/flask/items?", slow),
            "sluice stream(generator)": ("/sluice/items?", fast),
            "sluice, max_delay=0.05": ("/sluice/items?max_delay_ms=50&", fast),
        }
        turns = {
            name: partial(_fetch, server, path, count)
            for name, (path, count) in plans.items()
        }
        return interleave(scale.rounds, turns)


def run(scale: Scale) -> Report:
    """In process, then on the wire."""
    costs = _in_process(scale)
    by_hand = costs["bare: list and join by hand"]
    inside = Table("In process:", ["", "ns an item", "to list and join by hand"])
    for name, ns in costs.items():
        inside.rows.append((name, ns.show(), ns.over(by_hand).show(2)))

    wire = _on_the_wire(scale)
    rates = {name: by_round(turns, lambda t: t[0]) for name, turns in wire.items()}
    cpus = {name: by_round(turns, lambda t: t[1]) for name, turns in wire.items()}
    plain = "flask Response(generator)"
    outside = Table(
        "On the wire, gunicorn gthread:",
        ["", "items/s", "to flask", "CPU µs an item", "items a chunk"],
    )
    for name, rate in rates.items():
        count = scale.wire_items_slow
        if name.startswith("sluice"):
            count = scale.wire_items_fast
        outside.rows.append(
            (
                name,
                rate.show(),
                rate.over(rates[plain]).show(1),
                cpus[name].show(2),
                f"{count / wire[name][-1][2]:,.0f}",
            )
        )

    goals = []
    for name in ("sluice: stream, bytes", "sluice: stream, text"):
        promise = f"{name}: under {GOAL_NS} ns an item, its generator included"
        goals.append(Goal(promise, costs[name].show(), costs[name].median < GOAL_NS))
    times = rates["sluice stream(generator)"].over(rates[plain])
    promise = f"at least {GOAL_TIMES} times the items of Response(generator)"
    goals.append(Goal(promise, times.show(1), times.median >= GOAL_TIMES))

    def draw(path: Path) -> None:
        panels = {"60-byte items, in process": costs}
        pictures.bars(path, panels, "ns an item, less is better")

    title = "Cost of a small item"
    return Report("items", title, ABOUT, [inside, outside], goals, draw)

"""First byte: how soon the ready part of a page is with the client.

The page's generator gives its head at once, then waits as if for a database, then
gives the rest. Whoever holds the head back shows the wait in the first figure; a
compressor that isn't flushed holds it back too. Each request opens a connection of its
own; time runs from before connect() to the first byte of the body.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from .. import client, pictures
from ..report import Goal, Report, Samples, Table
from ..rounds import by_round, interleave
from ..scale import Scale
from ..servers import Server, serve

PAUSE_MS = 20
ROWS = 20
ENCODERS = {"gzip": "zlib", "zstd": "zstandard", "br": "brotli"}

ABOUT = f"""\
A page of {ROWS} KB whose generator gives the head at once and the rest after a pause of
{PAUSE_MS} ms, through one gunicorn gthread worker, a new connection for each request.
Milliseconds from before connect() to the first byte of the body, the median of a
round's requests; in brackets the smallest and the largest round."""


@dataclass
class Turn:
    """The middle request of a round."""

    first: float
    whole: float
    payload: int


def _turn(server: Server, who: str, encoding: str, requests: int) -> Turn:
    path = f"/{who}/page?pause_ms={PAUSE_MS}&count={ROWS}"
    seen = client.fetch(server.port, path, repeats=requests, encoding=encoding)
    if any(body["encoding"] != encoding for body in seen):
        raise RuntimeError(f"{path}: asked for {encoding!r}, came {seen[0]}")
    return Turn(
        first=statistics.median(body["first_ns"] for body in seen) / 1e6,
        whole=statistics.median(body["total_ns"] for body in seen) / 1e6,
        payload=seen[0]["payload"],
    )


def _contenders() -> dict[str, tuple[str, str]]:
    plain = {
        "bare WSGI": ("bare", ""),
        "flask Response(generator)": ("flask", ""),
        "sluice stream(generator)": ("sluice", ""),
    }
    packed = {
        f"sluice, {name}": ("sluice", name)
        for name, module in ENCODERS.items()
        if find_spec(module)
    }
    return plain | packed


def run(scale: Scale) -> Report:
    """All contenders on one server."""
    with serve("gthread") as server:
        turns = {
            name: partial(_turn, server, who, encoding, scale.first_byte_requests)
            for name, (who, encoding) in _contenders().items()
        }
        results = interleave(scale.rounds, turns)
    first = {name: by_round(seen, lambda t: t.first) for name, seen in results.items()}
    bare = first["bare WSGI"]
    table = Table(
        "gunicorn gthread:",
        ["", "first byte, ms", "more than bare, ms", "whole page, ms", "bytes"],
    )
    for name, seen in results.items():
        more = Samples(a - b for a, b in zip(first[name], bare, strict=True))
        whole = by_round(seen, lambda t: t.whole)
        table.rows.append(
            (
                name,
                first[name].show(2),
                more.show(2),
                whole.show(1),
                f"{seen[0].payload:,}",
            )
        )
    held = [name for name, ms in first.items() if ms.median >= PAUSE_MS]
    slowest = max(first, key=lambda name: first[name].median)
    goal = Goal(
        f"the head never waits for the rest ({PAUSE_MS} ms), compressed or not",
        f"slowest: {slowest}, {first[slowest].show(2)} ms",
        not held,
    )

    def draw(path: Path) -> None:
        pictures.bars(path, {"First byte of a page": first}, "ms, less is better")

    return Report("firstbyte", "First byte", ABOUT, [table], [goal], draw)

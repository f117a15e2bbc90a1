"""A crowd: 100 connections that ask for the page again as soon as they have it whole.

One asyncio client reads plain sockets: a new connection for each page, chunks decoded,
every page checked for its last chunk and all of its slots. The connections start spread
over the slowest slot's time, so that they don't come in one wave; then a warm-up, then
a window that is a whole number of such times. Pages and CPU are counted in the window.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..report import Goal, Samples, Table
from ..rounds import shuffled
from ..scale import Scale
from ..servers import Server, serve
from .plan import ready_times, slots_of

CONNECTIONS = 100
SLOWEST_SECONDS = 1.6
READ_BYTES = 65536
NEEDLES = [
    f'<section id="{slot}"'.encode() for slot, _ in ready_times(slots_of("bench"))
]
PAGES_GOAL = 50
CPU_GOAL = 1.15

Clock = Callable[[], float]


@dataclass(frozen=True)
class Plan:
    """A server and how many threads it has."""

    app: str
    path: str
    threads: int
    queues: bool = False
    """Whether pages wait for threads, so that it takes long until all is steady."""


OURS = "sluice, 8 threads"
PLAIN = "flask, render_template parallel, 200 threads"
PLANS = {
    PLAIN: Plan("benchmarks.pages.peers:app", "/render-parallel", 200),
    "the same, queries with contexts": Plan(
        "benchmarks.pages.peers:app", "/render-parallel?contexts=1", 200
    ),
    "flask, stream_template parallel, 200 threads": Plan(
        "benchmarks.pages.peers:app", "/stream-parallel", 200
    ),
    "flask, stream_template parallel, 8 threads": Plan(
        "benchmarks.pages.peers:app", "/stream-parallel", 8, queues=True
    ),
    OURS: Plan("benchmarks.pages.ours:app", "/sluice", 8),
}


@dataclass
class Crowd:
    """What one run of the crowd saw; ms, and pages in the window."""

    first_bytes: list[float] = field(default_factory=list)
    wholes: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    rate: float = 0
    cpu_ms: float = 0
    threads: int = 0

    def first_byte(self, share: float) -> float:
        """The first byte's time that this share of the pages had at most."""
        ordered = sorted(self.first_bytes) or [float("inf")]
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def body_of(answer: bytes) -> bytes:
    """The body of an answer that is whole: chunked to its end, or of its length."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    if not lines[0].startswith(b"http/1.1 200"):
        raise ValueError(lines[0].decode() or "no answer")
    fields = dict(line.split(b": ", 1) for line in lines[1:])
    if fields.get(b"transfer-encoding") != b"chunked":
        if len(rest) != int(fields[b"content-length"]):
            raise ValueError("shorter than it said")
        return rest
    body = b""
    while rest:
        length, _, rest = rest.partition(b"\r\n")
        size = int(length, 16)
        if not size:
            if rest != b"\r\n":
                raise ValueError("more after the last chunk")
            return body
        body, rest = body + rest[:size], rest[size + 2 :]
    raise ValueError("no last chunk")


async def _page(port: int, request: bytes) -> tuple[float, float, bytes]:
    begin = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = await reader.read(READ_BYTES)
        first = time.monotonic()
        while piece := await reader.read(READ_BYTES):
            answer += piece
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return first - begin, time.monotonic() - begin, answer


async def _visitor(
    port: int, request: bytes, delay: float, seen: Crowd, counting: asyncio.Event
) -> None:
    await asyncio.sleep(delay)
    while True:
        first, whole, answer = await _page(port, request)
        if not counting.is_set():
            continue
        seen.first_bytes.append(first * 1000)
        seen.wholes.append(whole * 1000)
        try:
            body = body_of(answer)
            missing = [needle for needle in NEEDLES if needle not in body]
            if missing:
                raise ValueError(f"without {missing[0].decode()}")
        except ValueError as error:
            seen.broken.append(str(error))


async def _gather(server: Server, path: str, warm_up: float, window: float) -> Crowd:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Chrome/156.0.0.0\r\n"
        "Connection: close\r\n\r\n"
    ).encode()
    seen, counting = Crowd(), asyncio.Event()
    visitors = [
        asyncio.create_task(
            _visitor(
                server.port, request, SLOWEST_SECONDS * n / CONNECTIONS, seen, counting
            )
        )
        for n in range(CONNECTIONS)
    ]
    await asyncio.sleep(warm_up)
    counting.set()
    cpu, begin = server.cpu_seconds(), time.monotonic()
    await asyncio.sleep(window)
    counting.clear()
    seconds = time.monotonic() - begin
    seen.threads = server.threads()
    pages = len(seen.wholes)
    seen.cpu_ms = (server.cpu_seconds() - cpu) / max(pages, 1) * 1000
    seen.rate = pages / seconds
    for visitor in visitors:
        visitor.cancel()
    ends = await asyncio.gather(*visitors, return_exceptions=True)
    errors = [end for end in ends if not isinstance(end, asyncio.CancelledError)]
    seen.broken += map(repr, errors)
    return seen


def _turn(plan: Plan, scale: Scale) -> Crowd:
    # A server of its own for each turn: what a crowd leaves behind, as a queue of
    # pages that nobody waits for any more, must not be the next one's.
    with serve("gthread-many", plan.app, room=plan.threads, fails=True) as server:
        warm_up = scale.crowd_queue_seconds if plan.queues else 2 * SLOWEST_SECONDS
        return asyncio.run(_gather(server, plan.path, warm_up, scale.crowd_seconds))


def measure(scale: Scale) -> tuple[Table, list[Goal]]:
    """All plans, shuffled."""
    turns = {name: partial(_turn, plan, scale) for name, plan in PLANS.items()}
    results = shuffled(scale.crowd_rounds, turns, warm_up=False)
    table = Table(
        f"{CONNECTIONS} connections, slowest slot {SLOWEST_SECONDS} s (at most "
        f"{CONNECTIONS / SLOWEST_SECONDS} pages/s), one gunicorn gthread worker:",
        [
            "",
            "pages/s",
            "CPU, ms a page",
            "first byte, p50 ms",
            "first byte, p95 ms",
            "whole page, p50 ms",
            "threads",
            "whole pages",
        ],
    )
    for name, crowds in results.items():
        pages = sum(len(crowd.wholes) for crowd in crowds)
        broken = sum(len(crowd.broken) for crowd in crowds)
        table.rows.append(
            (
                name,
                Samples(crowd.rate for crowd in crowds).show(1),
                Samples(crowd.cpu_ms for crowd in crowds).show(2),
                Samples(crowd.first_byte(0.5) for crowd in crowds).show(),
                Samples(crowd.first_byte(0.95) for crowd in crowds).show(),
                Samples(
                    statistics.median(crowd.wholes or [float("inf")])
                    for crowd in crowds
                ).show(),
                f"{max(crowd.threads for crowd in crowds)}",
                f"{pages - broken:,} of {pages:,}",
            )
        )
    return table, _goals(results)


def _goals(results: dict[str, list[Crowd]]) -> list[Goal]:
    ours = Samples(crowd.rate for crowd in results[OURS])
    cpu = {
        name: Samples(crowd.cpu_ms for crowd in results[name]) for name in (OURS, PLAIN)
    }
    ratio = cpu[OURS].over(cpu[PLAIN])
    broken = [words for crowd in results[OURS] for words in crowd.broken]
    return [
        Goal(
            f"{OURS}: at least {PAGES_GOAL} pages/s at {CONNECTIONS} connections, all "
            "of them whole",
            f"{ours.show(1)}, broken: {len(broken)} {broken[:1] or ''}".rstrip(),
            ours.median >= PAGES_GOAL and not broken,
        ),
        Goal(
            f"{OURS}: CPU a page at most {CPU_GOAL} of {PLAIN}",
            ratio.show(2),
            ratio.median <= CPU_GOAL,
        ),
    ]

"""Bodies that are still there when their client leaves, stops reading or is late.

Strategy: each says in the journal that it was told of the departure, and how it was
closed. Endless ones, silent ones, greedy ones, and feeds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from door import gates, note
from feeds import BlockFeed, HandFed
from flask import Blueprint, current_app, request
from lives import BLOCK, PACE, Life

from flask_sluice import Sluice, flush, stream
from flask_sluice.pubsub import Ticker

leavers = Blueprint("leavers", __name__)
ticker = Ticker(lambda n: f"tick {n}\n", interval=0.05)
slow_ticker = Ticker(lambda n: f"tick {n}\n", interval=1.0)


def _sluice() -> Sluice:
    found: Sluice = current_app.extensions["sluice"]
    return found


def _watch(key: str) -> None:
    _sluice().on_leave(lambda: note(key, "on_leave"))


def _endless(key: str) -> Iterator[Any]:
    while True:
        yield "more\n"
        yield flush
        time.sleep(PACE)


@leavers.get("/busy/<key>")
def busy(key: str) -> Any:
    """Yield for ever."""

    def body() -> Iterator[Any]:
        with Life(key):
            _watch(key)
            yield from _endless(key)

    return stream(body(), mimetype="text/plain")


@leavers.get("/silent/<key>")
def silent(key: str) -> Any:
    """One line, then silence until the gate opens; then lines for ever."""

    def body() -> Iterator[Any]:
        with Life(key):
            _watch(key)
            yield "first\n"
            yield flush
            note(key, "blocked")
            gates[key].wait()
            note(key, "woken", gone=_sluice().client_gone())
            yield from _endless(key)

    delay = request.args.get("max_delay", type=float)
    return stream(body(), mimetype="text/plain", max_delay=delay)


@leavers.get("/asking/<key>")
def asking(key: str) -> Any:
    """Send nothing, but ask whether the client is still there."""

    def body() -> Iterator[Any]:
        with Life(key):
            yield "first\n"
            yield flush
            note(key, "blocked")
            while not _sluice().client_gone():
                if gates[key].wait(PACE):
                    break
            else:
                note(key, "client gone")
            yield "bye\n"

    return stream(body(), mimetype="text/plain")


@leavers.get("/silent-async/<key>")
def silent_async(key: str) -> Any:
    """Give an async generator that waits for ever."""

    async def body() -> AsyncIterator[Any]:
        with Life(key):
            _watch(key)
            yield "first\n"
            yield flush
            note(key, "blocked")
            await gates[key].wait_async()
            while True:
                yield "more\n"
                yield flush
                await asyncio.sleep(PACE)

    return stream(body(), mimetype="text/plain")


@leavers.get("/big/<key>")
def big(key: str) -> Any:
    """Blocks of 64 KiB for ever, or `n` of them, in the ways that there are.

    With `slow` the view itself waits at the gate first.
    """
    if "slow" in request.args:
        _watch(key)
        note(key, "in the view")
        gates[key].wait()
    count = request.args.get("n", default=1 << 40, type=int)

    def body() -> Iterator[bytes]:
        with Life(key):
            for _ in range(count):
                yield BLOCK

    async def async_body() -> AsyncIterator[bytes]:
        with Life(key):
            for _ in range(count):
                yield BLOCK

    bodies = {"pulled": body, "async": async_body, "feed": lambda: BlockFeed(key)}
    return stream(
        bodies[request.args.get("kind", "pulled")](),
        mimetype="application/octet-stream",
        max_delay=request.args.get("max_delay", type=float),
        deadline=request.args.get("deadline", type=float),
    )


@leavers.get("/deadline/<kind>/<key>")
def deadline(kind: str, key: str) -> Any:
    """Be given 0.3 s, and want more."""

    def body() -> Iterator[Any]:
        with Life(key):
            yield from _endless(key)

    async def async_body() -> AsyncIterator[Any]:
        with Life(key):
            yield "first\n"
            yield flush
            await gates[key].wait_async()

    bodies = {"pulled": body, "async": async_body, "feed": lambda: HandFed(key)}
    return stream(bodies[kind](), mimetype="text/plain", deadline=0.3)


@leavers.get("/hand/<key>")
def hand(key: str) -> Any:
    """Send what the test feeds."""
    _watch(key)
    return stream(HandFed(key), mimetype="text/plain")


@leavers.get("/ticker/<key>")
def ticks(key: str) -> Any:
    """A line every 50 ms."""
    return stream(ticker.subscribe(), mimetype="text/plain")


@leavers.get("/slow-ticker/<key>")
def slow_ticks(key: str) -> Any:
    """A line every second."""
    return stream(slow_ticker.subscribe(), mimetype="text/plain")

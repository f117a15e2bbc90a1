"""Redis between processes: what an event costs its reader, on many channels.

Ours, whose reader keeps each channel's history and sees gaps, beside a bare loop on
redis-py's own pub/sub, which does neither.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from flask_sluice.pubsub import Hub

from ..report import Goal, Samples, Table
from ..scale import Scale
from .ticks import PADDING

RATE = 800.0  # events a second, over all channels
WAIT = 20.0

Told = tuple[int, float, float]
"""Events, the median delay in ms, CPU in microseconds an event."""


def _name(number: int) -> str:
    return f"c{number}"


def _delay(data: bytes) -> float:
    at = data.index(b"@")
    return time.monotonic() - float(data[at + 1 : at + 19])


def _summed(delays: list[float], cpu: float) -> Told:
    found = len(delays)
    return found, statistics.median(delays or [0]) * 1e3, cpu / max(found, 1) * 1e6


def read_ours(url: str, channels: int, events: int, ready: Any, told: Any) -> None:
    """Reads each channel by a subscription, as a stream would."""
    hub, delays, over = Hub(url), [], threading.Event()
    feeds = [hub.channel(_name(n)).subscribe(heartbeat=None) for n in range(channels)]

    def follow(feed: Any) -> None:
        def wake() -> None:
            data = feed.take()
            if data is None:
                return
            blocks = data.split(b"\n\n") if data else []
            delays.extend(_delay(block) for block in blocks if b"@" in block)
            if len(delays) >= events:
                over.set()
            feed.notify(wake)

        feed.take()
        feed.notify(wake)

    for feed in feeds:
        follow(feed)
    ready.set()
    begin = time.process_time()
    over.wait(WAIT)
    told.put(_summed(delays, time.process_time() - begin))


def read_bare(url: str, channels: int, events: int, ready: Any, told: Any) -> None:
    """Reads them all by one PubSub."""
    pubsub = redis.Redis.from_url(url).pubsub()
    pubsub.subscribe(*map(_name, range(channels)))
    confirmed = 0
    while confirmed < channels:
        message = pubsub.get_message(timeout=2)
        confirmed += bool(message and message["type"] == "subscribe")
    ready.set()
    delays: list[float] = []
    begin = time.process_time()
    while len(delays) < events:
        message = pubsub.get_message(timeout=WAIT)
        if message is None:
            break
        delays.append(_delay(message["data"]))
    told.put(_summed(delays, time.process_time() - begin))


def publish_ours(url: str) -> Callable[[int, str], object]:
    """By the hub."""
    hub = Hub(url)
    return lambda number, data: hub.channel(_name(number)).publish(data)


def publish_bare(url: str) -> Callable[[int, str], object]:
    """By PUBLISH."""
    line = redis.Redis.from_url(url)
    return lambda number, data: line.publish(_name(number), data)


def _round(read: Any, publish: Any, url: str, channels: int, events: int) -> Told:
    context = multiprocessing.get_context("spawn")
    ready, told = context.Event(), context.Queue()
    reader = context.Process(target=read, args=(url, channels, events, ready, told))
    reader.start()
    assert ready.wait(60), "the reader did not begin"
    send = publish(url)
    due = time.monotonic()
    for number in range(events):
        due += 1 / RATE
        time.sleep(max(0.0, due - time.monotonic()))
        send(number % channels, f"@{time.monotonic():018.6f} {PADDING}")
    found: Told = told.get(timeout=60)
    reader.join()
    return found


def measure(scale: Scale, url: str) -> tuple[Table, list[Goal]]:
    """Both, in turn, on few channels and on many."""
    table = Table(
        f"One reading process, {RATE:.0f} events a second by way of Redis.",
        ["", "channels", "CPU µs an event", "p50 ms", "lost"],
    )
    goals: list[Goal] = []
    contenders = {
        "sluice": (read_ours, publish_ours),
        "redis-py, bare pub/sub": (read_bare, publish_bare),
    }
    for channels in (20, 1000):
        cpu = {name: Samples() for name in contenders}
        delay = {name: Samples() for name in contenders}
        lost = dict.fromkeys(contenders, 0)
        for _ in range(scale.event_rounds):
            for name, (read, publish) in contenders.items():
                seen = _round(read, publish, url, channels, scale.event_wire_events)
                lost[name] += scale.event_wire_events - seen[0]
                delay[name].append(seen[1])
                cpu[name].append(seen[2])
        for name in contenders:
            table.rows.append(
                [
                    name,
                    f"{channels:,}",
                    cpu[name].show(),
                    delay[name].show(2),
                    str(lost[name]),
                ]
            )
    ours, delays = cpu["sluice"], delay["sluice"]
    goals += [
        Goal(
            "Redis, 1,000 channels: CPU µs an event, at most 100",
            ours.show(),
            ours.median <= 100,
        ),
        Goal("the same: p50 under 1 ms", delays.show(2), delays.median < 1.0),
        Goal("the same: lost 0", str(lost["sluice"]), lost["sluice"] == 0),
    ]
    return table, goals

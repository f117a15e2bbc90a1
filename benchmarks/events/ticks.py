"""What all of them publish: numbered ticks, at a rate or as fast as it goes."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable

PADDING = "x" * 100
_numbers = itertools.count(1)


def tick() -> str:
    """The next event's data."""
    return f"tick {next(_numbers)} {time.monotonic_ns()} {PADDING}"


def in_thread(publish: Callable[[str], object], count: int, rate: float) -> None:
    """Publishes from a thread of its own."""

    def work() -> None:
        due = time.monotonic()
        for _ in range(count):
            publish(tick())
            if rate:
                due += 1 / rate
                time.sleep(max(0.0, due - time.monotonic()))

    threading.Thread(target=work, daemon=True).start()


_tasks: set[asyncio.Task[None]] = set()


def in_task(publish: Callable[[str], object], count: int, rate: float) -> None:
    """Publishes from a task of the running loop."""

    async def work() -> None:
        due = time.monotonic()
        for _ in range(count):
            publish(tick())
            if rate:
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    task = asyncio.get_running_loop().create_task(work())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


class Queues:
    """A queue for each client, as the peers' own examples have it."""

    def __init__(self) -> None:
        self.open: set[asyncio.Queue[str]] = set()

    def publish(self, data: str) -> None:
        """Puts an event into each queue."""
        for queue in list(self.open):
            queue.put_nowait(data)

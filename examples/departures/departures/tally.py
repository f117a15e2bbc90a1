"""Count what the streams of this process came to.

The extension's signal goes in, a dictionary that is ready for JSON comes out. Each
worker process has a tally of its own.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from flask import Flask

from flask_sluice import Sluice
from flask_sluice.signals import stream_finished

OUTCOMES = ("complete", "failed", "left", "expired")
#: Open streams that are listed one by one; all of them are counted.
LISTED = 20


class Tally:
    """Totals since this process started."""

    def __init__(self, app: Flask, sluice: Sluice) -> None:
        self._sluice = sluice
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._drivers: Counter[str] = Counter()
        self._bytes_made = self._bytes_sent = self._chunks = 0
        # blinker holds its receivers weakly: this one lives as long as the tally.
        stream_finished.connect(self._finished, app)

    def _finished(
        self,
        app: Flask,
        *,
        stream: Any,
        outcome: str,
        bytes_made: int,
        bytes_sent: int,
        chunks: int,
        **_: object,
    ) -> None:
        with self._lock:
            self._outcomes[outcome] += 1
            self._drivers[stream.driver] += 1
            self._bytes_made += bytes_made
            self._bytes_sent += bytes_sent
            self._chunks += chunks

    def snapshot(self) -> dict[str, Any]:
        """Return everything as it is now."""
        streams = list(self._sluice.streams)
        with self._lock:
            outcomes = {name: self._outcomes[name] for name in OUTCOMES}
            drivers = dict(self._drivers)
            totals = {
                "bytes_made": self._bytes_made,
                "bytes_sent": self._bytes_sent,
                "chunks": self._chunks,
            }
        return {
            "open": {
                "count": len(streams),
                "by_driver": Counter(s.driver for s in streams),
                "newest": [described(s) for s in streams[: -LISTED - 1 : -1]],
            },
            "finished": {
                "count": sum(outcomes.values()),
                **outcomes,
                **totals,
                "by_driver": drivers,
            },
            "process": {
                "pid": os.getpid(),
                "rss_bytes": resident(),
                "threads": threads(),
                "uptime_seconds": round(time.monotonic() - self._began, 1),
                "python": sys.version.split()[0],
            },
        }


def described(stream: Any) -> dict[str, Any]:
    """Return an open stream for the list, without its client's address."""
    return {
        "id": stream.id,
        "path": stream.path,
        "driver": stream.driver,
        "seconds": round(stream.seconds, 1),
        "bytes_sent": stream.bytes_sent,
        "chunks": stream.chunks,
    }


def threads() -> int:
    """Return how many threads the system counts, or else Python does."""
    return status("Threads:") or threading.active_count()


def resident() -> int | None:
    """Return this process's memory in bytes, where the system tells it."""
    kilobytes = status("VmRSS:")
    return kilobytes and kilobytes * 1024


def status(name: str) -> int | None:
    """Read a number of this process from Linux."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(x.split()[1]) for x in lines if x.startswith(name)), None)

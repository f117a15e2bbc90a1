"""The example app as the tests see it: its data once loaded, its server once started.

In: the example's folder, from which nothing is imported here. Out: the types of the
fixtures in conftest.py, and what several tests ask of them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "departures"
FLIGHTS = 336_776
LOOPBACK = "127.0.0.1"
#: Seconds for a query that isn't meant to take too long, on a busy machine too.
PATIENCE = 120


def environment(instance: Path) -> dict[str, str]:
    """Let a subprocess find the app, the library and the data."""
    paths = [str(EXAMPLE), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "DEPARTURES_INSTANCE": str(instance),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FLASK_DASHBOARD_PATIENCE": str(PATIENCE),
        "FLASK_SUMMARY_PACE": "0.008",
    }


class Loaded(NamedTuple):
    """An instance folder, and what its two loaders said."""

    instance: Path
    said: list[str]
    told: list[str]
    seconds: float

    @property
    def database(self) -> Path:
        """The only database in there."""
        (found,) = self.instance.glob("*.sqlite3")
        return found


class Server(NamedTuple):
    """A running gunicorn."""

    port: int
    log: Path

    @contextmanager
    def get(self, path: str) -> Iterator[HTTPResponse]:
        """Give the response as soon as it begins; leave it at the end."""
        with closing(HTTPConnection(LOOPBACK, self.port, timeout=10)) as connection:
            connection.request("GET", path)
            with connection.getresponse() as response:
                yield response

    def stats(self) -> dict[str, Any]:
        """Return /stats."""
        with self.get("/stats.json") as response:
            numbers: dict[str, Any] = json.load(response)
        return numbers

    def stats_when(self, ready: str, count: int) -> dict[str, Any]:
        """Ask for /stats until so many streams are open or finished."""
        until = time.monotonic() + 10
        while True:
            numbers = self.stats()
            if numbers[ready]["count"] == count or time.monotonic() > until:
                assert numbers[ready]["count"] == count, numbers
                return numbers


def answers(port: int) -> bool:
    """Tell whether the server answers yet."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/stats.json", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def one(db: sqlite3.Connection, query: str, *values: object) -> Any:
    """Ask for one value."""
    return db.execute(query, values).fetchone()[0]

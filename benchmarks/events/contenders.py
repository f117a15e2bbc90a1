"""Who is compared: a server, an app, and how each is told to publish."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..npm import installed
from ..servers import Server, get, serve
from . import nchan
from .ticks import tick

HERE = Path(__file__).resolve().parent
MODULES = "benchmarks.events"

Publish = Callable[[Server, int, float], None]


def ask(server: Server, count: int, rate: float) -> None:
    """Has the server publish by itself, in the background."""
    get(server.port, f"/publish?count={count}&rate={rate}")


def post(server: Server, count: int, rate: float) -> None:
    """Posts each event, one request after another on one connection."""

    def work() -> None:
        line = http.client.HTTPConnection("127.0.0.1", server.port)
        due = time.monotonic()
        for _ in range(count):
            line.request("POST", "/post", body=tick())
            line.getresponse().read()
            if rate:
                due += 1 / rate
                time.sleep(max(0.0, due - time.monotonic()))
        line.close()

    threading.Thread(target=work, daemon=True).start()


@dataclass(frozen=True)
class Contender:
    """One way to send events."""

    name: str
    kind: str
    app: str
    crowd: bool = True
    """Whether it is given ten thousand clients, or a thousand."""
    publish: Publish = ask
    is_late: bool = False
    """It sends no headers before its first event."""

    @contextmanager
    def served(self, redis_url: str) -> Iterator[Server]:
        """Its server, running."""
        app = self.app
        if self.kind == "node":
            app = str(installed(HERE, ("*.mjs", "package.json")) / app)
        more = {"BENCH_REDIS": redis_url}
        with serve(self.kind, app, more=more, fails=True) as server:
            yield server


OURS = Contender("sluice, gthread, 8 threads", "gthread-crowd", f"{MODULES}.ours:app")
NCHAN = Contender("nchan (nginx)", "module", f"{MODULES}.nchan", publish=post)
BETTER = Contender("better-sse, Node", "node", "better.mjs")
STARLETTE = Contender(
    "sse-starlette, uvicorn", "uvicorn-crowd", f"{MODULES}.starlette_app:app"
)
CONTENDERS = (
    OURS,
    NCHAN,
    BETTER,
    STARLETTE,
    Contender("sluice, gevent", "gevent-crowd", f"{MODULES}.ours:app"),
    Contender("sluice, uvicorn", "uvicorn-crowd", f"{MODULES}.ours:asgi"),
    Contender("aiohttp-sse", "module", f"{MODULES}.aiohttp_app"),
    Contender(
        "Flask-SSE, gevent",
        "gevent-crowd",
        f"{MODULES}.flask_sse_app:app",
        crowd=False,
        is_late=True,
    ),
    Contender(
        "django-eventstream, uvicorn",
        "uvicorn-crowd",
        f"{MODULES}.django_app:app",
        crowd=False,
    ),
)


def missing() -> list[str]:
    """What can't run here, in words."""
    found = [] if nchan.is_installed() else ["nchan (Debian: libnginx-mod-nchan)"]
    if not any(Path(p, "node").exists() for p in os.environ["PATH"].split(":")):
        found.append("Node")
    return found

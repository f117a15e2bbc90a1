"""Who takes part: a name, a server, a path, a browser, and what it shows of a slot.

`cast()` starts every server and both browsers and keeps them for as long as the block;
a contender is then an URL and a browser. What is measured is none of its business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ..browser import Chromium, chromium, driver
from ..servers import Server, serve
from . import node

FLASK = "benchmarks.pages.app:application"
THREADS = 64
"""More than a browser can ask for at once: here nobody waits for a thread."""


@dataclass(frozen=True)
class Contender:
    """One way to serve the page."""

    name: str
    server: str
    path: str
    native: bool = True
    """Which browser looks: today's, or one that knows nothing of `<template for>`."""
    fallbacks: bool = True
    """Whether it shows something in a slot's place until the slot is ready."""

    @property
    def ours(self) -> bool:
        """Whether the goals are for this one."""
        return self.name.startswith("sluice")


NATIVE, FALLBACK, MARKO = "sluice, native", "sluice, fallback", "Marko 6"
PLAIN = "flask, render_template parallel"

CONTENDERS = [
    Contender(
        "flask, render_template sequential",
        "flask",
        "/render-sequential",
        fallbacks=False,
    ),
    Contender(PLAIN, "flask", "/render-parallel", fallbacks=False),
    Contender(
        "flask, stream_template parallel",
        "flask",
        "/stream-parallel",
        fallbacks=False,
    ),
    Contender("FlaskSR 0.6, sequential", "flask", "/flasksr"),
    Contender("FlaskSR 0.6, parallel", "flask", "/flasksr-parallel"),
    Contender("React 19", "react", "/"),
    Contender(MARKO, "marko", "/"),
    Contender(NATIVE, "flask", "/sluice"),
    Contender(FALLBACK, "flask", "/sluice", native=False),
]


@dataclass
class Cast:
    """Everybody, running."""

    servers: Mapping[str, Server]
    browsers: Mapping[bool, Chromium]

    def url(self, who: Contender, **query: object) -> str:
        """The contender's page."""
        return self.at(who.server, who.path, **query)

    def at(self, server: str, path: str, **query: object) -> str:
        """A page of one of the servers."""
        words = "&".join(f"{key}={value}" for key, value in query.items())
        return f"http://127.0.0.1:{self.servers[server].port}{path}?{words}"

    def browser(self, who: Contender) -> Chromium:
        """The browser that looks at it."""
        return self.browsers[who.native]


@contextmanager
def cast() -> Iterator[Cast]:
    """Servers and browsers for as long as the block."""
    folder = node.installed()
    with ExitStack() as stack:
        start = stack.enter_context
        servers = {
            "flask": start(serve("gthread-many", FLASK, room=THREADS, fails=True)),
            "react": start(serve("node", str(folder / "react.mjs"))),
            "marko": start(serve("node", str(folder / "marko.mjs"))),
        }
        playwright = start(driver())
        browsers = {
            native: start(chromium(playwright, native)) for native in (True, False)
        }
        yield Cast(servers, browsers)

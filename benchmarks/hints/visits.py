"""Visits of the page in Chromium, far away from its server: when what was there.

In: an address of each way and proxy. Out: rounds of visits. Each has a context of its
own, so a connection of its own, an empty cache and no cookie.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..browser import FLAGS, SECONDS, SETTLE_SECONDS, WATCH_IDS, Chromium, driver
from ..rounds import shuffled
from ..servers import serve
from .app import FILES, WAYS
from .link import far_away
from .netlog import Loading, loadings
from .proxies import PROXIES, proxied

APP = "benchmarks.hints.app:application"
THREADS = 32
LEARNING = 3
"""Visits before it counts: by then all that is learned goes ahead."""

READ = """
() => {
  const [page] = performance.getEntriesByType("navigation")
  const [paint] = performance.getEntriesByName("first-contentful-paint")
  return {
    request: page.requestStart, loaded: page.loadEventEnd,
    paint: paint ? paint.startTime : 0, rows: window.__seen.rows || 0,
    hinted: performance.getEntriesByType("resource")
      .filter(entry => entry.initiatorType == "early-hints").length,
  }
}
"""

Key = tuple[str, str]
"""A proxy's name and a way's."""


@dataclass
class Visit:
    """One page view; ms after the start of the navigation.

    :ivar paint: the first contentful paint.
    :ivar rows: when the rows were visible.
    :ivar hinted: how many files the browser says it fetched for an early hint.
    """

    request: float
    paint: float
    rows: float
    loaded: float
    hinted: int
    first_byte: float = 0.0
    files: tuple[float, ...] = ()

    def place(self, loading: Loading) -> None:
        """Add what only the network's log knows, by the moment both know of."""
        sent, first = loading.page.sent, loading.page.first
        assert sent is not None
        assert first is not None
        shift = self.request - sent
        self.first_byte = first + shift
        self.files = tuple(loading.there(name) + shift for name in FILES)


@dataclass
class Scene:
    """A browser, and the addresses that lead through each proxy."""

    chromium: Chromium
    sites: dict[str, str]

    def url(self, proxy: str, way: str) -> str:
        """Give the address of a page."""
        return f"{self.sites[proxy]}/{way}/"

    def visit(self, url: str) -> Visit:
        """Load a page, and read what it knows of itself."""
        with self.chromium.page(script=WATCH_IDS % '["rows"]') as page:
            page.goto(url, wait_until="load", timeout=SECONDS * 1000)
            limit = time.monotonic() + SETTLE_SECONDS
            read = page.evaluate(READ)
            while not (read["paint"] and read["rows"] and read["loaded"]):
                if time.monotonic() > limit:
                    raise RuntimeError(f"{url}: not shown: {read}")
                page.wait_for_timeout(20)
                read = page.evaluate(READ)
            return Visit(**read)


@contextmanager
def scene(log: Path | None = None) -> Iterator[Scene]:
    """Server, proxies, links and a browser, for as long as the block.

    :param log: where the browser writes what its network does.
    """
    with ExitStack() as stack:
        server = stack.enter_context(serve("gthread-many", APP, room=THREADS))
        running = stack.enter_context(proxied(server.port))
        sites = {
            name: f"https://127.0.0.1:{stack.enter_context(far_away(port))}"
            for name, port in running.ports.items()
        }
        trust = f"--ignore-certificate-errors-spki-list={running.key_hash}"
        flags = [*FLAGS, trust, *([f"--log-net-log={log}"] if log else [])]
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        playwright = stack.enter_context(driver())
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        stack.callback(browser.close)
        made = Scene(Chromium(browser, native=True), sites)
        for proxy in PROXIES:
            for way in WAYS:
                for _ in range(LEARNING):
                    made.visit(made.url(proxy, way))
        yield made


def look(rounds: int) -> tuple[dict[Key, list[Visit]], str]:
    """Visit everybody, again and again; give the visits, and the browser's version."""
    order: list[Visit] = []

    def turn(stage: Scene, url: str) -> Visit:
        visit = stage.visit(url)
        order.append(visit)
        return visit

    with tempfile.TemporaryDirectory(prefix="bench-hints-") as folder:
        log = Path(folder) / "network.json"
        with scene(log) as stage:
            urls = {
                f"{proxy}/{way}": stage.url(proxy, way)
                for proxy in PROXIES
                for way in WAYS
            }
            turns: dict[str, Callable[[], Visit]] = {
                key: partial(turn, stage, url) for key, url in urls.items()
            }
            results = shuffled(rounds, turns, warm_up=False)
            version = stage.chromium.version()
        seen = loadings(log, list(urls.values()))[-len(order) :]
    for visit, loading in zip(order, seen, strict=True):
        visit.place(loading)
    return {
        (proxy, way): results[f"{proxy}/{way}"] for proxy in PROXIES for way in WAYS
    }, version

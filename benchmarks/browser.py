"""Headless Chromium as the one who looks: what was visible when, page by page.

`chromium(native)` starts a browser; each visit has a context of its own, with an empty
cache and a connection of its own. A small script, added by the browser and so the same
for every page, looks once a frame which of the wanted ids have boxes; a hidden staging
node has none. Times are the page's own clock, ms after the start of the navigation.
Nothing here knows how a page was made.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, Playwright, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LEGACY_FLAG = "--disable-blink-features=DocumentPatching,HTMLProcessingInstruction"
LEGACY_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
SECONDS = 30.0
SETTLE_SECONDS = 1.0
"""How long after a page's end something may still become visible."""
POLL_SECONDS = 0.02

WATCH_IDS = """
(() => {
  const wanted = new Set(%s), seen = window.__seen = {}
  const look = () => {
    for (const id of wanted) {
      const element = document.getElementById(id)
      if (element && element.getClientRects().length) {
        seen[id] = performance.now()
        wanted.delete(id)
      }
    }
    if (wanted.size) requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})()
"""

WATCH_COUNT = """
(() => {
  const seen = window.__seen = {}
  const look = () => {
    const all = document.getElementsByClassName("s")
    if (all.length == %d && all[all.length - 1].getClientRects().length) {
      seen.all = performance.now()
    } else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})()
"""

READ = """
() => {
  const [page] = performance.getEntriesByType("navigation")
  const [paint] = performance.getEntriesByName("first-contentful-paint")
  return {
    origin: performance.timeOrigin, request: page.requestStart,
    first: page.responseStart, last: page.responseEnd,
    ready: page.domContentLoadedEventEnd, loaded: page.loadEventEnd,
    bytes: page.decodedBodySize, sent: page.encodedBodySize,
    paint: paint ? paint.startTime : 0, seen: window.__seen,
  }
}
"""

SHOWN = """
ids => ids.filter(id => {
  const element = document.getElementById(id)
  return element && element.getClientRects().length && !element.closest("sr-component")
})
"""

# What FlaskSR left behind in its stream, below the page, isn't in its place.
IN_ORDER = """
ids => {
  const all = [...document.querySelectorAll("section[id]")]
    .filter(element => !element.closest("sr-component")).map(element => element.id)
  return JSON.stringify(all) == JSON.stringify(ids)
}
"""


@dataclass
class Visit:
    """One page view; ms after the start of the navigation."""

    request: float
    first_byte: float
    last_byte: float
    first_paint: float
    dom_ready: float
    loaded: float
    bytes: int
    sent: int
    """The same as it came, compressed where the server does that."""
    seen: dict[str, float]
    started: float
    """When the server began, as it says itself: both read the machine's one clock."""
    in_order: bool
    """Whether the end shows the wanted ids, each once, in the document's order."""
    main_thread: float
    """ms that the page's main thread was busy, by Chromium's own account."""


@dataclass
class Glance:
    """What a page shows at one moment."""

    shown: list[str]
    """Which of the wanted ids are visible in their places."""
    state: str
    """The document's readyState."""
    text: str
    """All that a reader sees, in one line."""


@dataclass
class Chromium:
    """One browser process."""

    browser: Browser
    native: bool

    @contextmanager
    def page(self, scripts: bool = True, script: str = "") -> Iterator[Page]:
        """A page in a fresh context."""
        context = self.browser.new_context(
            java_script_enabled=scripts,
            # Client hints would tell the truth, and can't be switched off.
            user_agent=None if self.native else LEGACY_AGENT,
            extra_http_headers={} if self.native else {"Sec-CH-UA": ""},
            viewport={"width": 800, "height": 600},
        )
        try:
            page = context.new_page()
            if script:
                page.add_init_script(script)
            yield page
        finally:
            context.close()

    def version(self) -> str:
        """The browser's name and version."""
        return f"Chromium {self.browser.version}"

    def visit(self, url: str, ids: Sequence[str]) -> Visit:
        """Loads a page to its end and says when each of the ids was first visible."""
        return self._visit(url, WATCH_IDS % json.dumps(list(ids)), ids)

    def visit_burst(self, url: str, count: int) -> Visit:
        """The same for a page whose `count` elements of class "s" come at once."""
        return self._visit(url, WATCH_COUNT % count, ["all"])

    def _visit(self, url: str, script: str, ids: Sequence[str]) -> Visit:
        with self.page(script=script) as page:
            account = page.context.new_cdp_session(page)
            account.send("Performance.enable")
            response = page.goto(url, wait_until="load", timeout=SECONDS * 1000)
            assert response is not None
            if response.status != 200:
                raise RuntimeError(f"{url}: status {response.status}")
            limit = time.monotonic() + SETTLE_SECONDS
            read = page.evaluate(READ)
            while not (
                read["paint"] and read["loaded"] and len(read["seen"]) == len(ids)
            ):
                if time.monotonic() > limit:
                    break
                page.wait_for_timeout(POLL_SECONDS * 1000)
                read = page.evaluate(READ)
            metrics = account.send("Performance.getMetrics")["metrics"]
            busy = next(m["value"] for m in metrics if m["name"] == "TaskDuration")
            return Visit(
                request=read["request"],
                first_byte=read["first"],
                last_byte=read["last"],
                first_paint=read["paint"],
                dom_ready=read["ready"],
                loaded=read["loaded"],
                bytes=read["bytes"],
                sent=read["sent"],
                seen=read["seen"],
                started=float(response.headers.get("x-start", 0)) - read["origin"],
                in_order=bool(page.evaluate(IN_ORDER, list(ids))),
                main_thread=busy * 1000,
            )

    def watch(
        self, url: str, ids: Sequence[str], moments: Sequence[float], scripts: bool
    ) -> list[Glance]:
        """What a page shows that many seconds after the server began.

        Also for a page that never ends, fails, or may run no script. What isn't there
        yet at a moment shows nothing.
        """
        glances = []
        with self.page(scripts) as page:
            response = page.goto(url, wait_until="commit", timeout=SECONDS * 1000)
            assert response is not None
            begin = float(response.headers["x-start"]) / 1000
            for moment in moments:
                left = begin + moment - time.time()
                if left < 0:
                    glances.append(Glance([], "no page", ""))
                    continue
                page.wait_for_timeout(left * 1000)
                glances.append(
                    Glance(
                        shown=list(page.evaluate(SHOWN, list(ids))),
                        state=str(page.evaluate("document.readyState")),
                        text=" ".join(page.inner_text("body").split()),
                    )
                )
        return glances


@contextmanager
def driver() -> Iterator[Playwright]:
    """Playwright, which speaks to the browsers."""
    with sync_playwright() as playwright:
        yield playwright


@contextmanager
def chromium(playwright: Playwright, native: bool = True) -> Iterator[Chromium]:
    """A browser; `native=False` takes away what Chromium 150 brought for slots."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    browser = playwright.chromium.launch(
        executable_path=program,
        args=FLAGS if native else [*FLAGS, LEGACY_FLAG],
    )
    try:
        yield Chromium(browser, native)
    finally:
        browser.close()

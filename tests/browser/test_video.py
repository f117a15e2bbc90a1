"""Chromium shows each frame when it is sent, and not when the next one is."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from flask_sluice import Sluice, stream_frames
from flask_sluice.video import Camera
from helpers import PATIENCE, until
from needs import needs
from video.watching import END, HandSource

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = needs("pillow")

COLOURS = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "RG": (255, 255, 0)}
ROUNDS = 3  # of which the best counts: the machine may be busy
LIMIT = 0.1  # seconds

# Looks at one pixel of the image all the time, and notes when it has a new colour.
PAGE = """<!doctype html><title>camera</title><img id="i" src="/camera%s">
<script>
const image = document.getElementById("i"), seen = [];
const brush = new OffscreenCanvas(4, 4).getContext("2d", {willReadFrequently: true});
(function look() {
  if (image.naturalWidth) {
    brush.clearRect(0, 0, 4, 4);
    brush.drawImage(image, 0, image.naturalHeight - 8, 8, 8, 0, 0, 4, 4);
    const pixel = brush.getImageData(1, 1, 1, 1).data;
    const colour = ["R", "G", "B"].filter((_, n) => pixel[n] > 120).join("");
    if (seen.at(-1)?.[0] !== colour) seen.push([colour, Date.now() / 1000]);
  }
  setTimeout(look, 4);
})();
</script>"""


@pytest.fixture
def engine() -> str:
    """One browser: what it does with pictures is the same in both."""
    return "native"


@pytest.fixture
def source() -> HandSource:
    """A source that the test feeds."""
    return HandSource()


@pytest.fixture
def camera(source: HandSource) -> Iterator[Camera]:
    """The camera on the page. It repeats nothing, which would push frames on."""
    made = Sluice().camera("c", source, grace=0, still_every=60)
    yield made
    made.end()
    source.put(END)
    until(lambda: not made.end())


@pytest.fixture
def show(
    page: Page, serve: Callable[[Flask], str], camera: Camera
) -> Callable[[str], Page]:
    """Open the page, with the camera's query."""
    app = Flask("shown")
    Sluice(app)
    query = [""]
    app.add_url_rule("/", "page", lambda: PAGE % query[0])
    app.add_url_rule("/camera", "camera", lambda: stream_frames(camera))

    def open_page(asked: str) -> Page:
        query[0] = asked
        page.goto(serve(app), wait_until="commit")
        until(lambda: camera.viewers)
        return page

    return open_page


def jpeg(colour: str) -> bytes:
    """Give a picture of that colour, as large as a camera's."""
    from PIL import Image

    noise = Image.effect_noise((320, 240), 60).convert("RGB")
    noise.paste(COLOURS[colour], (0, 200, 320, 240))
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=85)
    return out.getvalue()


def seen(page: Page) -> list[tuple[str, float]]:
    """Give the colours that were on the screen, and since when."""
    return [(colour, at) for colour, at in page.evaluate("seen")]


@pytest.mark.parametrize("query", ["", "?dual=1"], ids=["early", "dual"])
def test_each_colour_within_100_ms(
    show: Callable[[str], Page], source: HandSource, query: str
) -> None:
    """Each is on the screen before the next one is sent, also the last."""
    pictures = {colour: jpeg(colour) for colour in COLOURS}
    page = show(query)
    late: dict[str, list[float]] = {colour: [] for colour in COLOURS}
    for _ in range(ROUNDS):
        for colour, picture in pictures.items():
            sent = time.time()
            source.put(picture)
            page.wait_for_function(
                "colour => seen.length && seen.at(-1)[0] === colour",
                arg=colour,
                polling=10,
                timeout=PATIENCE * 1000,
            )
            late[colour].append(seen(page)[-1][1] - sent)
    assert max(min(times) for times in late.values()) < LIMIT, late


def test_with_a_length_each_is_a_frame_late(
    show: Callable[[str], Page], source: HandSource
) -> None:
    """Why it isn't the default: a frame is shown when the next one's header comes."""
    page = show("?length=1")
    source.put(jpeg("R"))
    page.wait_for_timeout(400)
    assert seen(page) == []
    source.put(jpeg("G"))
    page.wait_for_function("seen.length === 1", timeout=PATIENCE * 1000)
    assert seen(page)[0][0] == "R"


def test_the_last_frame_stays(
    show: Callable[[str], Page], source: HandSource, camera: Camera
) -> None:
    """When the stream has ended the page shows its last frame, and no broken image."""
    page = show("")
    source.put(jpeg("R"))
    page.wait_for_function("seen.length === 1", timeout=PATIENCE * 1000)
    viewers: set[Any] = set(camera.readers)
    for viewer in viewers:
        viewer.dismiss()
    page.wait_for_function(
        "document.readyState === 'complete'", timeout=PATIENCE * 1000
    )
    page.wait_for_timeout(100)
    assert [colour for colour, _ in seen(page)] == ["R"]
    assert page.evaluate("image.complete && image.naturalWidth") == 320

"""A viewer: the newest frame, its own pace, a still picture, the last words."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from flask_sluice.pubsub import drain
from flask_sluice.video import Camera
from flask_sluice.video.pace import Pace
from helpers import until
from video.watching import Eyes, HandSource, Steady, jpeg

MakeCamera = Callable[..., Camera]


def published(camera: Camera, number: int) -> None:
    """Wait until that many frames were shown."""
    until(lambda: camera.stats.captured >= number and camera.state == "live")
    until(
        lambda: all(v.latest.picture.number >= number for v in camera.board.variants())
    )


def test_the_newest_wins(make_camera: MakeCamera, source: HandSource) -> None:
    """One who was busy gets the newest frame alone, and the rest count as dropped."""
    camera = make_camera(source)
    with Eyes(camera) as eyes:
        source.put(jpeg(1))
        assert eyes.see() == jpeg(1)
        source.put(*map(jpeg, range(2, 8)))
        published(camera, 7)
        assert eyes.see() == jpeg(7)
        assert eyes.viewer.take() == b""
        assert camera.stats.dropped == 5
        assert camera.stats.shown == 2


def test_a_new_viewer_sees_the_newest_at_once(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """Whoever comes to a still picture doesn't wait for the next."""
    camera = make_camera(source)
    with Eyes(camera) as first:
        source.put(jpeg(1))
        first.see()
        with Eyes(camera) as second:
            assert b"".join([second.viewer.take() or b""]).find(jpeg(1)) > 0


def test_a_new_viewer_of_a_camera_that_stopped_waits(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """An old picture isn't shown as if it were live."""
    camera = make_camera(source, grace=0)
    with Eyes(camera) as eyes:
        source.put(jpeg(1))
        eyes.see()
    source.put(jpeg(2))
    until(lambda: camera.state == "idle")
    with Eyes(camera) as eyes:
        assert eyes.viewer.take() == b""
        source.put(jpeg(3))
        assert eyes.see() == jpeg(3)


def test_a_still_picture_is_sent_again(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """The same bytes, every so often, and nothing of it is a drop."""
    camera = make_camera(source, still_every=0.2)
    with Eyes(camera) as eyes:
        source.put(jpeg(1))
        first = eyes.part()
        began = time.monotonic()
        assert eyes.part() is first
        assert eyes.part() is first
        assert 0.3 < time.monotonic() - began < 2
        assert camera.stats.dropped == 0
        assert camera.stats.captured == 1


def test_the_last_frame_of_a_burst_is_shown(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """A camera's fps skips frames, but not the one that stays."""
    camera = make_camera(source, fps=5)
    with Eyes(camera) as eyes:
        source.put(*map(jpeg, range(1, 5)))
        assert eyes.see() == jpeg(1)
        assert eyes.see() == jpeg(4)
        assert camera.stats.captured == 2


@pytest.mark.parametrize("fps", [5, 10, 17, 20, 25, 30])
def test_a_pace_is_even(fps: int) -> None:
    """Out of thirty frames a second the wanted number is taken, spread evenly."""
    pace = Pace(fps)
    taken = []
    for number in range(300):
        now = 100 + number / 30
        if pace.is_due(now, 1 / 30):
            pace.took(now)
            taken.append(number)
    assert abs(len(taken) - 10 * fps) <= 1
    gaps = {b - a for a, b in pairwise(taken)}
    assert gaps <= {30 // fps, -(-30 // fps)}


def test_a_pace_makes_up_for_nothing() -> None:
    """After a silence there is one frame, and not all that were missed."""
    pace = Pace(10)
    for now in (0.0, 5.0):
        assert pace.is_due(now, 0.001)
        pace.took(now)
    assert not pace.is_due(5.09, 0.001)
    assert pace.is_due(5.1, 0.001)


def test_each_viewer_has_its_own_fps(make_camera: MakeCamera) -> None:
    """One gets all, another a part of them, out of one capture."""
    source = Steady(0.01)
    camera = make_camera(source)
    with Eyes(camera) as every, Eyes(camera, fps=10) as few:
        few.see()
        began, seen = time.monotonic(), 0
        while time.monotonic() < began + 1:
            every.see()
            seen += bool(few.viewer.take())
        assert 6 <= seen <= 13
        assert every.viewer.shown > 2 * seen
        assert few.viewer.dropped == 0
    assert source.opened == 1


@pytest.mark.parametrize("style", ["early", "dual", "length"])
def test_it_ends_with_the_last_frame(
    make_camera: MakeCamera, source: HandSource, style: str
) -> None:
    """Dismissed, it says the newest frame and closes the body."""
    camera = make_camera(source)
    with Eyes(camera, style) as eyes:
        source.put(jpeg(1))
        while jpeg(1) not in (eyes.part() or b""):
            pass
        source.put(jpeg(2))
        published(camera, 2)
        eyes.viewer.dismiss()
        boundary = camera.multipart(style).boundary.encode()
        last = eyes.part()
        assert last is not None
        assert jpeg(2) in last
        assert last.endswith(b"\r\n--%b--\r\n" % boundary)
        assert eyes.part() is None


def test_one_who_comes_when_the_process_ends(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """It isn't kept waiting for a camera that doesn't start any more."""
    camera = make_camera(source)
    camera.end()
    with Eyes(camera, "length") as eyes:
        assert (eyes.part() or b"").startswith(b"--")
        assert eyes.part() is None
    assert source.opened == 0


def test_drain_ends_those_who_watch(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """What ends the readers of channels ends viewers, too."""
    camera = make_camera(source)
    with Eyes(camera, "early") as eyes:
        eyes.part()
        assert drain(0) >= 1
        assert (
            eyes.part()
            == b"\r\n--%b--\r\n" % camera.multipart("early").boundary.encode()
        )
        assert eyes.part() is None

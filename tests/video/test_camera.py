"""A camera: its life, its variants, its numbers, its name."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable

import pytest

from flask_sluice import Sluice, signals
from flask_sluice.errors import (
    ArgumentError,
    MissingExtraError,
    NoSignalError,
    TooManyVariantsError,
)
from flask_sluice.video import Camera, picture
from helpers import until
from needs import needs
from video.watching import END, Eyes, HandSource, Steady, jpeg

MakeCamera = Callable[..., Camera]


def sized(data: bytes) -> tuple[int, int]:
    """Give a picture's width and height."""
    from PIL import Image

    return Image.open(io.BytesIO(data)).size


def test_nothing_is_opened_until_somebody_watches(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """Neither by its declaration nor by a viewer that is never started."""
    camera = make_camera(source)
    with Eyes(camera, start=False):
        assert camera.state == "idle"
    assert source.opened == 0


def test_one_who_comes_within_the_grace_finds_it_running(
    make_camera: MakeCamera,
) -> None:
    """A reload of the page doesn't close the source."""
    source = Steady()
    camera = make_camera(source, grace=30)
    for _ in range(3):
        with Eyes(camera) as eyes:
            eyes.see()
    assert (source.opened, source.closed, camera.state) == (1, 0, "live")


def test_stats(make_camera: MakeCamera, source: HandSource) -> None:
    """What was captured, shown, dropped and sent, also by those who have left."""
    camera = make_camera(source, grace=30)
    assert camera.stats.state == "idle"
    with Eyes(camera) as one, Eyes(camera) as two:
        assert camera.stats.state == "starting"
        source.put(jpeg(1))
        sent = len(one.part() or b"") + len(two.part() or b"")
        stats = camera.stats
        assert (stats.viewers, stats.variants, stats.state) == (2, 1, "live")
        assert (stats.captured, stats.shown, stats.starts) == (1, 2, 1)
    stats = camera.stats
    assert (stats.viewers, stats.shown, stats.bytes) == (0, 2, sent)
    assert stats.error is None


def test_rates(make_camera: MakeCamera) -> None:
    """Frames a second, captured and shown to each."""
    camera = make_camera(Steady(0.02))
    seen = 0
    with Eyes(camera) as one, Eyes(camera, fps=10) as two:
        while seen < 60:
            one.see()
            two.viewer.take()
            seen += 1
        stats = camera.stats
        assert 15 < stats.fps_captured <= 52
        assert 0.4 < stats.fps_shown / stats.fps_captured < 0.9


@needs("pillow")
def test_variants_are_encoded_once(
    make_camera: MakeCamera, source: HandSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of the same size share one encoding, and it is made on one thread."""
    from PIL import Image

    threads: list[int] = []
    encoded = picture.encoded

    def counting(*arguments, **options):
        threads.append(threading.get_ident())
        return encoded(*arguments, **options)

    camera = make_camera(source)
    sizes = [None, (80, 60), (80, 60), (40, 40)]
    eyes = [Eyes(camera, size=size) for size in sizes]
    monkeypatch.setattr(picture, "encoded", counting)
    source.put(Image.new("RGB", (160, 120), "red"))
    shapes = [sized(each.see()) for each in eyes]
    assert shapes == [(160, 120), (80, 60), (80, 60), (40, 30)]
    assert len(threads) == 3
    assert set(threads) <= source.threads
    for each in eyes:
        each.viewer.close()
    assert camera.stats.variants == 0


@needs("pillow")
def test_a_new_size_of_a_still_picture_is_seen_at_once(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """It is made for the one who asks, from the frame there is."""
    from PIL import Image

    camera = make_camera(source)
    with Eyes(camera) as eyes:
        source.put(Image.new("RGB", (160, 120), "red"))
        eyes.see()
        with Eyes(camera, size=(16, 16)) as small:
            assert sized(small.see(0.1)) == (16, 12)


@needs("pillow")
def test_variants_are_limited(make_camera: MakeCamera, source: HandSource) -> None:
    """One too many is refused with what to do, and leaves nothing behind."""
    camera = make_camera(source)
    eyes = [Eyes(camera, quality=10 + n, start=False) for n in range(8)]
    with pytest.raises(TooManyVariantsError, match="choose among a few"):
        camera.watch(size=(10, 10))
    assert camera.viewers == 8
    with Eyes(camera, quality=10):
        pass
    for each in eyes:
        each.viewer.close()
    camera.watch(size=(10, 10)).close()


def test_another_size_needs_pillow(
    make_camera: MakeCamera, source: HandSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it JPEG bytes are shown as they are, and a size is an error."""
    monkeypatch.setattr(picture, "is_installed", lambda: False)
    camera = make_camera(source)
    with Eyes(camera) as eyes:
        source.put(jpeg(1))
        assert eyes.see() == jpeg(1)
        with pytest.raises(MissingExtraError, match=r"flask-sluice\[video\]"):
            camera.watch(size=(10, 10))
        source.put(END)
        assert sized(eyes.see()) == (640, 360)  # "no signal", which comes along
    with pytest.raises(MissingExtraError):
        Camera("p", "pattern")


def test_snapshot(make_camera: MakeCamera, source: HandSource) -> None:
    """It starts the camera, gives its first frame, and then the newest."""
    camera = make_camera(source, grace=30)
    source.put(jpeg(1))
    assert camera.snapshot() == jpeg(1)
    assert camera.viewers == 0
    source.put(jpeg(2))
    until(lambda: camera.snapshot() == jpeg(2))
    assert source.opened == 1


@pytest.mark.usefixtures("quick_retries")
def test_snapshot_without_a_picture(
    make_camera: MakeCamera, source: HandSource
) -> None:
    """It says so, after its timeout, or at once when that is known."""
    camera = make_camera(source, grace=30)
    with pytest.raises(NoSignalError) as found:
        camera.snapshot(timeout=0.05)
    assert found.value.why is None
    source.put(OSError("unplugged"))
    with pytest.raises(NoSignalError) as found:
        camera.snapshot(timeout=30)
    assert found.value.why == "OSError: unplugged"
    assert "unplugged" not in found.value.description


def test_signals(make_camera: MakeCamera, source: HandSource) -> None:
    """Started once, failed with the error, stopped once."""
    heard: list[tuple[str, object]] = []
    camera = make_camera(source)

    def started(sender, camera):
        heard.append(("started", camera))

    def failed(sender, camera, error):
        heard.append(("failed", str(error)))

    def stopped(sender, camera):
        heard.append(("stopped", camera))

    signals.camera_started.connect(started, camera)
    signals.camera_failed.connect(failed, camera)
    signals.camera_stopped.connect(stopped, camera)
    with Eyes(camera) as eyes:
        source.put(jpeg(1))
        eyes.see()
        until(lambda: heard == [("started", camera)])
        source.put(OSError("unplugged"))
        until(lambda: len(heard) == 2)
    until(lambda: len(heard) == 3)
    assert heard[1:] == [("failed", "unplugged"), ("stopped", camera)]


def test_a_frame_that_is_none_is_a_failure(
    make_camera: MakeCamera, source: HandSource, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no picture is logged, and the source closed."""
    camera = make_camera(source)
    with Eyes(camera) as eyes:
        source.put(b"GIF89a")
        eyes.see()
        assert "no JPEG" in str(camera.stats.error)
        assert source.closed == 1
        until(lambda: "no JPEG" in caplog.text)


def test_names() -> None:
    """Declared once, had by its name, before there is an app."""
    sluice = Sluice()
    source = Steady()
    with pytest.raises(ArgumentError, match="None has been declared"):
        sluice.camera("door")
    camera = sluice.camera("door", source, fps=5)
    assert sluice.camera("door") is camera
    assert sluice.camera("door", source, fps=5) is camera
    with pytest.raises(ArgumentError, match="declared already"):
        sluice.camera("door", Steady(), fps=5)
    with pytest.raises(ArgumentError, match="declared already"):
        sluice.camera("door", source)
    with pytest.raises(ArgumentError, match="Declared: door"):
        sluice.camera("yard")


@pytest.mark.parametrize(
    "options",
    [
        {"fps": 0}, {"fps": float("nan")}, {"fps": "15"}, {"fps": True},
        {"size": 640}, {"size": (640,)}, {"size": (0, 1)}, {"size": [640, 360]},
        {"size": (640.0, 360)}, {"size": (1, 20_000)},
        {"quality": 0}, {"quality": 96}, {"quality": 80.0},
        {"grace": -1}, {"grace": None}, {"grace": float("inf")},
        {"still_every": 0}, {"still_every": None},
    ],
    ids=repr,
)  # fmt: skip
def test_arguments(options: dict[str, object]) -> None:
    """What can't be used is refused when the camera is declared."""
    (name,) = options
    with pytest.raises(ArgumentError, match=f"^{name} is "):
        Camera("c", Steady(), **options)
    if name in ("fps", "size", "quality"):
        with pytest.raises(ArgumentError, match=f"^{name} is "):
            Camera("c", Steady()).watch(**options)


def test_a_name_is_text() -> None:
    """And isn't empty."""
    for name in ("", None, 5):
        with pytest.raises(ArgumentError, match="name"):
            Camera(name, Steady())


def test_a_forked_process_has_a_camera_of_its_own(make_camera: MakeCamera) -> None:
    """The parent's capture and viewers aren't the child's."""
    source = Steady()
    camera = make_camera(source)
    with Eyes(camera) as eyes:
        eyes.see()
        boundary = camera.multipart("early").boundary
        pid = os.fork()
        if not pid:
            try:
                assert (camera.state, camera.viewers) == ("idle", 0)
                assert camera.multipart("early").boundary != boundary
                with Eyes(camera) as mine:
                    mine.see()
                assert source.opened == 2
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        eyes.see()
    assert source.opened == 1

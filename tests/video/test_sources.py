"""What a camera's frames come from: functions, tutorials' cameras, files, a pattern."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flask_sluice.errors import BodyTypeError, MissingExtraError
from flask_sluice.video import Camera, picture, sources
from flask_sluice.video.sources import opener, target_of
from helpers import until
from needs import needs
from video.watching import Eyes, jpeg

MakeCamera = Callable[..., Camera]

RED, GREEN, BLUE = (220, 20, 20), (20, 220, 20), (20, 20, 220)


def colour(data: bytes) -> str:
    """Tell which of the three a JPEG mostly is."""
    from PIL import Image

    pixel = Image.open(io.BytesIO(data)).convert("RGB").resize((1, 1)).getpixel((0, 0))
    return "RGB"[max(range(3), key=pixel.__getitem__)]


# As tutorials have it: the class starts a thread of its own when it is made, keeps the
# newest frame on itself, and subclasses only say where frames come from.


class BaseCamera:
    """The part that isn't used, and must not be."""

    thread: threading.Thread | None = None

    def __init__(self) -> None:
        raise AssertionError("an instance was made")

    @staticmethod
    def frames() -> Iterator[bytes]:
        raise RuntimeError("Must be implemented by subclasses.")


class TutorialCamera(BaseCamera):
    """A subclass, unchanged."""

    imgs = [jpeg(n) for n in (1, 2, 3)]  # noqa: RUF012

    @staticmethod
    def frames():
        while True:
            time.sleep(0.01)
            yield TutorialCamera.imgs[int(time.time() * 100) % 3]


class MethodCamera:
    """A class whose frames() is a method, and which is a context of its own."""

    def __init__(self) -> None:
        self.number = 0

    def frames(self):
        while True:
            time.sleep(0.005)
            self.number += 1
            yield jpeg(self.number)


def test_a_tutorials_camera(make_camera: MakeCamera) -> None:
    """The class is the source; neither its thread nor an instance is made."""
    camera = make_camera(TutorialCamera)
    with Eyes(camera) as eyes:
        seen = {eyes.see() for _ in range(20)}
    assert seen == {jpeg(1), jpeg(2), jpeg(3)}
    assert TutorialCamera.thread is None


@pytest.mark.parametrize("source", [MethodCamera, MethodCamera()], ids=["class", "one"])
def test_an_object_with_frames(make_camera: MakeCamera, source: object) -> None:
    """A class is made when it is opened; an object is used as it is."""
    with Eyes(make_camera(source)) as eyes:
        assert eyes.see().startswith(b"\xff\xd8 ")


@needs("pillow")
def test_pillow_images(make_camera: MakeCamera) -> None:
    """With an alpha channel, a palette or grey, and not changed themselves."""
    from PIL import Image

    images = [Image.new("RGBA", (64, 48), GREEN), Image.new("P", (64, 48)),
              Image.new("L", (64, 48), 9), Image.new("CMYK", (64, 48))]  # fmt: skip
    for image in images:
        mode = image.mode
        data = picture.encoded(image, (32, 32), 80, untouched=True)
        assert Image.open(io.BytesIO(data)).size == (32, 24)
        assert (image.mode, image.size) == (mode, (64, 48))
    assert colour(picture.encoded(images[0], None, 80, untouched=True)) == "G"


@needs("pillow", "numpy")
def test_numpy_arrays() -> None:
    """Red first, grey, and in any order in memory."""
    import numpy as np

    pixels = np.zeros((48, 64, 3), "uint8")
    pixels[..., 0] = 200
    assert colour(picture.encoded(pixels, None, 80, untouched=True)) == "R"
    assert colour(picture.encoded(pixels[..., ::-1], None, 80, untouched=True)) == "B"
    assert picture.encoded(pixels[..., 0], None, 80, untouched=True)[:2] == b"\xff\xd8"
    for wrong in (
        pixels.astype("float64"),
        pixels[0, 0, 0],
        np.zeros((4, 4, 7), "u1"),
    ):
        with pytest.raises(BodyTypeError, match="array of"):
            picture.encoded(wrong, None, 80, untouched=True)


@needs("pillow")
def test_jpeg_bytes() -> None:
    """Passed on untouched, or made smaller, or of another quality; never larger."""
    from PIL import Image

    out = io.BytesIO()
    Image.effect_noise((640, 480), 50).convert("RGB").save(out, "JPEG", quality=90)
    data = out.getvalue()
    assert picture.encoded(data, None, 80, untouched=True) == data
    assert picture.encoded(bytearray(data), None, 80, untouched=True) == data
    assert len(picture.encoded(data, None, 20, untouched=False)) < len(data) / 2
    for size, shape in {(320, 999): (320, 240), (9999, 9999): (640, 480)}.items():
        small = picture.encoded(data, size, 80, untouched=False)
        assert picture.shape(small) == shape


@pytest.mark.parametrize(
    ("frame", "words"),
    [(b"", "no JPEG"), (b"\x89PNG", "no JPEG"), (None, "NoneType"), ("x", "str")],
)
def test_what_is_no_frame(frame: object, words: str) -> None:
    """It is an error that says what came."""
    with pytest.raises(BodyTypeError, match=words):
        picture.encoded(frame, None, 80, untouched=True)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (TutorialCamera.frames(), "runs but once"),
        ([jpeg(1)], "list"),
        (None, "NoneType"),
        (3.5, "float"),
        (b"path", "bytes"),
        (True, "bool"),
    ],
    ids=repr,
)
def test_what_is_no_source(source: object, words: str) -> None:
    """Refused when the camera is declared."""
    with pytest.raises(BodyTypeError, match=words):
        opener(source, None)


@pytest.mark.parametrize("made", [jpeg(1), None, 5])
def test_a_function_that_gives_no_iterator(made: object) -> None:
    """An error when it is opened, which asks for the yield."""
    with pytest.raises(BodyTypeError, match="yield"):
        opener(lambda: made, None)()


def test_targets() -> None:
    """A number is a device, what has a scheme a stream, and the rest files."""
    for source, expected in {
        0: ("/dev/video0", "device"),
        "/dev/null": ("/dev/null", "device"),
        "rtsp://camera.local/1": ("rtsp://camera.local/1", "stream"),
        "clip.mp4": ("clip.mp4", "file"),
        "file:///tmp/clip.mp4": ("/tmp/clip.mp4", "file"),
        Path("clip.mp4"): ("clip.mp4", "file"),
    }.items():
        assert target_of(source) == expected


@pytest.mark.parametrize("has", ["av", "cv2", None])
def test_the_library_is_chosen(
    monkeypatch: pytest.MonkeyPatch, has: str | None
) -> None:
    """PyAV before OpenCV; without both an error that says what to install."""
    monkeypatch.setattr(sources, "find_spec", lambda name: name == has or None)
    if has is None:
        with pytest.raises(MissingExtraError, match=r"flask-sluice\[av\]"):
            opener("clip.mp4", None)
    else:
        opened: Any = opener("clip.mp4", None)
        assert opened.func is (sources._by_av if has == "av" else sources._by_opencv)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 12 frames at 30 a second: four red, four green, four blue."""
    import av
    from PIL import Image

    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            image = Image.new("RGB", (64, 48), (RED, GREEN, BLUE)[number // 4])
            for packet in stream.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@needs("av", "opencv", "pillow")
@pytest.mark.parametrize("library", ["av", "cv2"])
def test_a_file(
    make_camera: MakeCamera, monkeypatch: pytest.MonkeyPatch, clip: Path, library: str
) -> None:
    """Every frame in its colour, at the file's own pace, and from the start again."""
    monkeypatch.setattr(sources, "find_spec", lambda name: name == library or None)
    monkeypatch.setattr(picture, "is_installed", lambda: True)
    camera = make_camera(clip)
    with Eyes(camera) as eyes:
        colours = [colour(eyes.see())]
        began = time.monotonic()
        colours += [colour(eyes.see()) for _ in range(23)]
        took = time.monotonic() - began
    assert took > 0.6  # no quicker than it is; a busy machine may be slower
    turns = {one + other for one, other in pairwise(colours) if one != other}
    assert turns == {"RG", "GB", "BR"}
    assert camera.stats.error is None
    assert camera.stats.starts == 1


@needs("av", "opencv", "pillow")
@pytest.mark.parametrize("library", ["av", "cv2"])
def test_a_file_that_is_none(
    make_camera: MakeCamera,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    library: str,
) -> None:
    """Viewers see "no signal", and the reason is known."""
    monkeypatch.setattr(sources, "find_spec", lambda name: name == library or None)
    camera = make_camera(tmp_path / "none.mp4")
    with Eyes(camera) as eyes:
        eyes.see()
        assert camera.state == "no signal"
        assert "none.mp4" in str(camera.stats.error)


@needs("pillow")
def test_the_pattern(make_camera: MakeCamera) -> None:
    """It moves, at the camera's pace."""
    camera = make_camera("pattern", fps=20, size=(160, 90))
    with Eyes(camera) as eyes:
        first = eyes.see()
        began = time.monotonic()
        frames = {first, *(eyes.see() for _ in range(10))}
        assert 0.3 < time.monotonic() - began < 1.5
    assert len(frames) == 11
    assert picture.shape(first) == (160, 90)


def test_a_source_that_never_waits_is_made_to(make_camera: MakeCamera) -> None:
    """It doesn't take the whole processor, and isn't shown without end."""

    def runaway():
        while True:
            yield jpeg(1)

    camera = make_camera(runaway)
    with Eyes(camera) as eyes:
        eyes.see()
        spent, began = time.process_time(), time.monotonic()
        until(lambda: time.monotonic() - began > 0.5)
        assert 30 < camera.stats.captured < 400
        assert (time.process_time() - spent) / (time.monotonic() - began) < 0.5

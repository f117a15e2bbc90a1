"""Motion JPEG's framing: its exact bytes, and what others read in them."""

from __future__ import annotations

import email
import io
import re
import subprocess
from pathlib import Path

import pytest

from flask_sluice.formats.multipart import Multipart, Style, framings
from needs import needs, program

HEAD = b"--edge\r\nContent-Type: image/jpeg\r\n"
ONE, TWO = b"\xff\xd8one\xff\xd9", b"\xff\xd8second\xff\xd9"

styles = pytest.mark.parametrize("style", ["early", "dual", "length"])


def whole(style: Style, frames: list[bytes], boundary: str | None = None) -> bytes:
    """Give a stream of *frames* to its clean end."""
    multipart = Multipart(style, boundary)
    parts = [multipart.begin(), *map(multipart.frame, frames)]
    return b"".join([*parts, multipart.finish(frames[-1] if frames else None)])


def test_early() -> None:
    """Each frame is followed by the next part's header; the open part is filled."""
    assert whole("early", [ONE, TWO], "edge") == (
        HEAD + b"\r\n" + ONE + b"\r\n" + HEAD + b"\r\n" + TWO + b"\r\n"
        + HEAD + b"\r\n" + TWO + b"\r\n--edge--\r\n"
    )  # fmt: skip


def test_length() -> None:
    """Each part has its length."""
    assert whole("length", [ONE, TWO], "edge") == (
        HEAD + b"Content-Length: 7\r\n\r\n" + ONE + b"\r\n"
        + HEAD + b"Content-Length: 10\r\n\r\n" + TWO + b"\r\n--edge--\r\n"
    )  # fmt: skip


def test_dual() -> None:
    """Each frame is there twice, with its length."""
    part = HEAD + b"Content-Length: 7\r\n\r\n" + ONE + b"\r\n"
    assert whole("dual", [ONE], "edge") == part + part + b"--edge--\r\n"


@styles
def test_no_frame(style: Style) -> None:
    """A stream that ends before its first frame is closed all the same."""
    assert whole(style, [], "edge").endswith(b"--edge--\r\n")


def test_the_boundary_cannot_be_guessed() -> None:
    """It is another each time, of 128 random bits, and the same for all styles."""
    made = framings()
    (boundary,) = {each.boundary for each in made.values()}
    assert re.fullmatch(r"[0-9a-f]{32}", boundary)
    assert boundary != framings()["early"].boundary
    assert made["dual"].content_type == (
        f"multipart/x-mixed-replace; boundary={boundary}"
    )


@styles
def test_another_parser_finds_every_frame(style: Style) -> None:
    """The standard library's parser of MIME messages takes it for what it is."""
    frames = [b"\xff\xd8%d\r\n--\r\n\xff\xd9" % n for n in range(5)]
    boundary = Multipart().boundary
    head = f"Content-Type: {Multipart(style, boundary).content_type}\r\n\r\n"
    message = email.message_from_bytes(head.encode() + whole(style, frames, boundary))
    assert not message.defects
    parts = [part.get_payload(decode=True) for part in message.get_payload()]
    expected = {
        "early": [*frames, frames[-1]],
        "dual": [each for each in frames for _ in range(2)],
        "length": frames,
    }[style]
    assert parts == expected
    assert {part.get_content_type() for part in message.get_payload()} == {"image/jpeg"}


@needs("ffmpeg", "pillow")
@styles
def test_ffmpeg_reads_every_frame(style: Style, tmp_path: Path) -> None:
    """FFmpeg's own reader of such streams sees each colour, in its order."""
    from PIL import Image

    colours = [(30 * n, 255 - 30 * n, 128) for n in range(8)]
    frames = []
    for colour in colours:
        out = io.BytesIO()
        Image.new("RGB", (32, 16), colour).save(out, "JPEG", quality=95)
        frames.append(out.getvalue())
    path = tmp_path / "stream.mjpg"
    path.write_bytes(whole(style, frames))
    run = subprocess.run(
        [program("ffmpeg") or "", "-v", "warning", "-f", "mpjpeg", "-i", str(path),
         "-f", "rawvideo", "-pix_fmt", "rgb24", "-fps_mode", "passthrough", "-"],
        capture_output=True,
        check=True,
        timeout=30,
    )  # fmt: skip
    size = 32 * 16 * 3
    assert len(run.stdout) % size == 0
    middle = 32 * 8 * 3 + 16 * 3
    seen = [
        tuple(run.stdout[start + middle : start + middle + 3])
        for start in range(0, len(run.stdout), size)
    ]
    expected = {
        "early": [*colours, colours[-1]],
        "dual": [each for each in colours for _ in range(2)],
        "length": colours,
    }[style]
    assert len(seen) == len(expected)
    for got, sent in zip(seen, expected, strict=True):
        assert max(abs(a - b) for a, b in zip(got, sent, strict=True)) < 12

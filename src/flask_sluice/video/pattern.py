"""What the package draws itself: a test pattern that moves, and "no signal".

In: a pace, or a size. Out: Pillow images, or JPEG. Without Pillow "no signal" is a
picture that comes with the package, of one size.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import picture
from .metronome import Metronome

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["frames", "no_signal"]

SIZE = (640, 360)
BARS = ("#bfbfbf", "#bfbf00", "#00bfbf", "#00bf00", "#bf00bf", "#bf0000", "#0000bf")
BAND = 0.72  # where the bars end, as a part of the height
LARGEST = 4096  # pixels a side of a "no signal"
TURN = 4.0  # seconds that the ball takes to cross the picture and come back

READY_MADE = Path(__file__).with_name("no-signal.jpg")


def frames(fps: float) -> Iterator[object]:
    """Draw colour bars, a ball that moves, and the time, *fps* times a second."""
    from PIL import ImageDraw

    width, height = SIZE
    ground = _ground()
    font, small = _font(height // 8), _font(height // 16)
    metronome = Metronome(fps)
    number = 0
    while True:
        metronome.wait()
        number += 1
        image = ground.copy()
        draw = ImageDraw.Draw(image)
        phase = time.time() % TURN / TURN
        across = (1 - math.cos(2 * math.pi * phase)) / 2
        radius = height // 10
        x = radius + across * (width - 2 * radius)
        y = BAND * height / 2
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
        now = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-4]
        draw.text((width / 2, 0.82 * height), now, "white", font, anchor="mm")
        draw.text(
            (width / 2, 0.94 * height), f"UTC  {number}", "white", small, anchor="mm"
        )
        yield image


def _ground() -> Image:
    from PIL import Image, ImageDraw

    width, height = SIZE
    image = Image.new("RGB", SIZE, "#101010")
    draw = ImageDraw.Draw(image)
    edges = [round(n * width / len(BARS)) for n in range(len(BARS) + 1)]
    for left, right, colour in zip(edges, edges[1:], BARS, strict=False):
        draw.rectangle((left, 0, right - 1, BAND * height), fill=colour)
    return image


def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def no_signal(like: bytes | None, size: tuple[int, int] | None) -> bytes:
    """Give the picture that stands for none.

    :param like: a JPEG whose shape it is to have, so that a page doesn't jump.
    :param size: width and height that it has to fit into, if there is no such.
    """
    if not picture.is_installed():
        return READY_MADE.read_bytes()
    shape = picture.shape(like) if like else None
    if shape is None or max(shape) > LARGEST:
        scale = min(1.0, *(a / b for a, b in zip(size or SIZE, SIZE, strict=True)))
        shape = max(1, round(SIZE[0] * scale)), max(1, round(SIZE[1] * scale))
    return _no_signal(*shape)


@lru_cache(maxsize=16)
def _no_signal(width: int, height: int) -> bytes:
    from PIL import Image, ImageDraw

    image = Image.new("L", (width, height), 40)
    draw = ImageDraw.Draw(image)
    font = _font(max(8, min(width // 9, height // 4)))
    draw.text((width / 2, height / 2), "NO SIGNAL", 200, font, anchor="mm")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=60)
    return out.getvalue()

"""Letters and colours of the radar.

In: text, its size and colour. Out: that text on a picture. Drawing letters is slow, and
most are drawn again fifteen times a second: so each text is drawn once, as a mask, and
then painted through it.
"""

from __future__ import annotations

from functools import cache, lru_cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

HALL: Colour = (11, 12, 14)
TILE: Colour = (35, 38, 45)
FLAP: Colour = (244, 241, 230)
SOFT: Colour = (150, 153, 158)
FAINT: Colour = (98, 104, 114)
YELLOW: Colour = (255, 199, 0)
#: As on the board; what is later than an hour has a colour of its own here.
MOODS: dict[str, Colour] = {
    "ontime": (134, 219, 162),
    "late": (255, 184, 77),
    "verylate": (255, 118, 104),
}

FADES = 8  # steps between nothing and all of a colour


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Give the typeface that comes with Pillow."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


def width(text: str, size: int) -> float:
    """Give a text's width in pixels."""
    return font(size).getlength(text)


@lru_cache(maxsize=2048)
def mask(
    text: str, size: int, anchor: str, bold: int, fade: int
) -> tuple[Image.Image, int, int]:
    """Give a text as a mask, and where its corner is from its anchor."""
    box = font(size).getbbox(text, anchor=anchor, stroke_width=bold)
    left, top, right, bottom = (int(edge) for edge in box)
    found = Image.new("L", (right - left + 2, bottom - top + 2))
    ImageDraw.Draw(found).text(
        (-left, -top),
        text,
        fill=255 * fade // FADES,
        font=font(size),
        anchor=anchor,
        stroke_width=bold,
    )
    return found, left, top


def write(
    image: Image.Image,
    at: tuple[float, float],
    text: str,
    size: int,
    colour: Colour,
    *,
    anchor: str = "ls",
    bold: int = 0,
    fade: int = FADES,
) -> None:
    """Write a text on a picture, by default from its left end on its base line.

    :param fade: how much of the colour, 0 to FADES.
    """
    if text and fade > 0:
        found, left, top = mask(text, size, anchor, bold, fade)
        image.paste(colour, (round(at[0]) + left, round(at[1]) + top), found)

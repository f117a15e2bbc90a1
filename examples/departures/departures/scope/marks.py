"""The marks of the radar: aircraft with their trails, rings where they land, dots.

In: a heading, a length, an age. Out: masks to paint a colour through, each made on
first use and kept. A trail is part of its aircraft's mask, so a frame costs one small
paste for each flight; and masks exist for thirds of a pixel, or else slow ones would
jump.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import product
from math import cos, radians, sin
from typing import NamedTuple

from PIL import Image, ImageDraw

from .ink import Colour

FINER = 6  # times, in each direction, that a mark is drawn too large
PARTS = 3  # places between two pixels, in each direction
HEADINGS = 120
TAIL = 46  # pixels
TAILS = 6  # lengths of a trail: it grows as the flight begins
RADIUS = 60  # pixels around an aircraft that its mask may take
RINGS = 14  # ages of a ring
WIDEST = 17  # pixels
DOT = 4

#: An airliner from above, its nose to the right, as halves: the other is its mirror.
HALF = (
    *((6.6, 0.0), (6.1, 0.75), (4.9, 1.05), (2.2, 1.05), (-1.6, 5.6), (-3.0, 5.6)),
    *((-1.4, 1.0), (-4.2, 0.8), (-5.9, 2.6), (-6.9, 2.6), (-6.0, 0.0)),
)
AIRCRAFT = HALF + tuple((x, -y) for x, y in reversed(HALF))


class Mark(NamedTuple):
    """A mask, and where its corner is from the pixel that it belongs to."""

    mask: Image.Image
    left: int
    top: int


def large(heading: int, tail: int) -> tuple[Image.Image, int, int]:
    """Draw an aircraft and its trail too large; give where its middle is."""
    middle = RADIUS * FINER
    image = Image.new("L", (2 * middle, 2 * middle))
    draw = ImageDraw.Draw(image)
    turn = radians(heading * 360 / HEADINGS)
    right, down = cos(turn), sin(turn)

    def at(x: float, y: float) -> tuple[float, float]:
        x, y = x * FINER, y * FINER
        return middle + x * right - y * down, middle + x * down + y * right

    length = TAIL * tail / TAILS
    pieces = 4 * tail
    for piece in range(pieces):  # from its end, which is the faintest
        share = piece / pieces
        behind, before = length * (1 - share), length * (1 - share - 1 / pieces)
        wide = 0.45 + 0.6 * share
        corners = (-behind, wide), (-before, wide), (-before, -wide), (-behind, -wide)
        strength = round(185 * share**1.6) + 8
        draw.polygon([at(*corner) for corner in corners], fill=strength)
    draw.polygon([at(*corner) for corner in AIRCRAFT], fill=255)
    box = image.getbbox()
    assert box is not None
    # Its corner on a whole pixel, with room to be moved by a part of one.
    left, top = ((edge // FINER - 1) * FINER for edge in box[:2])
    right_end, bottom = ((edge // FINER + 2) * FINER for edge in box[2:])
    cut = image.crop((left, top, right_end, bottom))
    return cut, left // FINER - RADIUS, top // FINER - RADIUS


@lru_cache(maxsize=HEADINGS * (TAILS + 1))
def craft(heading: int, tail: int) -> list[Mark]:
    """Give an aircraft's masks, one for each place between two pixels."""
    image, left, top = large(heading, tail)
    width, height = image.size
    step = FINER // PARTS
    moves = product(range(0, FINER, step), repeat=2)
    moved = (image.crop((-x, -y, width - x, height - y)) for y, x in moves)
    return [Mark(each.reduce(FINER), left, top) for each in moved]


@lru_cache(maxsize=RINGS)
def ring(age: int) -> Mark:
    """Give the mask of a ring that grows and fades."""
    share = age / RINGS
    radius, middle = 3 + (WIDEST - 3) * share, WIDEST + 2
    image = Image.new("L", (2 * middle * FINER, 2 * middle * FINER))
    ImageDraw.Draw(image).circle(
        (middle * FINER, middle * FINER),
        radius * FINER,
        outline=round(230 * (1 - share)),
        width=round(1.5 * FINER),
    )
    return Mark(image.reduce(FINER), -middle, -middle)


@cache
def dot() -> Mark:
    """Give the mask of a dot."""
    middle = DOT + 1
    image = Image.new("L", (2 * middle * FINER, 2 * middle * FINER))
    ImageDraw.Draw(image).circle((middle * FINER, middle * FINER), DOT * FINER, 255)
    return Mark(image.reduce(FINER), -middle, -middle)


def put_craft(
    image: Image.Image,
    at: tuple[float, float],
    heading: float,
    flown: float,
    colour: Colour,
) -> None:
    """Paint an aircraft.

    :param heading: degrees; 0 is to the right, 90 down.
    :param flown: pixels of its way that are behind it.
    """
    x, y = (round(edge * PARTS) for edge in at)
    turn = round(heading * HEADINGS / 360) % HEADINGS
    tail = min(TAILS, int(flown * TAILS / TAIL))
    mark = craft(turn, tail)[x % PARTS + y % PARTS * PARTS]
    image.paste(colour, (x // PARTS + mark.left, y // PARTS + mark.top), mark.mask)


def put_ring(
    image: Image.Image, at: tuple[float, float], age: float, colour: Colour
) -> None:
    """Paint a ring of an age, 0 to 1."""
    mark = ring(min(int(age * RINGS), RINGS - 1))
    corner = round(at[0]) + mark.left, round(at[1]) + mark.top
    image.paste(colour, corner, mark.mask)


def put_dot(image: Image.Image, at: tuple[int, int], colour: Colour) -> None:
    """Paint a dot."""
    mark = dot()
    image.paste(colour, (at[0] + mark.left, at[1] + mark.top), mark.mask)

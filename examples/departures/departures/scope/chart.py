"""The map that everything moves on. It is drawn once.

In: the airports of the data, and the year's routes. Out: a picture, and the way of each
route in its pixels. No coast is in the data and none is drawn: it is the 1,458 airports
themselves, as the faintest of dots, that show where the land is.

Lines are drawn three times too large, and reduced: that is what makes them smooth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from math import atan2, degrees, log, sqrt

from PIL import Image, ImageDraw, ImageFilter

from .globe import Albers, Place, way
from .ink import FAINT, FLAP, HALL, SOFT, YELLOW, Colour, width, write

SIZE = WIDTH, HEIGHT = 1280, 720
ORIGINS = ("EWR", "JFK", "LGA")
NEW_YORK = Place(40.7, -73.9)
#: The lower 48 states and Puerto Rico fill the picture; Alaska and Hawaii are off it.
PROJECTION = Albers((29.5, 45.5), -100, 4.7, (NEW_YORK, (907, 216)))

FINER = 3  # times, in each direction
STEPS = 64  # pieces of a route
LABELS = 46  # airports with their code, at most
LINE: Colour = (30, 35, 43)
GROUND: Colour = (31, 35, 43)
LAND: Colour = (80, 90, 104)
ROUTE: Colour = (92, 126, 168)
MARGIN = 26  # pixels from the edge, where a route that leaves the picture is labelled
REACH = 36  # pixels around an airport that are taken for land
#: Where no label goes: the numbers, and the list of departures.
TAKEN = ((0, 496, 470, 720), (1040, 30, 1280, 250))

Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Route:
    """The way from one airport to another, in pixels.

    :ivar points: so many pieces of the same length on the ground.
    :ivar turns: each piece's heading in degrees; 0 is to the right, 90 down.
    :ivar length: pixels in all.
    """

    def __init__(self, start: Place, end: Place) -> None:
        at = way(start, end)
        self.points = [PROJECTION(at(step / STEPS)) for step in range(STEPS + 1)]
        pieces = [
            (x - left, y - top)
            for (left, top), (x, y) in zip(self.points, self.points[1:], strict=False)
        ]
        self.turns = [degrees(atan2(down, right)) for right, down in pieces]
        self.length = sum(sqrt(right**2 + down**2) for right, down in pieces)

    def at(self, share: float) -> tuple[float, float, float]:
        """Give x, y and the heading after a share of the way, 0 to 1."""
        piece = min(int(share * STEPS), STEPS - 1)
        rest = share * STEPS - piece
        (left, top), (x, y) = self.points[piece], self.points[piece + 1]
        heading = self.turns[piece]
        if piece + 1 < STEPS:  # turn evenly, not by pieces
            heading += rest * ((self.turns[piece + 1] - heading + 180) % 360 - 180)
        return left + rest * (x - left), top + rest * (y - top), heading


def is_inside(point: Point, margin: float = 0) -> bool:
    """Tell whether a point is on the picture."""
    x, y = point
    return margin <= x < WIDTH - margin and margin <= y < HEIGHT - margin


class Chart:
    """The map, and the routes on it.

    :param places: every airport of the data.
    :param routes: origin, destination and flights of the year, the rarest first.
    """

    def __init__(
        self, places: dict[str, Place], routes: Iterable[tuple[str, str, int]]
    ) -> None:
        self.places = places
        self._counts = list(routes)
        self.routes = {
            (origin, dest): Route(places[origin], places[dest])
            for origin, dest, _ in self._counts
        }
        self.traffic: Counter[str] = Counter()
        for _, dest, count in self._counts:
            self.traffic[dest] += count
        self.image = self._drawn()

    def _drawn(self) -> Image.Image:
        image = Image.new("RGB", SIZE, HALL)
        image.paste(GROUND, mask=self._ground())
        image.paste(LINE, mask=reduced(self._graticule))
        image.paste(LAND, mask=reduced(self._land))
        image.paste(ROUTE, mask=reduced(self._ways))
        image.paste(FLAP, mask=reduced(self._airports))
        image.paste(YELLOW, mask=reduced(self._origins))
        self._name(image)
        return image

    def _ground(self) -> Image.Image:
        # At half the size: all of it is blurred.
        mask = Image.new("L", (WIDTH // 2, HEIGHT // 2))
        draw = ImageDraw.Draw(mask)
        for place in self.places.values():
            # A few of the source's airports have lost the sign of their longitude.
            if place.lon < 0:
                x, y = PROJECTION(place)
                draw.circle((x / 2, y / 2), REACH / 2, fill=190)
        return mask.filter(ImageFilter.GaussianBlur(4)).resize(SIZE)

    def _graticule(self, draw: ImageDraw.ImageDraw) -> None:
        for lat in range(0, 81, 10):
            meridians = range(-200, -19, 2)
            line(draw, [Place(lat, lon) for lon in meridians], 255, 3)
        for lon in range(-200, -19, 10):
            line(draw, [Place(lat, lon) for lat in range(0, 81, 2)], 255, 3)

    def _land(self, draw: ImageDraw.ImageDraw) -> None:
        for place in self.places.values():
            if place.lon < 0:
                dot(draw, PROJECTION(place), 1.15, 235)

    def _ways(self, draw: ImageDraw.ImageDraw) -> None:
        for origin, dest, count in self._counts:
            strength = 26 + 15 * log(count + 1)
            path = [scaled(each) for each in self.routes[origin, dest].points]
            draw.line(path, fill=round(strength), width=FINER, joint="curve")

    def _airports(self, draw: ImageDraw.ImageDraw) -> None:
        for faa, count in self.traffic.items():
            dot(draw, PROJECTION(self.places[faa]), 1.4 + sqrt(count) / 50, 190)

    def _origins(self, draw: ImageDraw.ImageDraw) -> None:
        for faa in ORIGINS:
            dot(draw, PROJECTION(self.places[faa]), 3.0, 255)

    # Names.

    def _name(self, image: Image.Image) -> None:
        x, y = PROJECTION(NEW_YORK)
        write(image, (x + 14, y + 6), "New York", 17, YELLOW)
        taken: list[Box] = [*TAKEN, (x - 14, y - 14, x + 96, y + 14)]
        taken += [
            (a - 5, b - 5, a + 5, b + 5) for a, b in map(self._spot, self.traffic)
        ]
        for faa, _ in self.traffic.most_common():
            if len(taken) > LABELS + len(self.traffic) + len(TAKEN):
                break
            spot = self._spot(faa)
            if is_inside(spot, MARGIN / 2):
                self._label(image, faa, spot, taken)
            else:
                self._label_at_edge(image, faa)

    def _spot(self, faa: str) -> Point:
        return PROJECTION(self.places[faa])

    def _label(
        self, image: Image.Image, faa: str, spot: Point, taken: list[Box]
    ) -> None:
        x, y = spot
        big = self.traffic[faa] > 4000
        size = 13 if big else 11
        wide, gap = width(faa, size), 4 + sqrt(self.traffic[faa]) / 45
        for left, middle in (
            (x + gap, y),
            (x - gap - wide, y),
            (x - wide / 2, y - gap - size / 2),
            (x - wide / 2, y + gap + size / 2),
            (x, y - gap - size / 2),
            (x, y + gap + size / 2),
        ):
            box = (left, middle - size / 2, left + wide, middle + size / 2)
            if is_inside(box[:2], 4) and not any(overlap(box, each) for each in taken):
                colour = SOFT if big else FAINT
                write(image, (left, middle), faa, size, colour, anchor="lm")
                taken.append(box)
                return

    def _label_at_edge(self, image: Image.Image, faa: str) -> None:
        """Say where a route goes that leaves the picture."""
        points = next(
            route.points for (_, dest), route in self.routes.items() if dest == faa
        )
        last = [point for point in points if is_inside(point, MARGIN)][-1]
        on_top = last[1] < 2 * MARGIN
        at = (last[0] + 8, last[1]) if on_top else (last[0], last[1] - 12)
        write(image, at, f"to {faa}", 11, FAINT, anchor="lm")


def reduced(fill: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
    """Give a mask of the picture's size that *fill* has drawn, larger."""
    large = Image.new("L", (WIDTH * FINER, HEIGHT * FINER))
    fill(ImageDraw.Draw(large))
    return large.reduce(FINER)


def scaled(point: Point) -> Point:
    """Give a point on the larger picture."""
    return point[0] * FINER, point[1] * FINER


def dot(draw: ImageDraw.ImageDraw, at: Point, radius: float, strength: int) -> None:
    """Draw a dot on the larger picture."""
    x, y = scaled(at)
    far = radius * FINER
    draw.ellipse((x - far, y - far, x + far, y + far), fill=strength)


def line(
    draw: ImageDraw.ImageDraw, places: list[Place], strength: int, thick: int
) -> None:
    """Draw a line through places on the larger picture."""
    points = [scaled(PROJECTION(place)) for place in places]
    draw.line(points, fill=strength, width=thick, joint="curve")


def overlap(a: Box, b: Box) -> bool:
    """Tell whether two boxes have something in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

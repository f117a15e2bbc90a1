"""Where things are: great circles on a sphere, and the map's projection.

In: degrees. Out: points between two airports, and pixels of the map. Plain arithmetic:
it knows no flight and no picture.
"""

from __future__ import annotations

from collections.abc import Callable
from math import acos, atan2, cos, degrees, hypot, radians, sin, sqrt
from typing import NamedTuple

MILES = 3_958.8  # the earth's radius
KILOMETRES = 6_371.0


class Place(NamedTuple):
    """A point of the earth, in degrees north and east."""

    lat: float
    lon: float


def way(start: Place, end: Place) -> Callable[[float], Place]:
    """Give the great circle from one place to another, as a function of 0 to 1."""
    a, b = _vector(start), _vector(end)
    angle = _angle(a, b)
    if angle < 1e-9:
        return lambda _: start

    def at(share: float) -> Place:
        p, q = sin((1 - share) * angle) / sin(angle), sin(share * angle) / sin(angle)
        x, y, z = (p * m + q * n for m, n in zip(a, b, strict=True))
        return Place(degrees(atan2(z, hypot(x, y))), degrees(atan2(y, x)))

    return at


def miles(start: Place, end: Place) -> float:
    """Give the length of the great circle."""
    return MILES * _angle(_vector(start), _vector(end))


def _vector(place: Place) -> tuple[float, float, float]:
    lat, lon = radians(place.lat), radians(place.lon)
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def _angle(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    return acos(max(-1.0, min(1.0, sum(m * n for m, n in zip(a, b, strict=True)))))


class Albers:
    """Albers' conic projection: every square mile of the map has the same size.

    :param parallels: the two latitudes whose lengths are true.
    :param middle: the longitude that is upright.
    :param scale: kilometres to a pixel.
    :param anchor: a place, and the pixel where it belongs.
    """

    def __init__(
        self,
        parallels: tuple[float, float],
        middle: float,
        scale: float,
        anchor: tuple[Place, tuple[float, float]],
    ) -> None:
        first, second = map(radians, parallels)
        self._n = (sin(first) + sin(second)) / 2
        self._c = cos(first) ** 2 + 2 * self._n * sin(first)
        self._middle = middle
        self._radius = KILOMETRES / scale / self._n
        self._left = self._top = 0.0
        place, (x, y) = anchor
        here_x, here_y = self(place)
        self._left, self._top = x - here_x, y - here_y

    def __call__(self, place: Place) -> tuple[float, float]:
        """Give a place's pixel, x to the right and y down, with fractions."""
        turn = self._n * radians((place.lon - self._middle + 180) % 360 - 180)
        far = self._radius * sqrt(self._c - 2 * self._n * sin(radians(place.lat)))
        return self._left + far * sin(turn), self._top + far * cos(turn)

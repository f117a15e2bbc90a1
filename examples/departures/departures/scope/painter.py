"""A frame of the radar: a sky at a minute, on the chart.

In: the chart, a day's sky, a minute. Out: a picture, the same for the same minute. What
stays for the day is drawn once, on a copy of the chart; a frame is a copy of that, and
what moves on it.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

from .chart import Box, Chart, is_inside, overlap
from .ink import FADES, FAINT, FLAP, HALL, MOODS, SOFT, TILE, YELLOW, width, write
from .marks import TAIL, put_craft, put_dot, put_ring
from .sky import DAY, FIRST, LAST, Flight, Sky

WORDS = {
    "ontime": "on time",
    "late": "late",
    "verylate": "an hour late or more",
}

# The panel of numbers, at the lower left.
LEFT, RIGHT = 36, 436
DATE_Y, CLOCK_Y, MOODS_Y = 524, 540, 616
CELL = 30, 48  # a tile of the clock
CHART_TOP, CHART_BOTTOM = 636, 682
# The list of departures, off the coast of Maine.
LIST_X, LIST_Y, LIST_ROWS, LIST_STEP = 1050, 56, 8, 22
LIST_COLUMNS = (0, 52, 130, 176)

# A flight's code stands beside it for a while, where it covers no other.
NAMED_FROM, NAMED_TO = 10, 60  # minutes after it left
LANDING = 1.2  # seconds that a ring is seen


class Painter:
    """Pictures of one day."""

    def __init__(self, chart: Chart, sky: Sky) -> None:
        self.chart = chart
        self.sky = sky
        self._counts = sky.counts()
        self._named = self._choose_names()
        self._ground = chart.image.copy()
        self._full = chart.image.copy()  # with the whole day behind it
        self._draw_panel(self._ground, 0.25)
        self._draw_panel(self._full, 0.8)

    # What stays.

    def _draw_panel(self, image: Image.Image, strength: float) -> None:
        date = self.sky.day
        write(image, (LEFT, DATE_Y), f"{date:%A} {date.day} {date:%B %Y}", 17, FLAP)
        draw = ImageDraw.Draw(image)
        draw.line((LEFT, CHART_BOTTOM, RIGHT, CHART_BOTTOM), fill=TILE)
        most = max(1, *map(sum, self._counts))
        step = (RIGHT - LEFT) / (len(self._counts) - 1)
        for x in range(LEFT, RIGHT + 1):
            y = float(CHART_BOTTOM)
            counts = self._counts[min(len(self._counts) - 1, round((x - LEFT) / step))]
            for count, colour in zip(counts, MOODS.values(), strict=True):
                top = y - count * (CHART_BOTTOM - CHART_TOP) / most
                shade = tuple(
                    round(dark + strength * (bright - dark))
                    for bright, dark in zip(colour, HALL, strict=True)
                )
                if round(top) < round(y):
                    draw.line((x, round(top), x, round(y) - 1), fill=shade)
                y = top
        for minute in range(FIRST, LAST, 3 * 60):
            at = self._across(minute), CHART_BOTTOM + 16
            write(image, at, f"{minute // 60 % 24:02d}", 11, FAINT, anchor="ms")
        write(image, (LIST_X, LIST_Y - 12), "Just left", 13, FAINT)

    def _across(self, minute: float) -> float:
        return LEFT + (RIGHT - LEFT) * (minute - FIRST) / (LAST - FIRST)

    def _choose_names(self) -> set[Flight]:
        """Choose whose code is shown, once for the day: so none of them flickers."""
        chosen: set[Flight] = set()
        near: list[tuple[int, dict[int, Box]]] = []
        for flight in self.sky.flights:
            boxes = {}
            last = min(flight.left + NAMED_TO, flight.lands)
            for minute in range(flight.left + NAMED_FROM, last):
                x, y, _ = self._spot(flight, minute)
                boxes[minute] = x - 10, y - 8, x + 56, y + 8
            near = [each for each in near if each[0] > flight.left - NAMED_TO]
            if boxes and not any(
                minute in theirs and overlap(box, theirs[minute])
                for _, theirs in near
                for minute, box in boxes.items()
            ):
                near.append((flight.left, boxes))
                chosen.add(flight)
        return chosen

    def _spot(self, flight: Flight, minute: float) -> tuple[float, float, float]:
        share = (minute - flight.left) / (flight.lands - flight.left)
        return self.chart.routes[flight.origin, flight.dest].at(share)

    # What moves.

    def frame(self, minute: float, speed: float = 1.0) -> Image.Image:
        """Draw the sky at a minute since the day's midnight.

        :param speed: minutes of that day that pass in a second.
        """
        image = self._ground.copy()
        up = self.sky.up(minute)
        for flight in self.sky.just_landed(minute, LANDING * speed):
            spot = self._spot(flight, flight.lands)[:2]
            age = (minute - flight.lands) / (LANDING * speed)
            put_ring(image, spot, age, MOODS[flight.mood])
        for flight in up:
            self._fly(image, flight, minute)
        for flight in up:
            if flight in self._named:
                self._name(image, flight, minute)
        self._count(image, minute, up)
        self._list(image, minute)
        return image

    def _fly(self, image: Image.Image, flight: Flight, minute: float) -> None:
        route = self.chart.routes[flight.origin, flight.dest]
        share = (minute - flight.left) / (flight.lands - flight.left)
        x, y, heading = route.at(share)
        if is_inside((x, y), -TAIL):
            put_craft(image, (x, y), heading, share * route.length, MOODS[flight.mood])

    def _name(self, image: Image.Image, flight: Flight, minute: float) -> None:
        age = minute - flight.left
        fade = min(age - NAMED_FROM, (NAMED_TO - age) / 2, 4) / 4
        x, y, heading = self._spot(flight, minute)
        # Beside the wing, on the side that points to the right of the picture.
        is_west = 90 < heading % 360 < 270
        at = (x + 9, y - 7) if is_west else (x + 9, y + 7)
        seen = int(FADES * max(0.0, fade))
        for colour, bold in ((HALL, 1), (FLAP, 0)):  # it may stand on other flights
            text = flight.code
            write(image, at, text, 11, colour, anchor="lm", bold=bold, fade=seen)

    def _count(self, image: Image.Image, minute: float, up: list[Flight]) -> None:
        whole = int(minute)
        clock = f"{whole // 60 % 24:02d}:{whole % 60:02d}"
        draw = ImageDraw.Draw(image)
        x = LEFT
        for letter in clock:
            wide = CELL[0] if letter != ":" else CELL[0] // 2
            if letter != ":":
                box = (x, CLOCK_Y, x + wide, CLOCK_Y + CELL[1])
                draw.rounded_rectangle(box, 4, fill=TILE)
            at = x + wide / 2, CLOCK_Y + CELL[1] / 2
            write(image, at, letter, 34, YELLOW, anchor="mm")
            x += wide + 3
        hinge = CLOCK_Y + CELL[1] // 2
        draw.line((LEFT, hinge, x - 4, hinge), fill=HALL)

        x += 94
        write(image, (x, CLOCK_Y + 38), f"{len(up)}", 44, FLAP, anchor="rs")
        write(image, (x + 12, CLOCK_Y + 19), "in the air", 15, FLAP)
        said = f"{self.sky.landed(minute)} landed, {self.sky.to_come(minute)} to come"
        write(image, (x + 12, CLOCK_Y + 38), said, 13, SOFT)

        x = LEFT
        for mood, word in WORDS.items():
            count = sum(flight.mood == mood for flight in up)
            put_dot(image, (x + 4, MOODS_Y - 4), MOODS[mood])
            text = f"{count} {word}"
            write(image, (x + 14, MOODS_Y), text, 13, SOFT)
            x += 30 + round(width(f"000 {word}", 13))

        now = round(self._across(min(minute, LAST)))
        done = (LEFT, CHART_TOP, now + 1, CHART_BOTTOM)
        image.paste(self._full.crop(done), done[:2])
        draw.line((now, CHART_TOP - 4, now, CHART_BOTTOM + 2), fill=YELLOW)

    def _list(self, image: Image.Image, minute: float) -> None:
        for row, flight in enumerate(self.sky.just_left(minute, LIST_ROWS)):
            y = LIST_Y + (row + 1) * LIST_STEP - 10
            left = flight.left % DAY
            fade = FADES - max(0, row - LIST_ROWS + 5)
            texts = (
                (f"{left // 60:02d}:{left % 60:02d}", YELLOW),
                (flight.code, FLAP),
                (flight.origin, SOFT),
                (flight.dest, MOODS[flight.mood]),
            )
            for column, (text, colour) in zip(LIST_COLUMNS, texts, strict=True):
                at = LIST_X + column, y
                write(image, at, text, 14, colour, fade=fade)

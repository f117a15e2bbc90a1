"""The radar's cameras: a few screens, each of which shows what it was last asked for.

In: a day and a speed. Out: a camera that shows them, the same for everyone who asks for
the same. A camera for each day and speed would be a thousand, each with a thread that
draws, for whoever wants to make a server sweat. So there are SCREENS of them; one that
nobody watches any more takes the next programme, and who comes when all are taken is
told what is on. The first is kept for today's flights.

The time of day is the wall clock's, only quicker. So a radar goes on while nobody
watches, and every process of a server shows the same minute.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flask_sluice import Sluice
from flask_sluice.video import Camera

from ..queries import connect
from . import sky
from .sky import FIRST, LAST

if TYPE_CHECKING:
    from PIL.Image import Image

    from .chart import Chart

FPS = 15
SCREENS = 4
QUALITY = 76
#: Minutes of the day that pass in a second.
SPEEDS = (1, 5, 20)
SPEED = 5
#: Seconds for which a screen that was asked for waits for its first viewer.
HELD = 5.0


class Programme(NamedTuple):
    """What a screen shows."""

    day: date
    speed: int


def minute_of(speed: int, now: float) -> float:
    """Tell what a radar's clock says: minutes since the shown day's midnight."""
    return FIRST + now * speed % (LAST - FIRST)


Draw = Callable[[Programme], Iterator["Image"]]


class Screen:
    """A camera that can be asked for another programme while nobody watches it."""

    def __init__(self, sluice: Sluice, number: int, draw: Draw) -> None:
        self._draw = draw
        self.programme: Programme | None = None
        self.asked_at = 0.0
        self.camera: Camera = sluice.camera(
            f"radar-{number}", self._frames, fps=FPS, quality=QUALITY
        )

    def _frames(self) -> Iterator[Image]:
        assert self.programme is not None
        return self._draw(self.programme)

    def is_free(self, now: float) -> bool:
        """Tell whether its programme may be changed.

        Not while its capture runs, which would show a viewer the frame of another day.
        """
        return self.camera.state == "idle" and now - self.asked_at > HELD


class Screens:
    """The radar of one database."""

    def __init__(
        self, sluice: Sluice, database: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._chart: Chart | None = None
        self._screens = [Screen(sluice, n, self._draw) for n in range(SCREENS)]

    def camera(self, wanted: Programme, *, is_usual: bool = False) -> Camera | None:
        """Give the camera that shows *wanted*; None if all show something else.

        :param is_usual: it is what the first screen is kept for.
        """
        with self._lock:
            screen = self._showing(wanted) or self._free(is_usual)
            if screen is None:
                return None
            screen.programme = wanted
            screen.asked_at = time.monotonic()
            return screen.camera

    def has_room(self, wanted: Programme, is_usual: bool) -> bool:
        """Tell whether `camera` would give one."""
        with self._lock:
            return bool(self._showing(wanted) or self._free(is_usual))

    def _showing(self, wanted: Programme) -> Screen | None:
        return next((s for s in self._screens if s.programme == wanted), None)

    def _free(self, is_usual: bool) -> Screen | None:
        now = time.monotonic()
        kept, *others = self._screens
        if is_usual and kept.is_free(now):
            return kept
        free = [screen for screen in others if screen.is_free(now)]
        # The one that was longest not asked for.
        return min(free, key=lambda screen: screen.asked_at, default=None)

    def any(self) -> Camera:
        """Give some camera, to answer a question that isn't about its picture."""
        return self._screens[0].camera

    def on(self) -> list[Programme]:
        """Tell what is being watched."""
        with self._lock:
            return [
                each.programme
                for each in self._screens
                if each.programme and each.camera.viewers
            ]

    def state(self, db: sqlite3.Connection, wanted: Programme) -> dict[str, Any]:
        """Tell what *wanted* shows and how it does, in numbers. It starts nothing."""
        with self._lock:
            screen = self._showing(wanted)
        minute = int(minute_of(wanted.speed, self._clock()))
        return {
            "day": wanted.day.isoformat(),
            "speed": wanted.speed,
            "clock": f"{minute // 60 % 24:02d}:{minute % 60:02d}",
            "in_the_air": sky.count_up(db, wanted.day, minute),
            "camera": screen and screen.camera.stats,
        }

    # On a camera's thread.

    def _draw(self, programme: Programme) -> Iterator[Image]:
        """Draw a programme, FPS times a second."""
        from .painter import Painter  # and Pillow: when there is somebody to see it

        chart, shown = self._load(programme.day)
        painter = Painter(chart, shown)
        due = time.monotonic()
        while True:
            minute = minute_of(programme.speed, self._clock())
            yield painter.frame(minute, programme.speed)
            now = time.monotonic()
            due = max(due + 1 / FPS, now - 1 / FPS)  # late ones aren't made up for
            time.sleep(max(0.0, due - now))

    def _load(self, day: date) -> tuple[Chart, sky.Sky]:
        from .chart import Chart

        with closing(connect(self._database)) as db:
            # Two cameras may both draw it; they draw the same.
            chart = self._chart
            if chart is None:
                self._chart = chart = Chart(sky.places(db), sky.routes(db))
            return chart, sky.sky(db, day, chart.places)

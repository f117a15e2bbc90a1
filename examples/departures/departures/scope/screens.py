"""The radar's cameras: one for each day and speed, of which a few may run.

In: a day and a speed. Out: a camera that shows them, the same for everyone who asks for
the same. All of them together would be a thousand threads that draw, for whoever wants
to make a server sweat. So SCREENS may run at once, one of them only with today's
flights, and who wants another one is told what is on. A camera's name says what it
shows, so processes that share their cameras by a broker mean the same by it.

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
from functools import partial
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
#: Seconds for which a camera that was asked for counts before its first viewer comes.
HELD = 5.0


class Programme(NamedTuple):
    """What a screen shows."""

    day: date
    speed: int


def minute_of(speed: int, now: float) -> float:
    """Tell what a radar's clock says: minutes since the shown day's midnight."""
    return FIRST + now * speed % (LAST - FIRST)


class Screens:
    """The radar of one database."""

    def __init__(
        self, sluice: Sluice, database: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._sluice = sluice
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._chart: Chart | None = None
        self._cameras: dict[Programme, Camera] = {}
        self._asked: dict[Programme, float] = {}  # when, of those that may run

    def declared(self, wanted: Programme) -> Camera:
        """Give the camera of *wanted*, to ask it something. At rest it is small."""
        with self._lock:
            if wanted not in self._cameras:
                self._cameras[wanted] = self._sluice.camera(
                    f"radar-{wanted.day}-{wanted.speed}",
                    partial(self._draw, wanted),
                    fps=FPS,
                    quality=QUALITY,
                )
            return self._cameras[wanted]

    def camera(self, wanted: Programme, usual: Programme) -> Camera | None:
        """Give the camera of *wanted*, to watch it; None if too many others run.

        :param usual: what one screen is kept for.
        """
        found = self.declared(wanted)
        with self._lock:
            if not self._has_room(wanted, usual):
                return None
            self._asked[wanted] = time.monotonic()
            return found

    def has_room(self, wanted: Programme, usual: Programme) -> bool:
        """Tell whether `camera` would give one."""
        with self._lock:
            return self._has_room(wanted, usual)

    def _has_room(self, wanted: Programme, usual: Programme) -> bool:
        now = time.monotonic()
        for each, asked_at in list(self._asked.items()):
            if self._cameras[each].state == "idle" and now - asked_at > HELD:
                del self._asked[each]
        taken = self._asked.keys() | {usual}
        return wanted in taken or len(taken) < SCREENS

    def on(self) -> list[Programme]:
        """Tell what is being watched."""
        with self._lock:
            return [each for each in self._asked if self._cameras[each].viewers]

    def state(self, db: sqlite3.Connection, wanted: Programme) -> dict[str, Any]:
        """Tell what *wanted* shows and how it does, in numbers. It starts nothing."""
        minute = int(minute_of(wanted.speed, self._clock()))
        return {
            "day": wanted.day.isoformat(),
            "speed": wanted.speed,
            "clock": f"{minute // 60 % 24:02d}:{minute % 60:02d}",
            "in_the_air": sky.count_up(db, wanted.day, minute),
            "camera": self.declared(wanted).stats,
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

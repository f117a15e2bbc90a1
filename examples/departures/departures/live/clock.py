"""Replays of days: where each stands, and the thread that publishes what changes.

A day and a speed go in, and the same replay comes out for all who ask for them. Where
it stands depends on when it began and on nothing else, so a page can be drawn without
it; and what comes to a page later carries its number, so that it can be put together.

A replay runs while somebody reads its channel, and a while after. In each process that
has readers a thread looks after it: one of them publishes (see `turn`), all say how
many read.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from flask_sluice import Sluice
from flask_sluice.errors import BrokerError
from flask_sluice.pubsub import Channel

from ..board import new_york
from .timeline import Shown, Timeline, timeline
from .turn import Turn

log = logging.getLogger(__name__)

#: How many times faster than in 2013. At 1 it is the time of day in New York.
SPEEDS = (1, 60, 300, 1200)
NIGHT = timedelta(hours=4)  # when a day ends, for its last flights leave after midnight
PAUSE = 8.0  # seconds that the finished board is shown before the day begins again

HISTORY = 1000  # events; half a minute of the fastest replay
LEAP = HISTORY // 2  # changes after which the whole board is told: a machine has slept
LOOK = 0.2  # seconds between two looks at who reads
TELL = 5.0  # seconds after which the readers are counted again, also if none came
FRESH = 3 * TELL  # seconds for which a turn is somebody's

Clock = Callable[[], float]


class TooManyReplaysError(Exception):
    """All replays that there may be are watched."""


class Moment(NamedTuple):
    """Where a replay stands.

    :ivar number: of the last change, or of the beginning of the day; dense.
    :ivar count: how many changes there were on this round.
    :ivar minute: of the day.
    """

    number: int
    count: int
    minute: float


class Replay:
    """A day at a speed.

    :param day: as 2013-07-04.
    :param speed: one of SPEEDS.
    """

    def __init__(self, replays: Replays, day: str, speed: int) -> None:
        self.day = day
        self.speed = speed
        self.name = f"replay:{day}:{speed}"
        self._replays = replays
        self._turn = Turn(replays.folder, f"{day}-{speed}", FRESH)
        self._worker = secrets.token_hex(4)
        self._told = 0  # readers
        self._told_at = 0.0
        self._published: int | None = None  # the number of the last change
        self._ended = threading.Event()
        self.asked = replays.clock()
        self.channel: Channel = replays.sluice.channel(self.name, history=HISTORY)

    @property
    def day_line(self) -> Timeline:
        """The day."""
        return timeline(self._replays.database, self.day)

    def moment(self) -> Moment:
        """Tell where it stands: at its beginning, if it doesn't run."""
        now = self._replays.clock()
        line = self.day_line
        if self.speed == 1:
            past = self._replays.new_york() - NIGHT
            turn = past.toordinal()
            minute = NIGHT.seconds / 60 + past.hour * 60 + past.minute
            minute += past.second / 60
        else:
            began = self._turn.began(now)
            past_minutes = 0.0 if began is None else (now - began) * self.speed / 60
            length = line.end - line.begin + PAUSE * self.speed / 60
            rest = past_minutes % length
            turn, minute = int(past_minutes // length), min(line.begin + rest, line.end)
        count = line.count(minute)
        return Moment(turn * (len(line.changes) + 1) + count, count, minute)

    def board(self) -> dict[str, Any]:
        """Give all that is shown now, as pages and the event `board` have it."""
        moment = self.moment()
        shown: Shown = self.day_line.shown(moment.count)
        return {
            "n": moment.number,
            "at": moment.minute,
            "rows": [row._asdict() for row in shown.rows],
            "totals": shown.totals._asdict(),
        }

    # On a thread of its own.

    def run(self) -> None:
        """Publish what happens, until nobody has read it for a while."""
        is_away = False
        try:
            while not self._ended.is_set() and not self._replays.forget(self):
                try:
                    pause, is_away = self.step(), False
                except BrokerError as error:
                    if not is_away:
                        log.warning("%s stands still: %s", self.name, error)
                    # What has happened meanwhile is in the next event `board`.
                    self._published, pause, is_away = None, 1.0, True
                self._ended.wait(pause)
        finally:
            self._turn.leave()
            self._replays.drop(self)

    def end(self) -> None:
        """Have it end soon."""
        self._ended.set()

    def step(self) -> float:
        """Publish what is due; give the seconds until the next time."""
        now = self._replays.clock()
        readers = self.channel.subscribers
        if readers:
            self.asked = now
        if readers != self._told or now - self._told_at > TELL:
            self._told, self._told_at = readers, now
            if self._turn.is_mine:
                self._turn.keep(now)
            said = {"worker": self._worker, "count": readers}
            self.channel.publish(said, event="viewers", key=f"viewers {self._worker}")
        if not self._turn.take(now):
            return LOOK
        moment, line = self.moment(), self.day_line
        first = moment.number - moment.count  # the number of the day's beginning
        behind = None if self._published is None else moment.number - self._published
        if behind is None or behind > moment.count or behind > LEAP:
            self.channel.publish(self.board(), event="board", key="board")
            self._published = moment.number
        assert self._published is not None
        while self._published < moment.number:
            change = line.changes[self._published - first]
            self._published += 1
            data = {
                "n": self._published,
                "at": change.at,
                "row": change.row._asdict(),
                "out": change.out,
                "totals": change.totals._asdict(),
            }
            self.channel.publish(data, event="change", key=change.row.key)
        if moment.count == len(line.changes):
            return LOOK
        wait = (line.changes[moment.count].at - moment.minute) * 60 / self.speed
        return min(LOOK, max(0.01, wait))


class Replays:
    """All replays of this process.

    :param folder: where the workers of this machine take turns.
    :param most: how many may run at once. One more ends the one that has been without
        readers for longest; if all have some, it can't be had.
    :param grace: seconds that one runs on without readers.
    """

    def __init__(
        self,
        sluice: Sluice,
        database: Path,
        folder: Path,
        *,
        most: int = 8,
        grace: float = 60.0,
        clock: Clock = time.time,
        new_york: Callable[[], datetime] = new_york,
    ) -> None:
        self.sluice = sluice
        self.database = database
        self.folder = folder
        self.clock = clock
        self.new_york = new_york
        self._most = most
        self._grace = grace
        self._running: dict[str, Replay] = {}
        self._lock = threading.Lock()

    def look(self, day: str, speed: int) -> Replay:
        """Give a replay to look at. It doesn't run by that."""
        with self._lock:
            made = self._running.get(f"replay:{day}:{speed}")
        return made or Replay(self, day, speed)

    def watch(self, day: str, speed: int) -> Replay:
        """Give a replay that runs.

        :raises TooManyReplaysError: others do, and are watched.
        """
        with self._lock:
            name = f"replay:{day}:{speed}"
            if (found := self._running.get(name)) is not None:
                found.asked = self.clock()
                return found
            if len(self._running) >= self._most:
                self._make_room()
            made = self._running[name] = Replay(self, day, speed)
        threading.Thread(target=made.run, name=name, daemon=True).start()
        return made

    def _make_room(self) -> None:
        idle = [each for each in self._running.values() if not each.channel.subscribers]
        if not idle:
            raise TooManyReplaysError
        oldest = min(idle, key=lambda each: each.asked)
        del self._running[oldest.name]
        oldest.end()

    def running(self) -> list[Replay]:
        """Give those that run in this process."""
        with self._lock:
            return list(self._running.values())

    def forget(self, replay: Replay) -> bool:
        """Let go of a replay that nobody reads; tell whether it was. For its thread."""
        with self._lock:
            if replay.channel.subscribers:
                return False
            if self.clock() - replay.asked <= self._grace:
                return False
            if self._running.get(replay.name) is replay:
                del self._running[replay.name]
            return True

    def drop(self, replay: Replay) -> None:
        """Forget its events, too. Whoever comes back for them is told by a reset."""
        with self._lock:
            if replay.name not in self._running:
                self.sluice.channel(replay.name, history=1)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            ended, self._running = list(self._running.values()), {}
        for each in ended:
            each.end()

"""Who has been silent for how long: one thread's clock for all heartbeats.

In: whoever wants to say something when it has been silent for a while. Out: a call,
when it has. It refuses to know what is said.

Ten thousand timers that each delivery puts off would cost more than the deliveries. So
nobody's time is put off: each sits in the place of the time at which it was due when it
was last looked at, and when that comes, it says when it is really due.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from .. import native

__all__ = ["Beating", "Pulse", "Silent", "pulse"]

STEP = 0.25  # seconds; whoever is due in the same step is called together
NAP = 1.0  # seconds that the thread sleeps at most


class Silent(Protocol):
    """Who is to speak up after a silence."""

    place: int  # kept by the pulse; 0 is nowhere

    def beat(self, now: float) -> float | None:
        """Speak up if it is time; give the time to be asked again, or None."""


class Beating(ABC):
    """A stream of events that is never silent for longer than its heartbeat. A mixin.

    Whoever has it notes in `_spoke` when it said something, and sends a heartbeat when
    `_beat_due` says so.
    """

    # By their names, because ten thousand of them are subscriptions.
    __slots__ = ("_beat_due", "_heartbeat", "_over", "_spoke", "place")

    place: int
    _beat_due: bool
    _heartbeat: float | None  # seconds; None: it may be silent for ever
    _over: bool
    _spoke: float

    @abstractmethod
    def wake(self) -> None:
        """Tell whoever carries it that there is something to take."""

    def beat(self, now: float) -> float | None:
        """Have a heartbeat sent if it was silent for too long. For the pulse."""
        if self._over or self._heartbeat is None:
            return None
        due = self._spoke + self._heartbeat
        if due > now:
            return due
        self._spoke = now
        self._beat_due = True
        self.wake()
        return now + self._heartbeat


class Pulse:
    """The clock.

    :ivar now: the time, as of its last look. Cheap, and right to a second or so.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, threaded: bool = True
    ) -> None:
        self._clock = clock
        self._threaded = threaded
        self._lock = native.lock()
        # The number stands in the value, too, for all to share the one object.
        self._places: dict[int, tuple[int, set[Silent]]] = {}
        self._running = False
        self.now = clock()

    def __len__(self) -> int:
        """How many wait to be asked."""
        return sum(len(waiting) for _, waiting in self._places.values())

    def enter(self, silent: Silent, due: float) -> None:
        """Have *silent* asked at *due*. Call it where the app's own code runs."""
        if not self._running:
            # Nobody has kept it.
            self.now = self._clock()
        with self._lock:
            self._put(silent, due)
            start = self._threaded and not self._running
            self._running = True
        if start:
            threading.Thread(
                target=self._run, name="flask-sluice-pulse", daemon=True
            ).start()

    def leave(self, silent: Silent) -> None:
        """Don't ask *silent* any more."""
        with self._lock:
            place, silent.place = silent.place, 0
            _, waiting = self._places.get(place, (0, set()))
            waiting.discard(silent)
            if not waiting:
                self._places.pop(place, None)

    def look(self) -> None:
        """Ask everyone whose time has come."""
        now = self.now = self._clock()
        with self._lock:
            due = [place for place in self._places if place * STEP <= now]
            asked = [silent for place in due for silent in self._places.pop(place)[1]]
            for silent in asked:
                silent.place = -1  # being asked; 0 if it leaves meanwhile
        for silent in asked:
            again = silent.beat(now)
            with self._lock:
                if again is not None and silent.place:
                    self._put(silent, again)

    def _put(self, silent: Silent, due: float) -> None:
        place = math.ceil(due / STEP)
        silent.place, waiting = self._places.setdefault(place, (place, set()))
        waiting.add(silent)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._places:
                    self._running = False
                    return
                due = min(self._places) * STEP
            time.sleep(min(NAP, max(0.0, due - self._clock())))
            self.look()


_pulse = Pulse()


def pulse() -> Pulse:
    """Give this process's clock."""
    return _pulse


def _forget() -> None:
    global _pulse
    _pulse = Pulse()


native.after_fork(_forget)

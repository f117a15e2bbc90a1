"""Which frames are on time for somebody who wants fewer than there are.

In: the times at which frames come. Out: whether this one is to be taken. It keeps no
clock and makes nobody wait.

Frames come on a grid of their own. To take the first one *after* each due time would
make 15 a second out of 30 and 20; so the one that is nearest to it is taken, and due
times follow each other whatever was taken.
"""

from __future__ import annotations

__all__ = ["Pace"]


class Pace:
    """At most so many a second, evenly.

    :param fps: how many; None takes all.
    """

    __slots__ = ("_due", "_period")

    def __init__(self, fps: float | None) -> None:
        self._period = 0.0 if fps is None else 1 / fps
        self._due = 0.0

    def wait(self, now: float) -> float:
        """Give the seconds until one is due; 0 or less if it is."""
        return self._due - now

    def is_due(self, now: float, interval: float) -> bool:
        """Tell whether a frame that comes *now* is on time.

        :param interval: seconds until the next one is likely to come.
        """
        return now >= self._due - min(interval, self._period) / 2

    def took(self, now: float) -> None:
        """Note that the one that came *now* was taken."""
        # Never two at once because one was late: after a silence it begins anew.
        is_late = now - self._due > self._period / 2
        self._due = (now if is_late else self._due) + self._period

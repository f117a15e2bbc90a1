"""The pace of a source that has none of its own: a file, a test pattern.

For threads of the operating system, which cameras run on: it sleeps.
"""

from __future__ import annotations

import time

from .. import native

__all__ = ["Metronome"]

LATE = 1.0  # seconds behind, after which it doesn't try to catch up


class Metronome:
    """Beats so many times a second.

    :param fps: how many.
    """

    def __init__(self, fps: float) -> None:
        self._interval = 1 / fps
        self._due = time.monotonic()

    def wait(self) -> None:
        """Sleep until the next beat."""
        now = time.monotonic()
        if now < self._due:
            native.sleep(self._due - now)
        elif now - self._due > LATE:
            self._due = now
        self._due += self._interval

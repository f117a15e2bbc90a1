"""What is known of a camera, as numbers.

In: counts, looked at a few times a second. Out: rates over the last seconds, and a
`CameraStats` that a view can return as JSON.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

__all__ = ["CameraStats", "State", "Tally"]

State: TypeAlias = Literal["idle", "starting", "live", "no signal"]

WINDOW = 3.0  # seconds that a rate is taken over


@dataclass(frozen=True, slots=True)
class CameraStats:
    """A camera at one moment. Counts are of this process, since it began.

    :ivar name: the camera's.
    :ivar state: "idle": nobody watches; "starting": no frame has come yet; "live";
        "no signal": the source has failed, ended, or gives nothing.
    :ivar viewers: how many watch now.
    :ivar variants: how many sizes and qualities are made for them.
    :ivar fps_captured: frames a second that are taken from the source, over three
        seconds.
    :ivar fps_shown: frames a second that a viewer gets, on average.
    :ivar captured: frames that were taken from the source.
    :ivar shown: frames that went to viewers, repeated ones included.
    :ivar dropped: frames that viewers missed because they were too slow for them.
        What a viewer skips because it asked for fewer isn't counted.
    :ivar bytes: bytes of the streams, as viewers took them.
    :ivar starts: how often the source was started.
    :ivar error: what the source last failed with; None if it never has.
    """

    name: str
    state: State
    viewers: int
    variants: int
    fps_captured: float
    fps_shown: float
    captured: int
    shown: int
    dropped: int
    bytes: int
    starts: int
    error: str | None


class Seen(Protocol):
    """What a viewer counts."""

    shown: int
    dropped: int
    bytes: int


class Tally:
    """A camera's counts. Every call with the camera's lock held.

    :ivar captured: frames that were taken from the source.
    :ivar starts: how often it was started.
    :ivar error: what it last failed with.
    """

    def __init__(self) -> None:
        self.captured = 0
        self.starts = 0
        self.error: str | None = None
        self._left = (0, 0, 0)  # shown, dropped, bytes, of those who have left
        self._notes: deque[tuple[float, int, int]] = deque()

    def left(self, viewer: Seen) -> None:
        """Add the counts of one who leaves."""
        self._left = self._total([viewer])

    def _total(self, viewers: Iterable[Seen]) -> tuple[int, int, int]:
        shown, dropped, size = self._left
        for each in viewers:
            shown += each.shown
            dropped += each.dropped
            size += each.bytes
        return shown, dropped, size

    def begin(self) -> None:
        """Forget how fast it was."""
        self._notes.clear()

    def note(self, now: float, viewers: Iterable[Seen]) -> None:
        """Note how far the counts are: rates are taken from that."""
        notes = self._notes
        notes.append((now, self.captured, self._total(viewers)[0]))
        while notes[0][0] < now - WINDOW:
            notes.popleft()

    def stats(
        self, name: str, state: State, variants: int, viewers: Collection[Seen]
    ) -> CameraStats:
        """Give all of it."""
        shown, dropped, size = self._total(viewers)
        captured_rate = shown_rate = 0.0
        if self._notes and state != "idle":
            then, captured_then, shown_then = self._notes[0]
            seconds = max(time.monotonic() - then, 0.001)
            captured_rate = (self.captured - captured_then) / seconds
            shown_rate = (shown - shown_then) / seconds / max(1, len(viewers))
        return CameraStats(
            name=name,
            state=state,
            viewers=len(viewers),
            variants=variants,
            fps_captured=round(captured_rate, 1),
            fps_shown=round(shown_rate, 1),
            captured=self.captured,
            shown=shown,
            dropped=dropped,
            bytes=size,
            starts=self.starts,
            error=self.error,
        )

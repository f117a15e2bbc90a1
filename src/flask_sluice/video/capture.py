"""The one thread that has a camera's source open.

In: a source that can be opened. Out: its frames, each published as it comes, until
nobody watches any more. When the source raises or ends it is closed and opened again,
after a wait that doubles. It refuses to run twice: the next opening always follows the
last closing, on the same thread.

A source that hangs in a driver can't be interrupted from outside, and a second one
could find the device taken, or take it from the first. So the thread is left in peace:
viewers see "no signal" meanwhile, and what it gives at last is shown.

The thread is one of the operating system, under gevent too: a read that takes until
the next frame would else stop every greenlet. A source that waits for other greenlets
(for a queue, say) asks for `greenlet=True`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import native
from ..jitter import spread
from .pace import Pace
from .relay import NOTHING

if TYPE_CHECKING:
    from .camera import Camera

__all__ = ["Capture", "SourceEnded"]

log = logging.getLogger("flask_sluice")

FIRST_WAIT = 0.5  # seconds before the first new attempt, give or take half
LONGEST_WAIT = 30.0
STEADY = 10.0  # seconds that a source has to last for the waits to begin anew
STEP = 0.1  # seconds; how soon a waiting capture notices that nobody watches any more


MOST = 120  # frames a second that are taken from a source without an fps
RUNAWAY = 0.001  # seconds for a frame, less than which no camera takes


class SourceEnded(Exception):
    """The source's iterator has ended. A camera's never does."""


class Capture:
    """A capture, from the first viewer to the last.

    :param camera: what it publishes to, and asks whether to go on.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._sleep: Callable[[float], None] = native.sleep

    def start(self) -> None:
        """Start the thread."""
        name = f"flask-sluice-camera-{self._camera.name}"
        if self._camera.greenlet:
            self._sleep = time.sleep
            threading.Thread(target=self._run, name=name, daemon=True).start()
        else:
            native.start_worker(self._run, name)

    def _run(self) -> None:
        try:
            self._supervise()
        except BaseException as error:  # noqa: BLE001 - the next viewer starts another
            self._camera.ended()
            native.post(partial(log.error, "A capture has ended", exc_info=error))

    def _supervise(self) -> None:
        camera = self._camera
        failures = 0
        while camera.goes_on():
            began = time.monotonic()
            error = self._follow()
            if error is None:
                continue
            if time.monotonic() - began > STEADY:
                failures = 0
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2**failures)
            wait = spread(wait, 0.5, 1.5)
            failures = min(failures + 1, 16)
            camera.lost(error, wait)
            self._rest(wait)

    def _follow(self) -> BaseException | None:
        """Show what the source gives. None when nobody watches any more."""
        frames: Iterator[object] | None = None
        try:
            frames = self._camera.open()
            return self._show(frames)
        except BaseException as error:  # noqa: BLE001 - whatever a source raises
            return error
        finally:
            # Here, on the thread that it ran on, so that its finally blocks run.
            _close(frames)

    def _show(self, frames: Iterator[object]) -> BaseException | None:
        camera = self._camera
        pace = Pace(camera.fps or MOST)
        takes_all = camera.fps is None
        last: float | None = None
        asked, waited = time.monotonic(), 1.0
        for frame in frames:
            now = time.monotonic()
            if frame is NOTHING:
                if not camera.is_wanted(now):
                    return None
                continue
            if last is not None:
                camera.interval += (now - last - camera.interval) / 8
            last = now
            waited += (now - asked - waited) / 8
            is_due = pace.is_due(now, camera.interval)
            if is_due:
                pace.took(now)
            if is_due or takes_all:
                camera.publish(frame, now)
            else:
                camera.hold(frame, now)
            # The source isn't held back, because its next frame would be older then.
            # Only one that never waits is made to.
            if waited < RUNAWAY and not is_due:
                self._sleep(max(0.0, pace.wait(now)))
            if not camera.is_wanted(now):
                return None
            asked = time.monotonic()
        return SourceEnded("the source has ended; one that starts again has a loop")

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end and self._camera.is_wanted(now):
            self._sleep(min(STEP, end - now))


def _close(frames: Any) -> None:
    close = getattr(frames, "close", None)
    if close is not None:
        try:
            close()
        except BaseException as error:  # noqa: BLE001 - whatever a source raises
            # Not on this thread: logging takes locks that gevent may have replaced.
            complain = partial(log.error, "Closing a source raised", exc_info=error)
            native.post(complain)

"""A camera: one capture, however many watch, and nothing at all while nobody does.

In: frames, from the one thread of `capture`. Out: pictures, encoded once for each size
and quality that somebody watches in, on that thread and never on a viewer's. It refuses
to know who watches and over what.

While a capture runs, `beat` looks in from the pulse four times a second: it has a still
picture sent again, and says so when the source has been silent for too long.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial

from .. import native, signals
from ..errors import NoSignalError
from ..formats.multipart import Multipart, Style, framings
from ..pubsub.broker import Broker
from ..pubsub.channel import enroll
from ..pubsub.pulse import pulse
from . import checks, picture
from .board import Board
from .capture import Capture
from .relay import Ready, Relay
from .snapshot import first_picture
from .sources import is_built_in, opener
from .stats import CameraStats, State, Tally
from .telling import tell
from .variant import Key, Picture, Variant
from .viewer import Viewer

__all__ = ["Camera"]

log = logging.getLogger("flask_sluice")

BEAT = 0.25  # seconds
SILENCE = 5.0  # seconds without a frame after which there is "no signal", at least
SLOW = 3  # times its usual interval that a source may be silent
RETRY_AFTER = 5  # seconds; told to whoever finds no signal


class Camera:
    """Frames for any number of viewers. `sluice.camera` makes one.

    :param name: the app's name for it.
    :param source: where frames come from.
    :param fps: frames a second that are taken from the source at most; None: all.
    :param size: width and height that pictures have to fit into; None: as they come.
    :param quality: JPEG's, 1 to 95.
    :param grace: seconds that the source is kept open when nobody watches any more.
    :param still_every: seconds after which a picture that hasn't changed is sent again.
    :param greenlet: under gevent, run the source among the app's greenlets, and not on
        a thread of its own.
    :raises ArgumentError: an argument can't be used.
    :raises BodyTypeError: the source is none.
    :raises MissingExtraError: the source needs a package that isn't installed.

    :ivar name: as given.
    :ivar board: who watches, and what they see.
    :ivar interval: seconds between two frames of the source, as of late.
    """

    place = 0  # the pulse's

    def __init__(
        self,
        name: str,
        source: object,
        *,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        quality: int = 80,
        grace: float = 2.0,
        still_every: float = 1.0,
        greenlet: bool = False,
    ) -> None:
        checks.check_name(name)
        checks.check_view(fps, size, quality)
        checks.check_times(grace, still_every)
        self.name = name
        self.source = source
        self.fps = fps
        self.size = size
        self.quality = quality
        self.grace = grace
        self.still_every = still_every
        self.greenlet = greenlet and not is_built_in(source)
        self.open = opener(source, fps)
        self._key = Key(size, quality)
        self.relay: Relay | None = None
        self.renew()
        enroll(self)

    def renew(self) -> None:
        """Begin anew, in a process that was forked off too: captures stay behind."""
        self.board = Board()
        self.interval = 1 / (self.fps or 25)
        self._framings = framings()
        self._tally = Tally()
        self._state: State = "idle"
        self._is_running = self._is_beating = self._is_ending = False
        self._raw: object = None
        self._held: object = None
        self._frame_at = self._shown_at = 0.0

    def share(self, open_broker: Callable[[], Broker | None]) -> None:
        """Have one process capture for all that *open_broker* reaches.

        :param open_broker: gives connections; None: this process is by itself.
        """
        self.relay = Relay(self, self.open, open_broker)
        self.open = self.relay.frames

    def __repr__(self) -> str:
        return f"<Camera {self.name!r} {self._state} {self.viewers} viewers>"

    @property
    def state(self) -> State:
        """How it is: "idle", "starting", "live" or "no signal"."""
        return self._state

    @property
    def readers(self) -> set[Viewer]:
        """Who watches now, in this process."""
        return self.board.readers

    @property
    def viewers(self) -> int:
        """How many watch now, in this process."""
        return len(self.board.readers)

    @property
    def stats(self) -> CameraStats:
        """What it does, in numbers."""
        board = self.board
        with board.lock:
            return self._tally.stats(self.name, self._state, len(board), board.readers)

    def watch(
        self,
        style: Style = "early",
        *,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        quality: int | None = None,
    ) -> Viewer:
        """Make a viewer: a feed. See `Viewer`."""
        checks.check_view(fps, size, quality)
        return Viewer(self, style, fps=fps, size=size, quality=quality)

    def snapshot(
        self,
        *,
        size: tuple[int, int] | None = None,
        quality: int | None = None,
        timeout: float = 5.0,
    ) -> bytes:
        """Give the newest picture, as JPEG.

        It has the camera run if it doesn't, and then for `grace` seconds: whoever asks
        again within them gets the next picture at once.

        :param size: width and height that it has to fit into; None: the camera's.
        :param quality: JPEG's; None: the camera's.
        :param timeout: seconds to wait for a first frame.
        :raises NoSignalError: there is no picture.
        :raises ArgumentError: an argument can't be used.
        :raises TooManyVariantsError: too many sizes and qualities are watched.
        """
        with contextlib.closing(self.watch(size=size, quality=quality)) as viewer:
            viewer.start()
            jpeg = first_picture(self, viewer, timeout)
        if jpeg is None:
            raise NoSignalError(self.name, self._tally.error, RETRY_AFTER)
        return jpeg

    # For viewers.

    def multipart(self, style: Style) -> Multipart:
        """Give the framing that all viewers of this style share."""
        return self._framings[style]

    def enter(
        self, viewer: Viewer, size: tuple[int, int] | None, quality: int | None
    ) -> Variant:
        """Count *viewer*; give it what it watches."""
        key = Key(
            self.size if size is None else size,
            self.quality if quality is None else quality,
        )
        if not self._is_own(key):
            picture.check_installed("Another size or quality")
        variant, is_new = self.board.enter(viewer, key, self.name)
        if is_new:
            self._show_first(variant)
        return variant

    def _show_first(self, variant: Variant) -> None:
        # On the thread of whoever wants this variant, so that a still picture is seen
        # at once.
        with self.board.lock:
            state, raw, number = self._state, self._raw, self._tally.captured
        made = None
        if state == "no signal":
            made = variant.no_signal()
        elif raw is not None:
            # The source may have closed its image by now. Then the next one will do.
            with contextlib.suppress(Exception):
                made = Picture(self._encoded(raw, variant.key), number)
        if made is not None:
            shown = {variant: made}
            self.board.show(
                shown, time.monotonic(), lambda: variant.latest.picture is None
            )

    def newest(self) -> bytes | None:
        """Give the last frame in the camera's own size; None if there is none."""
        with self.board.lock:
            raw = self._raw
        # It may be closed by now, and then the next one will do.
        with contextlib.suppress(Exception):
            return None if raw is None else self._encoded(raw, self._key)
        return None

    def leave(self, viewer: Viewer, variant: Variant) -> None:
        """Count *viewer* no more."""
        self.board.leave(viewer, variant, self._tally.left)

    def start(self) -> bool:
        """Have a capture run, if none does. Call it where the app's own code runs.

        :return: False if the process is about to end.
        """
        native.crew()
        now = time.monotonic()
        with self.board.lock:
            if self._is_ending:
                return False
            is_first = not self._is_running
            if is_first:
                self._is_running = True
                self._state = "starting"
                self._frame_at = self._shown_at = now
                self._tally.begin()
            beats, self._is_beating = not self._is_beating, True
        if is_first:
            tell(signals.camera_started, self)
            try:
                Capture(self).start()
            except BaseException:
                self.ended()  # there are no more threads to be had
                raise
        if beats:
            pulse().enter(self, now + BEAT)
        return True

    # For the capture, on its thread.

    def is_wanted(self, now: float) -> bool:
        """Tell whether anyone watches, or did a moment ago."""
        if self._is_ending:
            return False
        if self.viewers or now - self.board.left_at < self.grace:
            return True
        return self.relay is not None and self.relay.has_others

    def goes_on(self) -> bool:
        """Tell whether to open the source (again). If not, the capture has ended.

        Asked while the source is closed, so that no two are ever open.
        """
        now = time.monotonic()
        with self.board.lock:
            if self.is_wanted(now):
                self._tally.starts += 1
                self._frame_at = now
                return True
        self.ended()
        return False

    def ended(self) -> None:
        """Note that no capture runs."""
        with self.board.lock:
            self._is_running = False
            self._state = "idle"
            self._raw = self._held = None
        tell(signals.camera_stopped, self)

    def publish(self, frame: object, now: float) -> None:
        """Show *frame* to everyone."""
        if self.relay is not None and self.relay.has_others:
            frame = Ready(self._encoded(frame, self._key), frame)
            self.relay.send(frame.jpeg)
        with self.board.lock:
            self._tally.captured += 1
            number = self._tally.captured
            variants = self.board.variants()
            self._held = None
        made = self._pictures(frame, variants, number)
        with self.board.lock:
            self._raw = frame
            self._state = "live"
            self._frame_at = now
        self._show(made, now, "live")

    def hold(self, frame: object, now: float) -> None:
        """Keep *frame*, which came too early: it is shown if no other comes."""
        self._held = frame
        self._frame_at = now

    def lost(self, error: BaseException, delay: float | None) -> None:
        """Say that the source has failed.

        :param delay: seconds until it is tried again; None: it hangs.
        """
        with self.board.lock:
            if not self._is_running:
                return
            self._state = "no signal"
            self._raw = self._held = None
            self._tally.error = f"{type(error).__name__}: {error}"
            variants = self.board.variants()
        if delay is None:
            complain = partial(log.error, "Camera %r: %s", self.name, error)
        else:
            told = "Camera %r has failed, and is tried again in %.1f s"
            complain = partial(log.error, told, self.name, delay, exc_info=error)
        native.post(complain)
        tell(signals.camera_failed, self, error=error)
        made = {each: each.no_signal() for each in variants}
        self._show(made, time.monotonic(), "no signal")

    def _is_own(self, key: Key) -> bool:
        return key == (None, self.quality)

    def _encoded(self, frame: object, key: Key) -> bytes:
        if isinstance(frame, Ready):
            if key == self._key:
                return frame.jpeg
            frame = frame.raw
        return picture.encoded(
            frame, key.size, key.quality, untouched=self._is_own(key)
        )

    def _pictures(
        self, frame: object, variants: list[Variant], number: int
    ) -> dict[Variant, Picture]:
        encoded = self._encoded
        return {each: Picture(encoded(frame, each.key), number) for each in variants}

    def _show(self, made: dict[Variant, Picture], now: float, state: State) -> None:
        # Not if a frame has come, or a failure, while this was made.
        if self.board.show(made, now, lambda: self._state == state):
            self._shown_at = now

    # For the pulse.

    def beat(self, now: float) -> float | None:
        """Repeat a still picture, and notice a source that hangs."""
        held, variants, number = None, [], 0
        with self.board.lock:
            if not self._is_running:
                self._is_beating = False
                return None
            self._tally.note(now, self.readers)
            silence = now - self._frame_at
            limit = max(SILENCE, SLOW * self.interval, SLOW / (self.fps or SLOW))
            hangs = self._state in ("starting", "live") and silence > limit
            if self._held is not None and now - self._shown_at >= 1 / (self.fps or 1):
                held, self._held = self._held, None
                self._tally.captured += 1
                number = self._tally.captured
                variants = self.board.variants()
        if hangs:
            self.lost(TimeoutError(f"no frame for {silence:.1f} s"), None)
        elif held is not None:
            # What its source does to it meanwhile is told with its next frame.
            with contextlib.suppress(Exception):
                self._show(self._pictures(held, variants, number), now, "live")
        elif now - self._shown_at >= self.still_every:
            self._shown_at = now
            self.board.repeat(now)
        return now + BEAT

    # For the end of the process.

    def end(self) -> bool:
        """Have the capture end with its next frame; tell whether one runs."""
        self._is_ending = True
        return self._is_running

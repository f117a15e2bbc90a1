"""One who watches: a feed of the newest frame.

In: a camera's variant, and how many frames a second are wanted. Out: the parts of a
stream, shared with all who watch the same. It refuses to keep frames: all that it has
is the number of the one it saw last, so whoever is slow skips the rest.

Everything here may run on the loop's thread, and `wake` on any.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..formats.multipart import Style
from .pace import Pace

if TYPE_CHECKING:
    from .camera import Camera

__all__ = ["Viewer"]


class Viewer:
    """A viewer of a camera. A `Feed`.

    It counts from when it is made; `start` has the camera run.

    :param style: the framing.
    :param fps: frames a second that it gets at most; None: all.
    :param size: width and height that they have to fit into; None: the camera's.
    :param quality: JPEG's; None: the camera's.
    :raises ArgumentError: an argument can't be used.
    :raises TooManyVariantsError: the camera has as many sizes and qualities as it may.
    :raises MissingExtraError: Pillow is needed for this size or quality.

    :ivar unsent: bytes that the kernel may hold back for it, where a driver can say so.
        What is newest then is newest when it arrives, too.
    :ivar shown: frames that it got.
    :ivar dropped: frames that came while it was busy with another.
    :ivar bytes: bytes that it got.
    """

    unsent = 65_536

    __slots__ = (
        "_begun",
        "_camera",
        "_ending",
        "_is_capped",
        "_multipart",
        "_number",
        "_over",
        "_pace",
        "_turn",
        "_variant",
        "_wake",
        "bytes",
        "dropped",
        "shown",
    )

    def __init__(
        self,
        camera: Camera,
        style: Style = "early",
        *,
        fps: float | None = None,
        size: tuple[int, int] | None = None,
        quality: int | None = None,
    ) -> None:
        self._camera = camera
        self._multipart = camera.multipart(style)
        self._pace = Pace(fps)
        self._is_capped = fps is not None
        self._wake: Callable[[], None] | None = None
        self._begun = False
        self._ending = False
        self._over = False
        self._turn = 0
        self._number = 0
        self.shown = 0
        self.dropped = 0
        self.bytes = 0
        self._variant = camera.enter(self, size, quality)

    @property
    def content_type(self) -> str:
        """The response's type."""
        return self._multipart.content_type

    @property
    def jpeg(self) -> bytes | None:
        """The newest picture, whether it has been taken or not."""
        picture = self._variant.latest.picture
        return None if picture is None else picture.jpeg

    def start(self) -> None:
        """Have the camera run. Call it where the app's own code runs."""
        if not self._camera.start():
            self.dismiss()

    # As a feed.

    def take(self) -> bytes | None:
        """Give the newest frame, if it is a new one and this viewer's turn."""
        if self._over:
            return None
        if not self._begun:
            self._begun = True
            begin = self._multipart.begin()
            if begin:
                return begin
        if self._ending:
            self._over = True
            return self._finish()
        turn, picture = self._variant.latest
        if turn == self._turn or picture is None:
            return b""
        now = time.monotonic()
        if not self.is_due(now):
            return b""
        self._pace.took(now)
        self._turn = turn
        number = picture.number
        if number and self._number and not self._is_capped:
            self.dropped += max(0, number - self._number - 1)
        self._number = number
        part = picture.part(self._multipart)
        self.shown += 1
        self.bytes += len(part)
        return part

    def _finish(self) -> bytes:
        turn, picture = self._variant.latest
        unseen = b""
        if (
            picture is not None
            and turn != self._turn
            and self._multipart.style != "early"
        ):
            unseen = picture.part(self._multipart)
        return unseen + self._multipart.finish(self.jpeg)

    def notify(self, wake: Callable[[], None]) -> None:
        """Have *wake* called when there is a frame to take."""
        self._wake = wake
        with self._camera.board.lock:
            has_news = self._has_news()
            if not has_news:
                self._variant.waiting.add(self)
        if has_news:
            wake()

    def _has_news(self) -> bool:
        if self._over or self._ending or not self._begun:
            return True
        turn, picture = self._variant.latest
        # If it isn't due yet, the first picture that comes when it is will do.
        return (
            turn != self._turn and picture is not None and self.is_due(time.monotonic())
        )

    def close(self) -> None:
        """Leave the camera. The second time does nothing."""
        self._over = True
        self._wake = None
        self._camera.leave(self, self._variant)

    # From others.

    def is_due(self, now: float) -> bool:
        """Tell whether it wants a frame *now*."""
        return self._pace.is_due(now, self._camera.interval)

    def wake(self) -> None:
        """Tell whoever carries it that there is something to take."""
        wake = self._wake
        if wake is not None:
            wake()

    def dismiss(self) -> None:
        """End, with the last frame on the screen."""
        self._ending = True
        self.wake()

"""One size and quality of a camera's pictures: encoded once, shared by all who watch.

In: JPEG images. Out: the newest of them, as the parts of a stream. It knows no camera
and no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..formats.multipart import Multipart, Style
from .pattern import no_signal

if TYPE_CHECKING:
    from .viewer import Viewer

__all__ = ["Key", "Latest", "Picture", "Variant"]


class Key(NamedTuple):
    """What makes a variant.

    :ivar size: width and height that it has to fit into; None: as the source gives it.
    :ivar quality: JPEG's, 1 to 95.
    """

    size: tuple[int, int] | None
    quality: int


class Picture:
    """A JPEG image, and its part of a stream in each style that somebody watches in.

    :ivar jpeg: the image.
    :ivar number: which frame of the source it is; 0: none, but a "no signal".
    """

    __slots__ = ("_parts", "jpeg", "number")

    def __init__(self, jpeg: bytes, number: int) -> None:
        self.jpeg = jpeg
        self.number = number
        self._parts: dict[Style, bytes] = {}

    def is_newer(self, other: Picture | None) -> bool:
        """Tell whether it is to be shown after *other*."""
        return other is None or not self.number or self.number > other.number

    def part(self, multipart: Multipart) -> bytes:
        """Give it framed: the very same bytes for everyone."""
        part = self._parts.get(multipart.style)
        if part is None:
            # Two threads may both make it; nobody is harmed.
            part = self._parts[multipart.style] = multipart.frame(self.jpeg)
        return part


class Latest(NamedTuple):
    """What there is to see.

    :ivar turn: counts up with each picture, and with each time that one is repeated.
    """

    turn: int
    picture: Picture | None


class Variant:
    """Pictures of one size and quality.

    :ivar latest: replaced as a whole, so that it can be read without a lock.
    :ivar viewers: who watches.
    :ivar waiting: those of them who have seen the latest. Both under the camera's lock.
    """

    __slots__ = ("key", "latest", "viewers", "waiting")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.latest = Latest(0, None)
        self.viewers: set[Viewer] = set()
        self.waiting: set[Viewer] = set()

    # With the camera's lock held.

    def show(self, picture: Picture | None, now: float) -> list[Viewer]:
        """Make *picture* the latest; give those who are to be told."""
        self.latest = Latest(self.latest.turn + 1, picture)
        told = [viewer for viewer in self.waiting if viewer.is_due(now)]
        self.waiting.difference_update(told)
        return told

    def repeat(self, now: float) -> list[Viewer]:
        """Have the latest sent once more."""
        picture = self.latest.picture
        return [] if picture is None else self.show(picture, now)

    def no_signal(self) -> Picture:
        """Make the picture that there is none."""
        last = self.latest.picture
        return Picture(no_signal(last.jpeg if last else None, self.key.size), 0)

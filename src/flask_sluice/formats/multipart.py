"""Motion JPEG: a response of one part after another, each of which replaces the last.

In: whole images. Out: the bytes of `multipart/x-mixed-replace`. No clock, no camera.

Browsers don't show a part when its last byte has come. Chromium shows it once the
header of the *next* part is there, so a frame that is followed by nothing but a
boundary is shown a whole frame late. Three styles, each for its clients:

- "early": the next part's header is sent right behind each frame. Shown at once; but
  no length can stand in a header that goes out before its frame is known.
- "dual": each frame twice, for WebKit, which waits longer. The copy pushes the
  original onto the screen.
- "length": each part with its length, for programs that want one. A browser shows
  each frame when the next one comes.
"""

from __future__ import annotations

import secrets
from typing import Literal, TypeAlias

__all__ = ["Multipart", "Style", "framings"]

Style: TypeAlias = Literal["early", "dual", "length"]

STYLES: tuple[Style, ...] = ("early", "dual", "length")

TYPE = b"Content-Type: image/jpeg\r\n"


class Multipart:
    """The framing of one camera's streams. The same bytes for all that have its style.

    :param boundary: what stands between parts; None makes one that nobody can guess,
        so that nobody can paint a part's end into a picture (RFC 2046 §5.1.1).

    :ivar style: as given.
    :ivar boundary: without the two dashes.
    """

    __slots__ = ("_close", "_open", "boundary", "style")

    def __init__(self, style: Style = "early", boundary: str | None = None) -> None:
        self.style = style
        self.boundary = secrets.token_hex(16) if boundary is None else boundary
        self._open = b"--%b\r\n%b" % (self.boundary.encode(), TYPE)
        self._close = b"--%b--\r\n" % self.boundary.encode()

    @property
    def content_type(self) -> str:
        """The response's type."""
        return f"multipart/x-mixed-replace; boundary={self.boundary}"

    def begin(self) -> bytes:
        """Give what stands before the first frame."""
        return self._open + b"\r\n" if self.style == "early" else b""

    def frame(self, image: bytes) -> bytes:
        """Give the bytes of one frame."""
        if self.style == "early":
            return b"%b\r\n%b\r\n" % (image, self._open)
        part = b"%bContent-Length: %d\r\n\r\n%b\r\n" % (self._open, len(image), image)
        return part * 2 if self.style == "dual" else part

    def finish(self, last: bytes | None) -> bytes:
        """Give a clean end.

        :param last: the frame that is to stay on the screen: where a part is open it
            needs something to hold, and an empty one would be a broken image. None:
            there hasn't been a frame.
        """
        if self.style == "early":
            return b"%b\r\n%b" % (last or b"", self._close)
        return self._close


def framings() -> dict[Style, Multipart]:
    """Make one of each style, with the same boundary."""
    boundary = secrets.token_hex(16)
    return {style: Multipart(style, boundary) for style in STYLES}

"""Files, network cameras and devices through OpenCV: the only module that imports it.

In: a target. Out: its pictures, as arrays, red first. A network camera that says
nothing for a while raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cv2

from ..errors import BodyTypeError
from .metronome import Metronome

if TYPE_CHECKING:
    from .sources import Target

__all__ = ["frames"]

TIMEOUT = 5000  # milliseconds, to open and for each read
FPS = 25.0  # of a file that doesn't say


def frames(target: Target) -> Iterator[object]:
    """Open *target* and give its frames: a file's at its pace, and again and again."""
    capture = _opened(target)
    try:
        if not capture.isOpened():
            raise BodyTypeError(f"{target.url} can't be opened as a video.")
        if target.kind == "file":
            yield from _played(capture)
        else:
            yield from _read(capture)
    finally:
        capture.release()


def _opened(target: Target) -> Any:
    if target.kind != "stream":
        return cv2.VideoCapture(target.url)
    timeouts = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT),
    ]
    return cv2.VideoCapture(target.url, cv2.CAP_FFMPEG, timeouts)


def _read(capture: Any) -> Iterator[object]:
    while True:
        good, image = capture.read()
        if not good:
            return
        # OpenCV has blue first.
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _played(capture: Any) -> Iterator[object]:
    metronome = Metronome(capture.get(cv2.CAP_PROP_FPS) or FPS)
    while True:
        count = 0
        for image in _read(capture):
            metronome.wait()
            count += 1
            yield image
        if not count:
            return
        capture.set(cv2.CAP_PROP_POS_FRAMES, 0)

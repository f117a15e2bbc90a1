"""A source that the test feeds by hand, and somebody who watches a camera.

In: frames, errors, the end. Out: what a viewer saw, as it saw it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from flask_sluice.formats.multipart import Style
from flask_sluice.video import Camera
from helpers import PATIENCE

END = object()


def jpeg(number: int, size: int = 0) -> bytes:
    """Give bytes that pass for a JPEG, and say which one."""
    return b"\xff\xd8 %d " % number + b"." * size + b"\xff\xd9"


class HandSource:
    """A source whose frames come when the test puts them in.

    :ivar opened: how often it was opened.
    :ivar closed: how often it was closed.
    :ivar most: how many were open at once, at most.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.most = 0
        self.threads: set[int] = set()
        self._queue: queue.Queue[object] = queue.Queue()

    def __call__(self) -> Iterator[object]:
        self.opened += 1
        self.most = max(self.most, self.opened - self.closed)
        self.threads.add(threading.get_ident())
        try:
            while True:
                item = self._queue.get()
                if item is END:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.threads.add(threading.get_ident())
            self.closed += 1

    def put(self, *items: object) -> None:
        """Add frames, errors to raise, or END."""
        for item in items:
            self._queue.put(item)


class Steady:
    """A source that gives a frame every so often, numbered from 1."""

    def __init__(self, interval: float = 0.005) -> None:
        self.interval = interval
        self.number = 0
        self.opened = 0
        self.closed = 0

    def __call__(self) -> Iterator[bytes]:
        self.opened += 1
        try:
            while True:
                time.sleep(self.interval)
                self.number += 1
                yield jpeg(self.number)
        finally:
            self.closed += 1


class Eyes:
    """Somebody who watches, at the pace of the test."""

    def __init__(
        self, camera: Camera, style: Style = "length", *, start: bool = True, **view
    ) -> None:
        self.viewer = camera.watch(style, **view)
        self.parts: list[bytes] = []
        if start:
            self.viewer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.viewer.close()

    def part(self, seconds: float = PATIENCE) -> bytes | None:
        """Give the next bytes; None is the end. Fails when none come."""
        end = time.monotonic() + seconds
        while True:
            data = self.viewer.take()
            if data is None or data:
                return data
            ready = threading.Event()
            self.viewer.notify(ready.set)
            if not ready.wait(end - time.monotonic()):
                raise TimeoutError("no frame came")

    def see(self, seconds: float = PATIENCE) -> bytes:
        """Give the next frame."""
        data = self.part(seconds)
        assert data is not None
        return data.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")

    def see_until(self, wanted: Callable[[bytes], bool]) -> bytes:
        """Watch until there is a frame of that kind."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if wanted(frame := self.see()):
                return frame
        raise AssertionError("the frame that was waited for did not come")


def is_signal(frame: bytes) -> bool:
    """Tell whether it is one of these frames here, and not a "no signal"."""
    return frame.startswith(b"\xff\xd8 ")


def is_no_signal(frame: bytes) -> bool:
    """Tell whether it is the picture that stands for none."""
    return not is_signal(frame)

"""One picture, for somebody who waits for it.

In: a camera, and a viewer of it. Out: the newest picture, or none in time.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from .telling import set_event

if TYPE_CHECKING:
    from .camera import Camera
    from .viewer import Viewer

__all__ = ["first_picture"]


def first_picture(camera: Camera, viewer: Viewer, timeout: float) -> bytes | None:
    """Wait for what *viewer* is to see; None if there is no signal.

    :param timeout: seconds.
    """
    end = time.monotonic() + timeout
    while True:
        ready = threading.Event()
        with camera.board.lock:
            state, jpeg = camera.state, viewer.jpeg
            camera.board.ask(partial(set_event, ready))
        if state == "live" and jpeg is not None:
            return jpeg
        if state == "no signal" or not ready.wait(end - time.monotonic()):
            return None

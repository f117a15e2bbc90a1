"""The design that tutorials show: an event for each thread that watches.

A camera thread keeps the last frame and sets everyone's event; each viewer's generator
waits for its own, and the camera removes those that haven't come back for five seconds.
After ten seconds without a viewer the thread ends. Written anew after that description.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from flask import Flask, Response

from .frames import frames

app = Flask(__name__)

DEAD = 5.0  # seconds
IDLE = 10.0


class Watchers:
    """An event, and when it was last set, for each thread."""

    def __init__(self) -> None:
        self.events: dict[int, list[object]] = {}

    def wait(self) -> None:
        """Waits for the next frame."""
        ident = threading.get_ident()
        if ident not in self.events:
            self.events[ident] = [threading.Event(), time.time()]
        self.events[ident][0].wait()

    def set(self) -> None:
        """Tells everyone of a frame, and removes one who is gone."""
        now, dead = time.time(), None
        for ident, entry in self.events.items():
            if not entry[0].is_set():
                entry[0].set()
                entry[1] = now
            elif now - entry[1] > DEAD:
                dead = ident
        if dead is not None:
            del self.events[dead]

    def clear(self) -> None:
        """Is called by who has got the frame."""
        self.events[threading.get_ident()][0].clear()


class Camera:
    """One for the process, on the class."""

    thread: threading.Thread | None = None
    frame = b""
    asked = 0.0
    watchers = Watchers()

    def __init__(self) -> None:
        Camera.asked = time.time()
        if Camera.thread is None:
            Camera.thread = threading.Thread(target=self._run, daemon=True)
            Camera.thread.start()
            Camera.watchers.wait()

    def get(self) -> bytes:
        """Waits for a frame."""
        Camera.asked = time.time()
        Camera.watchers.wait()
        Camera.watchers.clear()
        return Camera.frame

    @classmethod
    def _run(cls) -> None:
        for frame in frames():
            cls.frame = frame
            cls.watchers.set()
            time.sleep(0)
            if time.time() - cls.asked > IDLE:
                break
        cls.thread = None


def _parts(camera: Camera) -> Iterator[bytes]:
    yield b"--frame\r\n"
    while True:
        frame = camera.get()
        yield b"Content-Type: image/jpeg\r\n\r\n" + frame + b"\r\n--frame\r\n"


@app.get("/video")
def video() -> Response:
    """Shows it."""
    kind = "multipart/x-mixed-replace; boundary=frame"
    return Response(_parts(Camera()), content_type=kind)


@app.get("/running")
def running() -> str:
    """Says how it is."""
    return "no" if Camera.thread is None else "yes"


@app.get("/ping")
def ping() -> str:
    """Answers."""
    return "pong"

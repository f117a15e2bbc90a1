"""Cameras of the app under test, whose every frame a test decides, or that run.

In: frames and ends, from the side door. Out: a stream, a snapshot and numbers for each
key; what a source's generator did is in the journal.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from door import command, gates, note
from flask import Blueprint, current_app, request
from lives import oops

from flask_sluice import Sluice, snapshot_frame, stream_frames
from flask_sluice.errors import ArgumentError
from flask_sluice.video import Camera

cameras = Blueprint("cameras", __name__)

GRACE = 0.5
STILL = 0.1  # seconds between two frames that are the same
FRAME_BYTES = 30_000


def jpeg(number: int, size: int = 0) -> bytes:
    """Give bytes that pass for a JPEG, and say which one."""
    return b"\xff\xd8#%d;" % number + b"." * size + b"\xff\xd9"


class Played:
    """A source that goes on to its next frame at each pass through its gate."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.next: str | None = None

    def __call__(self) -> Iterator[bytes]:
        note(self.key, "source opened")
        number = 0
        try:
            while True:
                if gates[f"{self.key}-frames"].wait(STILL):
                    number += 1
                if self.next == "raise":
                    self.next = None
                    raise oops(self.key)
                if number:
                    yield jpeg(number)
        finally:
            note(self.key, "source closed")


def steady(key: str) -> Any:
    """Make a source of 30 KB, thirty times a second, by a sleep that gevent patches."""

    def frames() -> Iterator[bytes]:
        note(key, "source opened")
        try:
            number = 0
            while True:
                time.sleep(1 / 30)
                number += 1
                yield jpeg(number, FRAME_BYTES)
        finally:
            note(key, "source closed")

    return frames


_played: dict[str, Played] = {}


def _camera(name: str, make: Any, **options: Any) -> Camera:
    sluice: Sluice = current_app.extensions["sluice"]
    with contextlib.suppress(ArgumentError):
        return sluice.camera(name)
    with contextlib.suppress(ArgumentError):  # another request was first
        sluice.camera(name, make(), grace=GRACE, still_every=30, **options)
    return sluice.camera(name)


def _made(key: str) -> Camera:
    key = key.partition("+")[0]  # several streams of one camera: key+1, key+2
    if request.path.startswith("/camera/steady/"):
        return _camera(key, lambda: steady(key))
    source = _played.setdefault(key, Played(key))
    return _camera(key, lambda: source, greenlet=True)


@cameras.get("/camera/played/<key>")
@cameras.get("/camera/steady/<key>")
def camera(key: str) -> Any:
    """Show it."""
    fps = request.args.get("fps", type=float)
    return stream_frames(_made(key), fps=fps)


@cameras.get("/camera/whose/<key>")
def whose(key: str) -> Any:
    """Show which process captures."""

    def frames() -> Iterator[bytes]:
        while True:
            time.sleep(1 / 30)
            yield jpeg(os.getpid())

    response = stream_frames(_camera(key, lambda: frames))
    response.headers["X-Process"] = str(os.getpid())
    return response


@cameras.get("/camera/steady/<key>/jpg")
def camera_snapshot(key: str) -> Any:
    """Show one picture."""
    return snapshot_frame(_made(key))


@command
def camera_fails(key: str) -> None:
    """Have the played source of *key* raise, and not give its next frame."""
    _played[key].next = "raise"
    gates[f"{key}-frames"].release(1)


def offer(sluice: Sluice) -> None:
    """Let tests ask for a camera's numbers."""

    @command
    def camera_stats(key: str) -> dict[str, Any]:
        return asdict(sluice.camera(key).stats)

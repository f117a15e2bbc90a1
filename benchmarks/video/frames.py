"""The camera: frames that pass for JPEG, at a pace that doesn't drift."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

FPS = 30
SIZE = 30_000
_FILLER = b"." * SIZE
_numbers = itertools.count(1)


def frames() -> Iterator[bytes]:
    """Each at its time; what is late isn't made up for."""
    due = time.monotonic()
    while True:
        due = max(due + 1 / FPS, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
        said = b"\ndata: tick %d %d\n" % (next(_numbers), time.monotonic_ns())
        yield b"\xff\xd8" + said + _FILLER[len(said) + 4 :] + b"\xff\xd9"

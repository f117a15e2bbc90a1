"""Sources and cameras that leave no thread behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flask_sluice.video import Camera, capture
from helpers import until
from video.watching import END, HandSource


@pytest.fixture
def source() -> HandSource:
    """A source that the test feeds."""
    return HandSource()


@pytest.fixture
def make_camera() -> Iterator[Callable[..., Camera]]:
    """Make cameras, with a short grace; in the end their captures are ended."""
    made: list[Camera] = []

    def make(source: object, **options: object) -> Camera:
        options.setdefault("grace", 0.05)
        camera = Camera(f"camera {len(made)}", source, **options)
        made.append(camera)
        return camera

    yield make
    for camera in made:
        camera.end()
        if isinstance(camera.source, HandSource):
            camera.source.put(END)
    until(lambda: not any(camera.end() for camera in made))


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a source that failed again at once, and not after seconds."""
    monkeypatch.setattr(capture, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(capture, "LONGEST_WAIT", 0.04)

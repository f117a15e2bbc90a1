"""What a camera's frames may come from, and how each is opened.

In: what the app gave. Out: a function that opens it: each call gives an iterator of
frames from the beginning. What can be refused is refused when the camera is declared;
no source is opened then, and no library of one imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypeGuard

from ..errors import BodyTypeError, MissingExtraError
from .picture import check_installed

__all__ = ["Open", "Target", "is_built_in", "opener", "target_of"]

Open: TypeAlias = Callable[[], Iterator[object]]

PATTERN = "pattern"
PATTERN_FPS = 25.0

EXPECTS = (
    "a function that returns an iterator of frames, an object or a class with frames(),"
    ' a path, a URL, the number of a device, or "pattern"'
)


class Target(NamedTuple):
    """What a video library is to open.

    :ivar kind: a "file" is played at its own pace, and again when it is over; a
        "device" and a "stream" have a pace of their own.
    """

    url: str
    kind: Literal["file", "device", "stream"]


def is_built_in(source: object) -> TypeGuard[str | PathLike[str] | int]:
    """Tell whether it is one of the package's, and not the app's own code."""
    return isinstance(source, (str, PathLike)) or type(source) is int


def opener(source: Any, fps: float | None) -> Open:
    """Give what opens *source*.

    :param fps: the camera's.
    :raises BodyTypeError: it is no source.
    :raises MissingExtraError: it needs a package that isn't installed.
    """
    if is_built_in(source):
        return _built_in(source, fps)
    if isinstance(source, Iterator):
        raise BodyTypeError(
            f"A camera got a {type(source).__name__}, which runs but once, and a camera"
            " may start again. Give it the function that makes it, without calling it."
        )
    if callable(getattr(source, "frames", None)):
        return partial(_iterated, _frames_of(source))
    if callable(source):
        return partial(_iterated, source)
    raise BodyTypeError(
        f"A camera got a {type(source).__name__}, but expects {EXPECTS}."
    )


def _frames_of(source: Any) -> Callable[[], object]:
    # The cameras of tutorials are classes, whose instances start a thread of their own
    # when they are made. Their frames() is static, and needs no instance.
    if isinstance(source, type):
        attribute = inspect.getattr_static(source, "frames")
        if not isinstance(attribute, (staticmethod, classmethod)):
            return lambda: source().frames()
    frames: Callable[[], object] = source.frames
    return frames


def _iterated(make: Callable[[], object]) -> Iterator[object]:
    made = make()
    if isinstance(made, (str, bytes, bytearray)) or not isinstance(made, Iterable):
        raise BodyTypeError(
            f"A camera's source gave a {type(made).__name__}, but expects to get an"
            " iterator of frames: does a yield stand in it?"
        )
    return iter(made)


def _built_in(source: str | PathLike[str] | int, fps: float | None) -> Open:
    if source == PATTERN:
        check_installed("The test pattern")

        def drawn() -> Iterator[object]:
            from .pattern import frames

            return frames(fps or PATTERN_FPS)

        return drawn
    check_installed("A file, a URL or a device as a camera's source")
    target = target_of(source)
    if find_spec("av") is not None:
        return partial(_by_av, target)
    if find_spec("cv2") is not None:
        return partial(_by_opencv, target)
    raise MissingExtraError("A file, a URL or a device as a camera's source", "av")


def _by_av(target: Target) -> Iterator[object]:
    from .av import frames

    return frames(target)


def _by_opencv(target: Target) -> Iterator[object]:
    from .opencv import frames

    return frames(target)


def target_of(source: str | PathLike[str] | int) -> Target:
    """Tell what kind of source *source* is."""
    if isinstance(source, int):
        return Target(f"/dev/video{source}", "device")
    url = fspath(source)
    if isinstance(source, str) and "://" in url and not url.startswith("file://"):
        return Target(url, "stream")
    path = url.removeprefix("file://")
    return Target(path, "device" if Path(path).is_char_device() else "file")

"""What a camera and its viewers are asked for, checked before anything happens."""

from __future__ import annotations

from ..checks import is_finite
from ..errors import ArgumentError

__all__ = ["check_name", "check_times", "check_view"]

LARGEST = 16_384  # pixels a side
BEST = 95  # above it JPEG gets larger, and not better


def _is_side(value: object) -> bool:
    return type(value) is int and 0 < value <= LARGEST


def check_name(name: object) -> None:
    """Refuse what is no name."""
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"A camera's name is text, and not {name!r}.")


def check_view(fps: object, size: object, quality: object) -> None:
    """Refuse what can't be watched."""
    if fps is not None and not (is_finite(fps) and 0.001 <= fps <= 1000):
        raise ArgumentError(f"fps is {fps!r}, but expects 0.001 to 1000, or None.")
    if size is not None and not (
        isinstance(size, tuple) and len(size) == 2 and all(map(_is_side, size))
    ):
        raise ArgumentError(
            f"size is {size!r}, but expects (width, height) in pixels, or None."
        )
    if quality is not None and not (type(quality) is int and 1 <= quality <= BEST):
        raise ArgumentError(
            f"quality is {quality!r}, but expects 1 to {BEST}, or None."
        )


def check_times(grace: object, still_every: object) -> None:
    """Refuse times that can't be kept."""
    if not (is_finite(grace) and grace >= 0):
        raise ArgumentError(f"grace is {grace!r}, but expects seconds.")
    if not (is_finite(still_every) and still_every > 0):
        raise ArgumentError(
            f"still_every is {still_every!r}, but expects seconds above zero."
        )

"""What arguments and settings are asked, whichever part they are for."""

from __future__ import annotations

from typing import TypeGuard

__all__ = ["is_finite"]


def is_finite(value: object) -> TypeGuard[float]:
    """Tell whether it is a number that can be counted with, such as of seconds."""
    # Written so that nan is none. A bool is an int to Python, and a slip to a reader.
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and -float("inf") < value < float("inf")
    )

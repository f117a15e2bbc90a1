"""Times that are spread, so that what failed together doesn't come back together.

With a generator of its own: programs seed the one that Python shares, and count on it.
"""

from __future__ import annotations

import random

__all__ = ["spread"]

_random = random.Random()  # noqa: S311 - nobody gains by guessing it


def spread(value: float, least: float, most: float) -> float:
    """Give *value* times a number between *least* and *most*."""
    return value * _random.uniform(least, most)

"""Who watches a camera, and what there is for them to see.

In: viewers that come and go, and pictures. Out: the pictures' viewers, woken. It
refuses to know where pictures come from.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .. import native
from ..errors import TooManyVariantsError
from .variant import Key, Picture, Variant
from .viewer import Viewer

__all__ = ["Board"]

VARIANTS = 8  # sizes and qualities of one camera at once
RETRY_AFTER = 5  # seconds; told to whoever finds them all taken


class Board:
    """One camera's viewers and variants.

    :ivar lock: for what viewers and the capture share; held for moments only.
    :ivar readers: who watches. Under the lock.
    :ivar left_at: when the last of them left.
    """

    def __init__(self) -> None:
        self.lock = native.lock()
        self.readers: set[Viewer] = set()
        self.left_at = 0.0
        self._variants: dict[Key, Variant] = {}
        self._curious: list[Callable[[], None]] = []

    def __len__(self) -> int:
        """How many variants there are."""
        return len(self._variants)

    def enter(self, viewer: Viewer, key: Key, name: str) -> tuple[Variant, bool]:
        """Count *viewer*; give what it watches, and whether that is new.

        :param name: the camera's, for the error.
        :raises TooManyVariantsError: there are as many as there may be.
        """
        with self.lock:
            variant = self._variants.get(key)
            is_new = variant is None
            if variant is None:
                if len(self._variants) >= VARIANTS:
                    raise TooManyVariantsError(name, VARIANTS, RETRY_AFTER)
                variant = self._variants[key] = Variant(key)
            variant.viewers.add(viewer)
            self.readers.add(viewer)
        return variant, is_new

    def leave(
        self, viewer: Viewer, variant: Variant, told: Callable[[Viewer], object]
    ) -> None:
        """Count *viewer* no more, and tell *told*, with the lock held, if it was."""
        with self.lock:
            if viewer not in self.readers:
                return
            self.readers.discard(viewer)
            variant.viewers.discard(viewer)
            variant.waiting.discard(viewer)
            if not variant.viewers and self._variants.get(variant.key) is variant:
                del self._variants[variant.key]
            if not self.readers:
                self.left_at = time.monotonic()
            told(viewer)

    def variants(self) -> list[Variant]:
        """Give what is watched. With the lock held."""
        return list(self._variants.values())

    def ask(self, wake: Callable[[], None]) -> None:
        """Have *wake* called once, with the next picture. With the lock held."""
        self._curious.append(wake)

    def show(
        self, made: dict[Variant, Picture], now: float, holds: Callable[[], bool]
    ) -> bool:
        """Show pictures to those who watch, and tell whether that was done.

        :param holds: asked with the lock held: whether they are still what is to be
            seen. None of it is done otherwise.
        """
        told: list[Callable[[], None]] = []
        with self.lock:
            if not holds():
                return False
            for variant, picture in made.items():
                if picture.is_newer(variant.latest.picture):
                    told += [viewer.wake for viewer in variant.show(picture, now)]
            told += self._curious
            self._curious = []
        for wake in told:
            wake()
        return True

    def repeat(self, now: float) -> None:
        """Show everyone the same once more."""
        told: list[Viewer] = []
        with self.lock:
            for variant in self._variants.values():
                told += variant.repeat(now)
        for viewer in told:
            viewer.wake()

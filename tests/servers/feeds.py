"""Feeds whose every step a test decides, or that never run dry.

In: lines from the side door. Out: objects with `take`, `notify` and `close`.
"""

from __future__ import annotations

from collections.abc import Callable

from door import command, note
from lives import BLOCK, oops


class HandFed:
    """A feed whose lines come when the test says so through the side door."""

    open: dict[str, HandFed] = {}  # noqa: RUF012 - the one list of them all

    def __init__(self, key: str, *, fail: bool = False) -> None:
        self.key = key
        self.fail = fail
        self._ready: list[bytes] = [b"first\n"]
        self._over = False
        self._wake: Callable[[], None] | None = None
        self.open[key] = self
        note(key, "body started")
        if fail:
            self._ready.append(b"")

    def feed(self, line: str | None) -> None:
        """Have *line* ready; None ends the feed."""
        if line is None:
            self._over = True
        else:
            self._ready.append(line.encode())
        wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def take(self) -> bytes | None:
        """Give what is ready."""
        if self._ready:
            line = self._ready.pop(0)
            if line or not self.fail:
                return line
        if self.fail:
            raise oops(self.key)
        return None if self._over else b""

    def notify(self, wake: Callable[[], None]) -> None:
        """Remember whom to wake."""
        self._wake = wake
        if self._ready or self._over or self.fail:
            self._wake = None
            wake()

    def close(self) -> None:
        """Say that it is closed."""
        note(self.key, "body closed")
        self.open.pop(self.key, None)


class BlockFeed:
    """A feed that always has another block."""

    def __init__(self, key: str) -> None:
        self.key = key

    def take(self) -> bytes:
        """Give a block."""
        return BLOCK

    def notify(self, wake: Callable[[], None]) -> None:
        """Wake at once."""
        wake()

    def close(self) -> None:
        """Say that it is closed."""
        note(self.key, "body closed")


@command
def feed(key: str, line: str | None) -> None:
    """Feed the hand-fed stream of *key*."""
    HandFed.open[key].feed(line)

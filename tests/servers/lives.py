"""What every body of the conformance app shares: its journal, its key, its failure.

In: a key. Out: notes of how a body began and ended, and the error that it fails with.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from door import note

BLOCK = b"0123456789abcdef" * 4096  # 64 KiB
PACE = 0.01  # seconds between two items of a producer that is busy, not hurried


class Oops(Exception):
    """What the bodies here fail with."""


class Life:
    """Journals how a body began and how it ended."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __enter__(self) -> None:
        note(self.key, "body started")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        names = {None: "ended", GeneratorExit: "closed"}
        names[asyncio.CancelledError] = "closed"
        note(self.key, "body " + names.get(kind, "failed"), kind=repr(kind))


def key_of(path: str) -> str:
    """Give the key that a path ends with."""
    return path.partition("?")[0].rstrip("/").rpartition("/")[2]


def oops(key: str) -> Oops:
    """Give the error of this key's body."""
    error = Oops(f"broken {key}")
    error.key = key  # type: ignore[attr-defined]
    return error

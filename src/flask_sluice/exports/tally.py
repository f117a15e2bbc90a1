"""What an export has sent so far: rows, bytes, and the digest of these bytes.

In: rows and bytes as they go. Out: numbers, at any time, from any thread. The digest
is that of the file as it is saved: before any content coding.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

__all__ = ["Status", "Tally"]

Status: TypeAlias = Literal["running", "complete", "failed", "left"]

EVERY = 0.25  # seconds between two reports of progress


class Tally:
    """The numbers of one export.

    :param total: how many rows there will be, if that is known.
    :param tell: called with each report: now and then, and at the end.
    """

    def __init__(
        self, total: int | None = None, tell: Callable[[Tally], None] | None = None
    ) -> None:
        self.rows = 0
        self.skipped = 0
        self.bytes = 0
        self.total = total
        self.status: Status = "running"
        self._sha = hashlib.sha256()
        self._tell = tell
        self._began = time.monotonic()
        self._told = self._began
        # A body may still be at work when its client has left.
        self._telling = threading.Lock()

    def begin(self) -> None:
        """Tell that it runs, before there is a row."""
        self._report()

    def count(self, rows: int, data: bytes) -> None:
        """Note rows and the bytes that they became."""
        self.rows += rows
        self.bytes += len(data)
        self._sha.update(data)
        now = time.monotonic()
        if now - self._told >= EVERY:
            self._told = now
            self._report()

    def sentence(self) -> str:
        """Give the numbers of a whole file as one header's value."""
        return f"rows={self.rows}; bytes={self.bytes}; sha256={self._sha.hexdigest()}"

    def end(self, status: Status) -> None:
        """Note how it ended. The first call counts, and nothing is told after it."""
        self._report(status)

    def _report(self, status: Status = "running") -> None:
        with self._telling:
            if self.status == "running":
                self.status = status
                if self._tell is not None:
                    self._tell(self)

    def report(self) -> dict[str, Any]:
        """Give all of it, fit for JSON. The digest is there when it is complete."""
        return {
            "status": self.status,
            "rows": self.rows,
            "skipped": self.skipped,
            "total": self.total,
            "bytes": self.bytes,
            "seconds": round(time.monotonic() - self._began, 3),
            "sha256": self._sha.hexdigest() if self.status == "complete" else None,
        }

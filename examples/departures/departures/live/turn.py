"""Whose turn it is, among the workers of one machine, and since when.

Two files in a folder say so: one that is locked by whoever has its turn, as in data.py,
and goes back when that process ends, however it ends; and one that says when the first
of them began. A turn that nobody has had for a while begins anew.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path


class Turn:
    """One turn, as one process sees it.

    :param folder: the workers' own.
    :param name: the turn's.
    :param patience: seconds after which a turn that nobody has begins anew.
    """

    def __init__(self, folder: Path, name: str, patience: float) -> None:
        folder.mkdir(exist_ok=True)
        self._lock = folder / f"{name}.lock"
        self._began = folder / f"{name}.began"
        self._patience = patience
        self._held: sqlite3.Connection | None = None

    @property
    def is_mine(self) -> bool:
        """Whether this process has it."""
        return self._held is not None

    def began(self, now: float) -> float | None:
        """Give the time at which it began; None if nobody has had it of late."""
        try:
            if now - self._began.stat().st_mtime > self._patience:
                return None
            return float(self._began.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def take(self, now: float) -> bool:
        """Take it, unless another process has it."""
        if self._held is not None:
            return True
        held = sqlite3.connect(
            self._lock, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            held.close()
            return False
        self._held = held
        if self.began(now) is None:
            part = self._began.with_suffix(".part")
            part.write_text(repr(now))
            part.replace(self._began)
        self.keep(now)
        return True

    def keep(self, now: float) -> None:
        """Say that somebody still has it. To be called more often than *patience*."""
        with suppress(OSError):
            os.utime(self._began, (now, now))

    def leave(self) -> None:
        """Let others have it."""
        if self._held is not None:
            self._held.close()
            self._held = None

"""NDJSON: an object a line.

In: batches of tuples. Out: lines of UTF-8 that end in a newline. It refuses to know
how values are written; see `jsontext`.

Nothing stands at the end of a whole file, so a shortened one can't be told from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from .column import Column
from .objects import ObjectLines

__all__ = ["NdjsonEncoder"]


class NdjsonEncoder:
    """Encode rows for one body.

    :param columns: what the objects' keys are; no two may have the same label.
    :raises ArgumentError: a label is there twice, or has no form in UTF-8.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._lines = ObjectLines(columns)

    def begin(self) -> bytes:
        """Give what stands before the first row: nothing."""
        return b""

    def encode(self, batch: list[tuple[object, ...]]) -> bytes:
        """Give the lines of *batch*.

        :raises CellError: a value has no form in JSON; nothing of the batch is taken.
        """
        return self._lines.encode(batch)

    def finish(self) -> bytes:
        """Give what ends a whole body: nothing."""
        return b""

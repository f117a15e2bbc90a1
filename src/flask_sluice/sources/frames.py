"""Rows from what is columnar already: Arrow, pandas, Polars, DuckDB.

In: anything with `__arrow_c_stream__`, Arrow's protocol for exchange. Out: a source
that can also give its batches as they are (`take_batch`), for formats that are columnar
themselves: nothing is turned into Python objects then. The only module here that
imports pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from .source import Names, Row

__all__ = ["Frame"]


class Frame:
    """Rows from a table, a frame or a reader of batches."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self._reader: Any = None
        self._batches: Iterator[Any] = iter(())
        self._rest: Any = None  # of a batch that was larger than was asked for

    @property
    def count(self) -> int | None:
        """The rows of a table; None for a reader."""
        number = getattr(self._frame, "num_rows", None)
        if isinstance(number, int):
            return number
        return len(self._frame) if hasattr(self._frame, "__len__") else None

    @property
    def schema(self) -> Any:
        """Arrow's schema, once it is open."""
        return self._reader.schema

    @property
    def names(self) -> Names:
        """The columns' names."""
        return tuple(self._reader.schema.names)

    @property
    def kinds(self) -> Sequence[type | None]:
        """Nobody asks: Arrow's own types are in `schema`."""
        return [None] * len(self._reader.schema.names)

    def open(self) -> None:
        """Ask for the stream."""
        self._reader = pa.RecordBatchReader.from_stream(self._frame)
        self._batches = iter(self._reader)

    def take_batch(self, limit: int) -> Any | None:
        """Give the next rows as a `pyarrow.RecordBatch`; None at the end."""
        batch = self._rest
        while batch is None or not batch.num_rows:
            batch = next(self._batches, None)
            if batch is None:
                return None
        self._rest = batch.slice(limit) if batch.num_rows > limit else None
        return batch.slice(0, limit)

    def take(self, limit: int) -> list[Row]:
        """Give the next rows as tuples."""
        batch = self.take_batch(limit)
        if batch is None:
            return []
        return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def cancel(self) -> None:
        """Do nothing: it is all here."""

    def close(self) -> None:
        """Close the reader."""
        reader, self._reader = self._reader, None
        self._batches = iter(())
        self._rest = None
        if reader is not None:
            reader.close()

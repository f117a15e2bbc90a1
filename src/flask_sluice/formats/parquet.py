"""Parquet: typed columns, compressed, a row group at a time.

In: batches of tuples, or what is columnar already. Out: row groups as they fill up,
and the footer, without which nobody can read the file: a failed body has none. It
refuses to know how types are found; see `tables`.

A row group is in memory until it is written: it ends after `row_group_rows` rows, or
at `GROUP_BYTES` if its rows are large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .column import Column
from .pyarrow import can_compress, joined, open_file
from .sink import Sink
from .tables import Tabulator

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ParquetEncoder"]

GROUP_BYTES = 32 * 1024 * 1024
# A record batch of a few rows weighs as much as one of a hundred: so many of them are
# made one.
LOOSE = 64


class ParquetEncoder:
    """Encode rows for one body.

    :param columns: the columns; no two may have the same label.
    :param schema: a `pyarrow.Schema` with exactly these columns.
    :param row_group_rows: how many rows a row group has, at most.
    :param compression: a codec that Parquet and pyarrow know, or "none".
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        schema: pa.Schema | None = None,
        row_group_rows: int = 64 * 1024,
        compression: str = "zstd",
    ) -> None:
        if row_group_rows < 1:
            raise ArgumentError(f"row_group_rows is {row_group_rows}: 1 is the least.")
        if not can_compress(compression):
            raise ArgumentError(
                f"compression is {compression!r}, which this pyarrow doesn't know."
            )
        self._rows = Tabulator(columns, schema)
        self._limit = row_group_rows
        self._compression = compression
        self._sink = Sink()
        self._writer: Any = None
        self._group: list[pa.RecordBatch] = []
        self._loose: list[pa.RecordBatch] = []
        self._count = 0
        self._bytes = 0

    def begin(self) -> bytes:
        """Give the magic number if the schema is known; it comes later otherwise."""
        if self._rows.schema is not None:
            self._open()
        return self._sink.take()

    def encode(self, batch: list[tuple[object, ...]]) -> bytes:
        """Take the rows of *batch*; give the row groups that are full by now.

        :raises CellError: a value doesn't fit; nothing of the batch is taken.
        """
        self._add(self._rows.take(batch))
        return self._sink.take()

    def encode_table(self, batch: pa.RecordBatch | pa.Table) -> bytes:
        """Take the rows of a record batch or table, which has the same columns.

        The first one brings the schema if there was none and no row has come yet.
        """
        if self._rows.rows:
            self._add(self._rows.settle())
        batch = self._rows.adopt(batch)
        pieces = batch.to_batches() if hasattr(batch, "to_batches") else [batch]
        for piece in pieces:
            self._add(piece)
        return self._sink.take()

    def finish(self) -> bytes:
        """Give the last row group and the footer."""
        self._add(self._rows.settle())
        self._write_group()
        self._open()
        self._writer.close()
        return self._sink.take()

    def _add(self, batch: pa.RecordBatch | None) -> None:
        while batch is not None and batch.num_rows:
            piece = batch.slice(0, self._limit - self._count)
            batch = batch.slice(piece.num_rows)
            self._loose.append(piece)
            self._count += piece.num_rows
            self._bytes += piece.nbytes
            if self._count >= self._limit or self._bytes >= GROUP_BYTES:
                self._write_group()
            elif len(self._loose) >= LOOSE:
                self._tie()

    def _tie(self) -> None:
        if self._loose:
            self._group.append(joined(self._loose))
            self._loose.clear()

    def _write_group(self) -> None:
        if not self._count:
            return
        self._open()
        self._tie()
        self._writer.write_batch(joined(self._group), row_group_size=self._limit)
        self._group.clear()
        self._count = self._bytes = 0

    def _open(self) -> None:
        if self._writer is None:
            self._writer = open_file(self._sink, self._rows.schema, self._compression)

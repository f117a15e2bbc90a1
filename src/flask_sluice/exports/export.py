"""One export: rows from a source through an encoder, as pieces of a file.

In: a source, and what makes the encoder once the columns are known. Out: bytes, in
pieces of about 64 KiB, the first of them early: its batch is small, and batches grow
to what makes 64 KiB. Whatever is raised on the way ends it there: no encoder's
`finish` is called for a file that isn't whole. It refuses to know HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal, TypeAlias

from ..errors import CellError, ExportTooLargeError
from ..sources.copy import Copy
from ..sources.source import AsyncSource, Row, Source
from ..typing import Encoder
from ..wire.chunks import LIMIT
from ..wire.compress import compressor
from .columns import Column, Layout
from .tally import Tally

__all__ = ["Export", "Packing", "copied"]

FIRST = 16  # rows; what a page of a list has, and out as soon as they are there
MOST = 8192  # rows: of a format that gives bytes only now and then
GROWTH = 4

OnRowError: TypeAlias = Literal["fail", "skip"]


class Packing:
    """Makes the file's bytes of the encoder's: compressed, if its name says so."""

    def __init__(self, coding: str | None, tally: Tally, max_bytes: int | None) -> None:
        self._compressor = None if coding is None else compressor(coding)
        self._tally = tally
        self._max_bytes = max_bytes

    def push(self, data: bytes, rows: int = 0) -> bytes:
        """Pass on what *rows* became."""
        if self._compressor is not None and data:
            data = self._compressor.compress(data)
        return self._counted(data, rows)

    def finish(self) -> bytes:
        """Give the end of a whole file."""
        end = b"" if self._compressor is None else self._compressor.finish()
        return self._counted(end, 0)

    def _counted(self, data: bytes, rows: int) -> bytes:
        limit = self._max_bytes
        if limit is not None and self._tally.bytes + len(data) > limit:
            raise ExportTooLargeError("bytes", limit)
        self._tally.count(rows, data)
        return data


class Export:
    """Rows on their way to a file.

    :param make: makes the encoder of its columns.
    :param wanted: the columns to send; None for all.
    :param max_rows: more than these, and it fails.
    :param skip: whether a row that can't be sent is left out, and counted.
    """

    def __init__(
        self,
        make: Callable[[Sequence[Any]], Encoder],
        wanted: Sequence[Column] | None,
        tally: Tally,
        packing: Packing,
        *,
        max_rows: int | None = None,
        skip: bool = False,
    ) -> None:
        self._make = make
        self._wanted = wanted
        self._tally = tally
        self._packing = packing
        self._max_rows = max_rows
        self._skip = skip
        self._size = FIRST
        self._taken = 0

    def chunks(self, source: Source) -> Iterator[bytes]:
        """Yield the file. *source* is closed on every way out."""
        try:
            source.open()
            held = self._begin(source)
            take = self._taker(source)
            while rows := take(self._size):
                data = held + self._step(rows)
                held = b""
                if data:
                    yield data
            if data := held + self._end():
                yield data
        finally:
            source.close()

    async def async_chunks(self, source: AsyncSource) -> AsyncIterator[bytes]:
        """Do the same with a source on an event loop."""
        try:
            await source.open()
            held = self._begin(source)
            while rows := await source.take(self._size):
                data = held + self._step(rows)
                held = b""
                if data:
                    yield data
            if data := held + self._end():
                yield data
        finally:
            await source.close()

    # Step by step.

    def _begin(self, source: Source | AsyncSource) -> bytes:
        if source.count is not None:
            self._tally.total = source.count
            self._refuse_more_than(source.count)
        self._layout = Layout(self._wanted, source.names, source.kinds)
        self._encoder = self._make(self._layout.heads)
        return self._packing.push(self._encoder.begin())

    def _taker(self, source: Any) -> Callable[[int], Any]:
        # What is columnar already goes into a columnar format as it is.
        layout = self._layout
        encode_table = getattr(self._encoder, "encode_table", None)
        take_batch = getattr(source, "take_batch", None)
        if encode_table is None or take_batch is None or layout.has_formats:
            take: Callable[[int], Any] = source.take
            return take
        self._size = MOST
        labels = [head.label for head in layout.heads]

        def chosen(limit: int) -> Any:
            batch = take_batch(limit)
            if batch is None:
                return None
            return batch.select(layout.indexes).rename_columns(labels)

        return chosen

    def _step(self, rows: Any) -> bytes:
        if isinstance(rows, list):
            self._refuse_more_than(self._taken + len(rows))
            data, sent = self._encoded(rows)
            self._taken += len(rows)
        else:
            self._refuse_more_than(self._taken + rows.num_rows)
            data = self._encoder.encode_table(rows)  # type: ignore[attr-defined]
            sent = rows.num_rows
            self._taken += sent
        self._grow(sent, len(data))
        return self._packing.push(data, sent)

    def _encoded(self, rows: list[Row]) -> tuple[bytes, int]:
        try:
            made: Any = self._layout.rows(rows, self._taken)
            return self._encoder.encode(made), len(rows)
        except CellError:
            if not self._skip:
                raise
        parts = []
        for number, row in enumerate(rows):
            try:
                made = self._layout.rows([row], self._taken + number)
                parts.append(self._encoder.encode(made))
            except CellError:
                self._tally.skipped += 1
        return b"".join(parts), len(parts)

    def _end(self) -> bytes:
        return self._packing.push(self._encoder.finish()) + self._packing.finish()

    def _grow(self, rows: int, size: int) -> None:
        fitting = rows * LIMIT // size if size else MOST
        self._size = max(FIRST, min(self._size * GROWTH, fitting, MOST))

    def _refuse_more_than(self, rows: int) -> None:
        if self._max_rows is not None and rows > self._max_rows:
            raise ExportTooLargeError("rows", self._max_rows)


def copied(copy: Copy, packing: Packing, max_rows: int | None) -> Iterator[bytes]:
    """Yield a file that PostgreSQL writes."""
    before = 0
    with closing(copy.pieces()) as pieces:
        for data in pieces:
            rows = max(copy.rows, 0)
            if max_rows is not None and rows > max_rows:
                raise ExportTooLargeError("rows", max_rows)
            if out := packing.push(data, rows - before):
                yield out
            before = rows
    if out := packing.finish():
        yield out

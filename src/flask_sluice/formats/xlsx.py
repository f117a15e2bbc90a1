"""Rows as an Excel workbook (ECMA-376), written while they come.

In: batches of tuples. Out: the bytes of a ZIP archive whose first ones leave before
there is a row, with one sheet after another in it. It refuses to know how a value
becomes a cell (`xlsx_cells`) and what surrounds cells (`xlsx_parts`).

What depends on the rows is written after them: how many sheets there are is known
only then, so the workbook's index and [Content_Types].xml come last, as they do in
files of openpyxl. A reader that gets all but the end finds neither these nor the
archive's directory, and refuses. Widths of columns stand before the rows, and so a
sheet's head waits for the first of them.

Text is kept in its cell ("inlineStr"): a table of shared strings would have to be
held in memory, or leave before the cells that refer to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import repeat
from uuid import UUID

from ..errors import ArgumentError, CellError
from . import xlsx_parts as parts
from .column import Column
from .plain import refusal
from .xlsx_cells import cell, column, header_cell
from .zip import Archive, Deflater, deflater

__all__ = ["XlsxEncoder"]

MOST_COLUMNS = 16_384

# In characters; the rest by what is in it, within these.
_WIDTHS: dict[type, float] = {
    bool: 8,
    datetime: 20,
    date: 12,
    time: 10,
    timedelta: 12,
    UUID: 38,
}
_NARROWEST, _WIDEST = 8, 60
_SAMPLE = 64  # rows that are looked at for it


class XlsxEncoder:
    """Writes one workbook.

    :param columns: the columns.
    :param sheet: the sheet's name, changed where Excel wouldn't take it. The ones
        after it are called the same with " (2)" and so on.
    :param header: begin each sheet with the labels: bold, frozen, with a filter.
    :param deflate: makes a raw deflater.
    :raises ArgumentError: more columns than Excel has, or a label that no cell holds.
    """

    # Where a new sheet begins: Excel's limit, and a member of 4 GiB, which Excel reads
    # only if its ZIP64 is to its taste; a batch is far smaller than what is left to
    # that. Tests lower both.
    most_rows = 1_048_576
    most_bytes = 0xFFFFFFFF - (256 << 20)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        sheet: str = "Sheet1",
        header: bool = True,
        deflate: Callable[[], Deflater] = deflater,
    ) -> None:
        if len(columns) > MOST_COLUMNS:
            raise ArgumentError(
                f"columns has {len(columns):,} columns; a sheet holds {MOST_COLUMNS:,}."
            )
        self._columns = columns
        self._sheet = sheet
        self._letters = [parts.letters(place) for place in range(len(columns))]
        # What follows a column's cell: the beginning of the next one, or the row's end.
        self._after = [f'<c r="{letter}' for letter in self._letters[1:]]
        self._after += ["</row>"] * bool(columns)
        self._header = self._labels() if header else []
        self._archive = Archive(deflate)
        self._sheets: list[parts.Sheet] = []
        self._widths: list[float] | None = None
        self._row = 0  # the last one of this sheet
        self._taken = 0

    def begin(self) -> bytes:
        """Give what stands before the rows and doesn't depend on them."""
        return (
            self._part("_rels/.rels", parts.RELATIONS)
            + self._part("xl/styles.xml", parts.STYLES)
            + self._open()
        )

    def encode(self, batch: list[tuple[object, ...]]) -> bytes:
        """Give these rows, on this sheet or more.

        :raises CellError: a value that no cell holds. Nothing is written then.
        """
        if not batch:
            return b""
        cells = self._cells(batch)
        out = []
        if self._widths is None:
            self._widths = self._measure(batch)
            out.append(self._head())
        start = 0
        while start < len(batch):
            if (
                self._row >= self.most_rows
                or self._archive.member_size > self.most_bytes
            ):
                out += (self._end(), self._open(), self._head())
            stop = min(len(batch), start + self.most_rows - self._row)
            out.append(
                self._rows([values[start:stop] for values in cells], stop - start)
            )
            start = stop
        self._taken += len(batch)
        return b"".join(out)

    def finish(self) -> bytes:
        """Give the end of the sheet, the index of sheets, and the archive's."""
        out = []
        if self._widths is None:
            self._widths = self._measure([])
            out.append(self._head())
        out.append(self._end())
        count = len(self._sheets)
        out += (
            self._part("xl/workbook.xml", parts.workbook(self._sheets)),
            self._part("xl/_rels/workbook.xml.rels", parts.workbook_relations(count)),
            self._part("[Content_Types].xml", parts.content_types(count)),
            self._archive.finish(),
        )
        return b"".join(out)

    # Sheets.

    def _open(self) -> bytes:
        number = len(self._sheets) + 1
        return self._archive.open(f"xl/worksheets/sheet{number}.xml")

    def _head(self) -> bytes:
        self._row = 0
        head = parts.sheet_head(
            self._widths or (), header=bool(self._header), first=not self._sheets
        )
        out = self._archive.write(head.encode())
        if self._header:
            out += self._rows([[label] for label in self._header], 1)
        return out

    def _end(self) -> bytes:
        name = parts.sheet_name(self._sheet, len(self._sheets) + 1)
        filtered = ""
        if self._header:
            filtered = f"A1:{self._letters[-1]}{self._row}"
        self._sheets.append(parts.Sheet(name, filtered))
        out = self._archive.write(parts.sheet_end(filtered).encode())
        return out + self._archive.close()

    def _part(self, name: str, content: str) -> bytes:
        archive = self._archive
        return archive.open(name) + archive.write(content.encode()) + archive.close()

    # Rows.

    def _rows(self, cells: Sequence[Sequence[str]], count: int) -> bytes:
        first = self._row + 1
        self._row += count
        if not cells:
            return b""
        numbers = map(str, range(first, first + count))
        pieces = zip(repeat('<row r="'), repeat('"><c r="A'), *cells)
        return self._archive.write("".join(map(str.join, numbers, pieces)).encode())

    def _cells(self, batch: list[tuple[object, ...]]) -> list[list[str]]:
        width = len(self._columns)
        if set(map(len, batch)) != {width}:
            place = next(i for i, row in enumerate(batch) if len(row) != width)
            raise CellError(
                self._taken + place + 1,
                "",
                f"it has {len(batch[place])} values for {width} columns",
            )
        try:
            return list(map(column, zip(*batch, strict=True), self._after))
        except MemoryError:
            raise
        except Exception as error:  # also of a value's own str()
            raise self._blamed(batch) or error from error

    def _blamed(self, batch: list[tuple[object, ...]]) -> CellError | None:
        """Find the value that can't be written."""
        for row, values in enumerate(batch, self._taken + 1):
            for (label, _), value in zip(self._columns, values, strict=True):
                try:
                    cell(value)
                except Exception as error:  # noqa: BLE001
                    return CellError(row, label, refusal(error))
        return None

    def _labels(self) -> list[str]:
        cells = []
        for (label, _), after in zip(self._columns, self._after, strict=True):
            try:
                cells.append(header_cell(label) + after)
            except ValueError as error:
                raise ArgumentError(f"The label {label[:80]!r}: {error}.") from None
        return cells

    # Widths.

    def _measure(self, batch: list[tuple[object, ...]]) -> list[float]:
        sample = list(zip(*batch[:_SAMPLE], strict=True)) or [()] * len(self._columns)
        widths = []
        for (label, kind), values in zip(self._columns, sample, strict=True):
            lengths = _lengths(kind, values)
            if self._header:
                # Bold, and beside it the filter's button.
                lengths.append(len(label) * 1.1 + 3)
            widths.append(min(max(_NARROWEST, *lengths), _WIDEST))
        return widths


def _lengths(kind: type | None, values: Sequence[object]) -> list[float]:
    if kind is not None:
        values = (*values, kind)
    lengths: list[float] = [0]
    for value in values:
        known = _WIDTHS.get(value if isinstance(value, type) else type(value))
        if known is not None:
            lengths.append(known)
        elif isinstance(value, (str, int, float, Decimal)):
            lengths.append(len(str(value)) + 2)
    return lengths

"""Rows as CSV or TSV (RFC 4180), in UTF-8.

In: columns, then batches of tuples. Out: bytes. It refuses to know where rows come
from, and how many there will be.

The lines are made by `_speedups`, in C, where that was built, and else by `_rows`: the
same bytes from both, and the same as `csv.writer` gives for values whose text is their
`str()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ArgumentError
from ._rows import Layout, careful, cell, encode, quote
from .column import Column

try:
    from . import _speedups
except ImportError:  # built without a compiler
    COMPILED, encode_rows = False, encode
else:
    COMPILED, encode_rows = True, _speedups.encode

__all__ = ["COMPILED", "CsvEncoder"]

# An apostrophe would need quotes wherever the guard puts one.
DELIMITERS = ["\t", *(chr(n) for n in range(0x20, 0x7F) if chr(n) not in "\"'")]

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()


class CsvEncoder:
    """Makes one CSV file, or with a tab as its delimiter a TSV file.

    :param header: whether the columns' labels are the first line.
    :param null: what stands for None.
    :param bom: begin with U+FEFF, which tells Excel that this is UTF-8.
    :param decimal: the decimal sign of floats and Decimals, "." or ",".
    :param guard: put an apostrophe before text that a spreadsheet would take for a
        formula: what starts with ``= + - @``, a tab or CR. Numbers, dates and the null
        text are left alone.
    :param quoting: "minimal" quotes what needs it; "all" everything.
    :param line_end: CR LF, as the RFC has it, or LF.
    """

    _encode_rows = staticmethod(encode_rows)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        delimiter: str = ",",
        header: bool = True,
        null: str = "",
        bom: bool = False,
        decimal: Literal[".", ","] = ".",
        guard: bool = True,
        quoting: Literal["minimal", "all"] = "minimal",
        line_end: Literal["\r\n", "\n"] = "\r\n",
    ) -> None:
        if delimiter not in DELIMITERS:
            raise ArgumentError(
                "delimiter is one ASCII character, not a quote nor a line end:"
                f" {delimiter!r} is not."
            )
        for name, value, choices in (
            ("decimal", decimal, (".", ",")),
            ("quoting", quoting, ("minimal", "all")),
            ("line_end", line_end, ("\r\n", "\n")),
        ):
            if value not in choices:
                one, other = choices
                raise ArgumentError(f"{name} is {one!r} or {other!r}, not {value!r}.")
        self._labels = [_encodable("a column's label", label) for label, _ in columns]
        self._layout = Layout(
            width=len(self._labels),
            delimiter=delimiter,
            line_end=line_end,
            quote_all=quoting == "all",
            guard=bool(guard),
            comma=decimal == ",",
            null=_encodable("null", null),
        )
        self._cell = cell(self._layout)
        self._opening = BOM if bom else b""
        if header:
            fields = [quote(self._cell(label), self._layout) for label in self._labels]
            self._opening += (delimiter.join(fields) + line_end).encode()
        self._taken = 0

    def begin(self) -> bytes:
        """Give what stands before the first row."""
        return self._opening

    def encode(self, batch: list[tuple[Any, ...]]) -> bytes:
        """Give the lines of these rows.

        :raises CellError: for a value that can't be written, and for a row that
            isn't a tuple as long as there are columns. Nothing is taken then.
        """
        count = len(batch)
        try:
            lines = self._encode_rows(batch, self._layout, self._cell)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever it was, this tells where
            lines = careful(batch, self._layout, self._cell, self._labels, self._taken)
        self._taken += count
        return lines

    def finish(self) -> bytes:
        """Give nothing: the last line has its end already."""
        return b""


def _encodable(name: str, value: str) -> str:
    if not isinstance(value, str):
        raise ArgumentError(f"{name} is a str, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ArgumentError(f"{name} can't be UTF-8: {value!r}.") from None
    return value

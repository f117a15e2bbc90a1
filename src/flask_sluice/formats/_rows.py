"""Rows as lines of CSV, in pure Python: the twin of `_speedups`, byte by byte.

In: a batch of tuples and how its lines are laid out. Out: their bytes. It refuses to
know what stands before the first row.

What costs is the turning of values into text, so that goes column by column: where all
values of one are of one type, a function in C makes their texts; where few of them
differ, each is made once; and whether any text needs quotes is asked of the whole
column at once. `careful` goes value by value instead. It is what knows where something
is wrong, so both encoders simply raise, and leave it to find the row and the column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from numbers import Number, Rational, Real
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

from ..errors import CellError
from .cells import bare, text
from .plain import refusal

__all__ = ["Cell", "Layout", "careful", "cell", "encode", "quote"]

Cell = Callable[[Any], str]

# What a spreadsheet takes for a formula when a cell starts with it
# (https://owasp.org/www-community/attacks/CSV_Injection).
FORMULAS = ("=", "+", "-", "@", "\t", "\r")

# What the texts of numbers, dates and UUIDs are made of.
PLAIN = re.compile(r"[\w.:+ -]", re.ASCII)


class Layout(NamedTuple):
    """How rows become lines. `_speedups` reads the fields by their position."""

    width: int  # columns
    delimiter: str  # one ASCII character, and neither a quote nor a line end
    line_end: str
    quote_all: bool
    guard: bool
    comma: bool  # the decimal point is one
    null: str

    @property
    def plain(self) -> bool:
        """Whether the texts of numbers and dates never need quotes."""
        return not (
            PLAIN.match(self.delimiter) or (self.comma and self.delimiter == ",")
        )


# --- value by value --------------------------------------------------------


def cell(layout: Layout) -> Cell:
    """Make the function that gives the text of any value, not yet quoted.

    This is the one place that knows guard, decimal comma and null text for every
    type; the quick ways know the commonest types alone.
    """
    null, guard, comma = layout.null, layout.guard, layout.comma

    def make(value: Any) -> str:
        value = bare(value)
        if value is None:
            return null
        string = text(value)
        if isinstance(value, Number):
            # Digits, whoever chose them. Decimal isn't Real in Python's tower.
            if comma and (
                isinstance(value, Decimal)
                or (isinstance(value, Real) and not isinstance(value, Rational))
            ):
                return string.replace(".", ",")
            return string
        if guard and string.startswith(FORMULAS) and not isinstance(value, timedelta):
            return f"'{string}"
        return string

    return make


def quote(string: str, layout: Layout) -> str:
    """Give a text as it stands in the file."""
    if layout.quote_all or _special(layout.delimiter)(string):
        return '"' + string.replace('"', '""') + '"'
    # A line with nothing on it isn't a row, to most readers.
    return string or ('""' if layout.width == 1 else "")


@cache
def _special(delimiter: str) -> Callable[[str], object]:
    # Line ends always, whichever the file has: a reader may take any for one.
    return re.compile(f'["\r\n{re.escape(delimiter)}]').search


def careful(
    batch: Iterable[tuple[Any, ...]],
    layout: Layout,
    make: Cell,
    labels: Sequence[str],
    taken: int,
) -> bytes:
    """Encode value by value, to find the one that can't be.

    :param taken: how many rows were encoded before these.
    :raises CellError: with its place. If nothing is wrong any more (an object may
        change its mind), what is returned is as good as any.
    """
    lines = []
    # A copy: what a value does when asked for its text is anybody's guess.
    for number, row in enumerate(list(batch), taken + 1):
        if type(row) is not tuple:
            raise CellError(number, "", f"it is a {type(row).__name__}, not a tuple")
        if len(row) != layout.width:
            raise CellError(
                number, "", f"it has {len(row)} values for {layout.width} columns"
            )
        fields = []
        for label, value in zip(labels, row, strict=True):
            try:
                fields.append(quote(make(value), layout).encode())
            except MemoryError:
                raise
            except Exception as error:
                raise CellError(number, label, _why(error)) from error
        lines.append(layout.delimiter.encode().join(fields))
    end = layout.line_end.encode()
    return b"".join(line + end for line in lines)


def _why(error: Exception) -> str:
    try:
        return refusal(error)
    except Exception:  # noqa: BLE001 - it can't even say what it is
        return f"its text can't be made ({type(error).__name__})"


# --- column by column ------------------------------------------------------


def encode(batch: Sequence[tuple[Any, ...]], layout: Layout, make: Cell, /) -> bytes:
    """Encode rows; or raise anything, having done nothing.

    :param make: `cell(layout)`, for the values that have no quick way.
    """
    if not batch:
        return b""
    if set(map(type, batch)) != {tuple} or set(map(len, batch)) != {layout.width}:
        raise TypeError("rows are tuples as long as there are columns")
    if not layout.width:
        return (layout.line_end * len(batch)).encode()
    fields = [_fields(values, layout, make) for values in zip(*batch, strict=True)]
    between, end = layout.delimiter, layout.line_end
    if not layout.quote_all:
        lines = map(between.join, zip(*fields, strict=True))
        return (end.join(lines) + end).encode()
    # The outer quotes of fields are part of what stands between them.
    lines = map(f'"{between}"'.join, zip(*fields, strict=True))
    return ('"' + f'"{end}"'.join(lines) + f'"{end}').encode()


def _fields(column: tuple[Any, ...], layout: Layout, make: Cell) -> Sequence[str]:
    """Give the fields of a column; without the outer quotes where all have them."""
    kinds = set(map(type, column))
    nulls = NoneType in kinds
    kinds.discard(NoneType)
    kind = kinds.pop() if len(kinds) == 1 else object
    null = _finished(layout)(layout.null) if nulls else ""
    if kind is int and layout.plain and not null:
        with suppress(KeyError):
            return list(map(_integers().__getitem__, column))
    if kind in _REPEATED and len(set(column[:_SAMPLE])) <= _SAMPLE // 2:
        different = [value for value in set(column) if value is not None]
        texts = _texts(kind, different, layout, make)
        known = dict(zip(different, texts, strict=True))
        known[None] = null
        return list(map(known.__getitem__, column))
    if not nulls:
        return _texts(kind, column, layout, make)
    values = [value for value in column if value is not None]
    following = iter(_texts(kind, values, layout, make))
    return [null if value is None else next(following) for value in column]


def _texts(
    kind: type, values: Sequence[Any], layout: Layout, make: Cell
) -> Sequence[str]:
    """Give the fields of values of one type, if *kind* isn't object."""
    if kind is str:
        return _strings(values, layout)
    form = _FORMS.get(kind)
    finish = _finished(layout)
    if form is None or (layout.comma and kind in _POINTED):
        return [finish(make(value)) for value in values]
    texts = form(values)
    return texts if layout.plain else [finish(string) for string in texts]


def _strings(values: Sequence[str], layout: Layout) -> Sequence[str]:
    delimiter = layout.delimiter
    joined = "\0" + "\0".join(values)
    # To look for one character is much quicker than for two.
    if layout.guard and any(
        sign in joined and f"\0{sign}" in joined for sign in FORMULAS
    ):
        values = [f"'{each}" if each.startswith(FORMULAS) else each for each in values]
    special = '"' in joined or "\n" in joined or "\r" in joined or delimiter in joined
    if not special and (layout.quote_all or layout.width > 1):
        return values
    finish = _finished(layout)
    return [
        # What `finish` looks for, without a call for each.
        finish(each)
        if not each or '"' in each or delimiter in each or "\n" in each or "\r" in each
        else each
        for each in values
    ]


@lru_cache(maxsize=64)
def _finished(layout: Layout) -> Cell:
    """Make the function that does to a text whatever its field needs."""
    if layout.quote_all:
        return lambda string: string.replace('"', '""')
    return lambda string: quote(string, layout)


@cache
def _integers() -> dict[int | None, str]:
    """Give the texts of the integers that most tables are full of.

    Looked up, they cost half of what they cost made anew. Only a process that has no
    compiled encoder has this megabyte.
    """
    return {**{number: repr(number) for number in range(-1000, 10_000)}, None: ""}


_UUID = "00000000-0000-0000-0000-000000000000,"
_UUID_DIGITS = [place for place, sign in enumerate(_UUID) if sign == "0"]


def _uuids(values: Sequence[UUID]) -> list[str]:
    """Write UUIDs digit by digit: the first one of each, then the second one, ..."""
    digits = b"".join([value.int.to_bytes(16, "big") for value in values]).hex()
    made = bytearray(_UUID.encode() * len(values))
    for source, target in enumerate(_UUID_DIGITS):
        made[target :: len(_UUID)] = digits[source :: len(_UUID_DIGITS)].encode()
    return made.decode().split(",")[:-1]


def _each(form: Callable[[Any], str]) -> Callable[[Sequence[Any]], list[str]]:
    return lambda values: list(map(form, values))


# The quick texts of values of one exact type. None of them needs quotes or the guard,
# unless the delimiter is a strange one. What can't be written that way (an int too
# long for `repr`) raises, and `careful` sees to it.
_FORMS: dict[type, Callable[[Sequence[Any]], list[str]]] = {
    bool: _each(bool.__repr__),
    int: _each(int.__repr__),
    float: _each(float.__repr__),
    Decimal: _each(Decimal.__str__),
    datetime: lambda values: [value.isoformat(" ") for value in values],
    date: _each(date.isoformat),
    time: _each(time.isoformat),
    UUID: _uuids,
}
_POINTED = {float, Decimal}

# Values of these types that are equal have the same text; 0.0 and -0.0 don't.
_REPEATED = {bool, int, str, date}
_SAMPLE = 64  # of a column, to guess whether few of its values differ

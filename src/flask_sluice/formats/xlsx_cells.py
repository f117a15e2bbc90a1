"""Python values as cells of a sheet.

In: a column's values of one batch. Out: for each what stands in the sheet between the
number of its row and that of the next cell's. It refuses to know rows and sheets.

A sheet writes `<c r="B7" s="3"><v>...</v></c>` for a cell, and the row's number, 7,
recurs in each. So the text of a cell begins after it, ends with the next one's letter
(`after`), and a row is made by `"7".join(...)` over its cells, in C. The reference
is optional by ECMA-376 §18.3.1.4, and Excel and LibreOffice do without; others have
stumbled over its absence (box/spout #267, tafia/calamine #261, exceljs #537), and so
made it costs less than a tenth.

Most columns hold one type, and None. Such a column is checked as a whole (does any of
its text need escaping? is any number too long?) and then written in one comprehension;
only when something is odd is each value looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from .cells import bare, text

__all__ = ["EMPTY", "cell", "column", "header_cell"]

EMPTY = '"/>'
_TRUE, _FALSE = '" t="b"><v>1</v></c>', '" t="b"><v>0</v></c>'
_DATE, _MOMENT, _TIME, _DURATION = 2, 3, 4, 5  # styles, see xlsx_parts

LONGEST = 32767  # UTF-16 code units that Excel takes in a cell
DIGITS = 15  # that survive in a double, and in Excel's own display
_WHOLE = 10**DIGITS

# Excel believes in a 29 February 1900, as Lotus 1-2-3 did. From March on this is day 0.
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet's dates have no zone
_EPOCH_DAY = _EPOCH.toordinal()
_FIRST_DAY = 61  # 1900-03-01
_LAST_DAY = 2_958_465  # 9999-12-31
_DAY = 86_400_000_000


# Text.

# What XML can't hold, and CR, which its parsers turn into LF. ECMA-376 §22.9.2.19
# (ST_Xstring) writes it _xHHHH_, and so what looks like that has its own _ escaped.
_ODD = re.compile(
    r"[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)|([\ud800-\udfff])"
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _escaped(match: re.Match[str]) -> str:
    if match[1]:
        raise ValueError(f"a lone surrogate, U+{ord(match[1]):04X}, is no text")
    return _ENTITIES.get(match[0]) or f"_x{ord(match[0]):04X}_"


def _string(value: str, style: str = "") -> str:
    units = len(value)
    if units > LONGEST // 2:
        units = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if units > LONGEST:
            raise ValueError(
                f"a text of {units:,} characters is over Excel's {LONGEST:,}"
            )
    space = "" if value.strip() == value else ' xml:space="preserve"'
    escaped = _ODD.sub(_escaped, value)
    return f'"{style} t="inlineStr"><is><t{space}>{escaped}</t></is></c>'


def _strings(values: Sequence[str], after: str) -> list[str]:
    together = "".join(values)
    if (
        not together.isprintable()
        or "&" in together
        or "<" in together
        or ">" in together
        or "_x" in together
        or max(map(len, values)) > LONGEST // 2
    ):
        return [_string(value) + after for value in values]
    head, tail = '" t="inlineStr"><is><t>', "</t></is></c>" + after
    if [*map(str.strip, values)] != [*values]:
        head = '" t="inlineStr"><is><t xml:space="preserve">'
    return [f"{head}{value}{tail}" for value in values]


def header_cell(label: str) -> str:
    """Give a label as a cell of the header."""
    return _string(label, ' s="1"')


# Numbers.


def _int(value: int) -> str:
    if -_WHOLE < value < _WHOLE:
        return f'"><v>{value}</v></c>'
    return _string(text(value))


def _ints(values: Sequence[int], after: str) -> list[str]:
    if max(values) >= _WHOLE or min(values) <= -_WHOLE:
        return [_int(value) + after for value in values]
    tail = "</v></c>" + after
    return [f'"><v>{value}{tail}' for value in values]


def _float(value: float) -> str:
    if math.isfinite(value):
        return f'"><v>{value!r}</v></c>'
    return _string(repr(value))


def _floats(values: Sequence[float], after: str) -> list[str]:
    # Not finite as soon as one of them isn't. (It may overflow too, and that's fine.)
    if not math.isfinite(sum(values)):
        return [_float(value) + after for value in values]
    tail = "</v></c>" + after
    return [f'"><v>{value!r}{tail}' for value in values]


def _decimal(value: Decimal) -> str:
    written = str(value)
    if len(written) > DIGITS or "E" in written or "N" in written or "I" in written:
        return _odd_decimal(value, written)
    return f'"><v>{written}</v></c>'


def _odd_decimal(value: Decimal, written: str) -> str:
    """Take what is long, has an exponent, or is NaN or Infinity."""
    # Beyond 10**307 Excel knows no number, and towards 0 a double loses digits.
    if (
        value.is_finite()
        and len(value.as_tuple().digits) <= DIGITS
        and abs(value.adjusted()) <= 306
    ):
        return f'"><v>{written}</v></c>'
    return _string(written)


def _bool(value: bool) -> str:
    return _TRUE if value else _FALSE


# Moments, counted in days. Eleven decimals are half a microsecond, which is about what
# a double has left behind the days of this century, and cheaper than its repr().


def _datetime(value: datetime) -> str:
    days = value.toordinal() - _EPOCH_DAY
    if days < _FIRST_DAY or value.tzinfo is not None:
        return _string(value.isoformat())
    fraction = (_of_day(value) * 125 + 54) // 108
    return f'" s="{_MOMENT}"><v>{days}.{fraction:011d}</v></c>'


def _of_day(value: datetime | time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def _datetimes(values: Sequence[datetime], after: str) -> list[str]:
    try:
        since = [value - _EPOCH for value in values]
    except TypeError:  # with a zone
        return [_datetime(value) + after for value in values]
    if min(since).days < _FIRST_DAY:
        return [_datetime(value) + after for value in values]
    form = f'" s="{_MOMENT}"><v>%d.%011d</v></c>{after}'
    return [
        form
        % (
            moment.days,
            ((moment.seconds * 1_000_000 + moment.microseconds) * 125 + 54) // 108,
        )
        for moment in since
    ]


def _date(value: date) -> str:
    days = value.toordinal() - _EPOCH_DAY
    if days < _FIRST_DAY:
        return _string(value.isoformat())
    return f'" s="{_DATE}"><v>{days}</v></c>'


def _time(value: time) -> str:
    if value.tzinfo is not None:
        return _string(value.isoformat())
    return f'" s="{_TIME}"><v>{_of_day(value) / _DAY}</v></c>'


def _timedelta(value: timedelta) -> str:
    if not 0 <= value.days <= _LAST_DAY:
        return _string(text(value))
    return f'" s="{_DURATION}"><v>{value / timedelta(1)}</v></c>'


# The rest.


def _uuid(value: UUID) -> str:
    # What str() gives, in half the time.
    digits = f"{value.int:032x}"
    return (
        f'" t="inlineStr"><is><t>{digits[:8]}-{digits[8:12]}-{digits[12:16]}'
        f"-{digits[16:20]}-{digits[20:]}</t></is></c>"
    )


def _other(value: object) -> str:
    return _string(text(value))


_Write = Callable[[Any], str]

_EXACT: dict[type, _Write] = {
    type(None): lambda value: EMPTY,
    bool: _bool,
    int: _int,
    float: _float,
    Decimal: _decimal,
    str: _string,
    datetime: _datetime,
    date: _date,
    time: _time,
    timedelta: _timedelta,
    UUID: _uuid,
}


def cell(value: object) -> str:
    """Give *value* as a cell, from after its row's number.

    :raises ValueError: no cell can hold it; or what its own str() raises.
    """
    # What stands for a value of another type may be one of these: a subclass's number
    # is a number.
    if type(value) not in _EXACT:
        value = bare(value)
    return _EXACT.get(type(value), _other)(value)


def _each(write: _Write) -> Callable[[Sequence[Any], str], list[str]]:
    def written(values: Sequence[Any], after: str) -> list[str]:
        return [write(value) + after for value in values]

    return written


def _bools(values: Sequence[bool], after: str) -> list[str]:
    true, false = _TRUE + after, _FALSE + after
    return [true if value else false for value in values]


_COLUMNS: dict[type, Callable[[Sequence[Any], str], list[str]]] = {
    **{kind: _each(write) for kind, write in _EXACT.items()},
    bool: _bools,
    int: _ints,
    float: _floats,
    str: _strings,
    datetime: _datetimes,
}


def column(values: Sequence[object], after: str) -> list[str]:
    """Give a column's values as cells, each with *after* at its end.

    :raises ValueError: no cell can hold one of them; or what its own str() raises.
    """
    kinds = set(map(type, values))
    has_gaps = type(None) in kinds and len(kinds) == 2
    if has_gaps:
        kinds.discard(type(None))
    if len(kinds) == 1:
        write = _COLUMNS.get(kinds.pop())
        if write is not None:
            if not has_gaps:
                return write(values, after)
            empty = EMPTY + after
            there = iter(write([v for v in values if v is not None], after))
            return [empty if value is None else next(there) for value in values]
    return [cell(value) + after for value in values]

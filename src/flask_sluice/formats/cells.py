"""The text of a value, for the formats whose cells are flat: CSV, TSV, XLSX.

In: any Python value. Out: its text, the same in each of these formats. It refuses to
know quoting, null texts and decimal commas: those belong to a format.

The table goes by the exact type. What isn't in it is written as what stands for it
(`plain`), so a subclass of int is digits, whatever its own `__str__` says; what nothing
stands for is `str(value)`. Values made of values are JSON, as NDJSON would have them.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

from .jsontext import text as json_text
from .plain import plain

__all__ = ["bare", "text"]


def text(value: object) -> str:
    """Give the text of a value; that of None is empty.

    :raises TypeError: it holds something that has no form in JSON.
    """
    value = bare(value)
    return _TEXTS.get(type(value), _other)(value)


def bare(value: object) -> object:
    """Give what stands for a value of an unusual type, if anything does."""
    if type(value) in _TEXTS:
        return value
    try:
        other = plain(value)
    except TypeError:
        return value
    return bare(other)


def _other(value: object) -> str:
    # A subclass of str may come out of str(), too.
    return str.__str__(str(value))


def _digits(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:
        # More than sys.get_int_max_str_digits(). Decimal has no such limit, and its
        # text has no exponent as long as the number is whole.
        return str(Decimal(value))


def _base64(value: bytes | bytearray) -> str:
    return b2a_base64(value, newline=False).decode()


_TEXTS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _: "",
    str: str.__str__,
    bool: bool.__repr__,
    int: _digits,
    float: float.__repr__,
    Decimal: Decimal.__str__,
    date: date.isoformat,
    datetime: lambda value: value.isoformat(" "),  # str(), without the detour
    time: time.isoformat,
    timedelta: timedelta.__str__,
    UUID: UUID.__str__,
    bytes: _base64,
    bytearray: _base64,
    memoryview: lambda value: _base64(value.tobytes()),  # it may leave bytes out
    list: json_text,
    tuple: json_text,
    dict: json_text,
    set: json_text,
    frozenset: json_text,
}

"""JSON by the standard library: each value as text, with msgspec's very bytes.

In: values of any type. Out: their JSON text, which is the same whether msgspec is
there or not, to the byte, so that an export doesn't change with an installation.
It refuses to know rows that are wrong: that one is, is all it says.

The form of the values that JSON has no literal for: a Decimal is a string of all its
digits, a date and a time are ISO 8601 (RFC 3339 where there is a zone), a timedelta is
an ISO 8601 duration, bytes are base64, nan and the infinities are null.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from json.encoder import encode_basestring as quoted
from types import NoneType
from typing import Any
from uuid import UUID

from .plain import plain

__all__ = ["Objects", "text"]


class Objects:
    """Rows as objects, one a line."""

    def __init__(self, labels: Sequence[str]) -> None:
        keys = [quoted(label).replace("%", "%%") for label in labels]
        self._line = "{" + ",".join([f"{key}:%s" for key in keys]) + "}\n"

    def lines(self, batch: Iterable[tuple[object, ...]]) -> bytes:
        """Write the rows of *batch*. A row of the wrong length is a TypeError."""
        line = self._line
        return "".join(
            [line % tuple([text(value) for value in row]) for row in batch]
        ).encode()

    def try_one(self, value: object) -> None:
        """Raise what writing *value* raises."""
        text(value).encode()


def text(value: object) -> str:
    """Give *value* as JSON.

    :raises TypeError: it, or something in it, has no form in JSON.
    """
    write = _WRITERS.get(type(value))
    return text(plain(value)) if write is None else write(value)


def _float(value: float) -> str:
    shortest = repr(value)
    if "n" in shortest:
        return "null"
    return _exponent(shortest) if "e" in shortest else shortest


def _exponent(shortest: str) -> str:
    """Write 1e-07 as msgspec does, 1e-7, and 1e-05 as 0.00001."""
    digits, _, exponent = shortest.partition("e")
    power = int(exponent)
    if power != -5:
        return f"{digits}e{power}"
    sign = "-" if digits[0] == "-" else ""
    return f"{sign}0.0000{digits.lstrip('-').replace('.', '')}"


def _zone(offset: timedelta | None) -> str:
    """Give what follows a time: Z, or hours and minutes (RFC 3339 has no seconds)."""
    if offset is None:
        return ""
    seconds = 86_400 - offset.seconds if offset.days < 0 else offset.seconds
    minutes = seconds // 60 + (seconds % 60 > 30)
    hour, minute = divmod(minutes % 1440, 60)
    if not hour and not minute:
        return "Z"
    return f"{'-' if offset.days < 0 else '+'}{hour:02}:{minute:02}"


def _moment(value: datetime | time) -> str:
    if value.tzinfo is None:
        return f'"{value.isoformat()}"'
    return f'"{value.replace(tzinfo=None).isoformat()}{_zone(value.utcoffset())}"'


def _duration(value: timedelta) -> str:
    sign, value = ("-", -value) if value.days < 0 else ("", value)
    days = f"{value.days}D" if value.days else ""
    seconds = ""
    if value.microseconds:
        fraction = f"{value.microseconds:06}".rstrip("0")
        seconds = f"T{value.seconds}.{fraction}S"
    elif value.seconds:
        seconds = f"T{value.seconds}S"
    return f'"{sign}P{days}{seconds}"' if days or seconds else '"P0D"'


def _bytes(value: bytes | bytearray | memoryview) -> str:
    return f'"{b2a_base64(value, newline=False).decode()}"'


def _array(value: Iterable[object]) -> str:
    return "[" + ",".join([text(item) for item in value]) + "]"


def _object(value: dict[object, object]) -> str:
    return (
        "{" + ",".join([f"{_key(key)}:{text(item)}" for key, item in value.items()])
    ) + "}"


def _key(value: object) -> str:
    """Give a key. Any value with a text of its own may be one, as in msgspec."""
    while (kind := type(value)) not in _WRITERS:
        value = plain(value)
    if kind is float:
        # Not null: it would be the key of all that aren't finite.
        return f'"{value}"' if "n" in repr(value) else f'"{text(value)}"'
    if kind in _NO_KEYS:
        raise TypeError(f"a dict with a {kind.__name__} as a key has no form in JSON")
    written = text(value)
    return written if written[0] == '"' else f'"{written}"'


_NO_KEYS = {list, tuple, set, frozenset, dict}

_WRITERS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _: "null",
    bool: {True: "true", False: "false"}.__getitem__,
    int: int.__repr__,
    float: _float,
    str: quoted,
    Decimal: lambda value: f'"{value!s}"',
    date: lambda value: f'"{value.isoformat()}"',
    datetime: _moment,
    time: _moment,
    timedelta: _duration,
    UUID: lambda value: f'"{value!s}"',
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    list: _array,
    tuple: _array,
    set: _array,
    frozenset: _array,
    dict: _object,
}

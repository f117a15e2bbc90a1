"""Odd values as plain ones: what stands for a value of an unusual type.

In: a value whose exact type a format doesn't know. Out: one of a built-in type, which
it does know, or an odd one again (an `Enum` may have any value): ask until it isn't.
It refuses to know the formats, and to invent a form: what has none is a TypeError.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

__all__ = ["REFUSALS", "plain", "refusal"]

# What an attempt to write a value may raise that means: it can't be written.
REFUSALS = (ArithmeticError, BufferError, RecursionError, TypeError, ValueError)


def plain(value: object) -> object:
    """Give what stands for *value*, whose exact type isn't a built-in one.

    :raises TypeError: nothing does.
    """
    for base, turn in _TURNS:
        if isinstance(value, base):
            return turn(value)
    kind = type(value)
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value) if hasattr(value, field.name)]
        return {name: getattr(value, name) for name in names}
    if "__attrs_attrs__" in vars(kind):
        return _attributes(value)
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return _from_numpy(value)
    raise TypeError(f"a value of type {kind.__name__} has no form here")


def refusal(error: BaseException) -> str:
    """Say as a clause why a value was refused with *error*."""
    if isinstance(error, UnicodeEncodeError):
        stray = ord(error.object[error.start])
        return f"its text has a lone surrogate, U+{stray:04X}, which UTF-8 can't hold"
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or holds itself"
    return str(error).strip().rstrip(".") or type(error).__name__


def _datetime(value: datetime) -> datetime | None:
    # pandas' NaT is a datetime that equals nothing, not even itself.
    if value != value:  # noqa: PLR0124
        return None
    return datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    )


def _time(value: time) -> time:
    return time(
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        value.tzinfo,
        fold=value.fold,
    )


def _attributes(value: object) -> dict[str, object]:
    """Give the public attributes of an object of an attrs class.

    Those in its `__dict__`, then those in slots, class by class: the order in which
    msgspec, which knows attrs, writes them.
    """
    found = {
        name: each
        for name, each in getattr(value, "__dict__", {}).items()
        if not name.startswith("_")
    }
    for kind in type(value).__mro__:
        for name in sorted(vars(kind).get("__slots__", ())):
            if not name.startswith("_") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


def _from_numpy(value: Any) -> object:
    written = value.dtype.str  # such as <M8[ns]
    if written.endswith(("[ns]", "[ps]", "[fs]", "[as]")):
        # Of what is finer than microseconds tolist() would make a bare int.
        value = value.astype(f"{written[:3]}[us]")
    result: object = value.tolist()
    if type(result) is type(value):  # a long double stays one
        raise TypeError(f"a numpy {type(value).__name__} has no form here")
    return result


# The first that fits is taken: an IntEnum is an Enum, a datetime is a date. A method
# of the base itself, because a subclass may have made another thing of its own.
_TURNS: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (Enum, lambda value: value.value),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (Decimal, Decimal),
    (datetime, _datetime),
    (date, lambda value: date(value.year, value.month, value.day)),
    (time, _time),
    (timedelta, lambda v: timedelta(v.days, v.seconds, v.microseconds)),
    (UUID, lambda value: UUID(int=value.int)),
    (memoryview, bytes),
    (bytearray, bytes),
    (bytes, lambda value: bytes(memoryview(value))),
    (dict, dict.copy),
    (Mapping, dict),
    (list, list.copy),
    (tuple, list),
    (AbstractSet, list),
    (deque, list),
)

"""Arrow's types and arrays, by the `pyarrow` package: `flask-sluice[arrow]`.

In: the values of a column. Out: the type that holds them, and an array of a type. It
refuses to change a value so that it fits: pyarrow would cut a datetime down to a date
and take a zone away without a word, so the types of a column's values are looked at
before pyarrow sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

import pyarrow as pa
from pyarrow import ipc, parquet

from .plain import REFUSALS as VALUE_REFUSALS
from .plain import plain
from .sink import Sink

__all__ = [
    "REFUSALS",
    "array",
    "can_compress",
    "field_array",
    "inferred",
    "joined",
    "merged",
    "open_file",
    "open_stream",
    "record_batch",
    "schema_of",
    "type_of_kind",
]

_US = pa.timestamp("us")
_US_UTC = pa.timestamp("us", "UTC")

# What the values of one type make, where the type says it all.
_TYPES: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    bytearray: pa.binary(),
    memoryview: pa.binary(),
    date: pa.date32(),
    time: pa.time64("us"),
    timedelta: pa.duration("us"),
    UUID: pa.string(),
}
# And where it doesn't: what a column is that has no value in the whole sample.
_DEFAULTS: dict[type | None, pa.DataType] = {
    datetime: _US,
    Decimal: pa.decimal128(38, 9),
}

_TEXT = frozenset({str})
# What values of exactly which types a column takes. Others go to pyarrow as they are.
_TAKES: tuple[tuple[Callable[[pa.DataType], bool], frozenset[type]], ...] = (
    (pa.types.is_boolean, frozenset({bool})),
    (pa.types.is_integer, frozenset({int})),
    (pa.types.is_floating, frozenset({float, int})),
    (pa.types.is_decimal, frozenset({Decimal, int})),
    (pa.types.is_string, _TEXT),
    (pa.types.is_large_string, _TEXT),
    (pa.types.is_binary, frozenset({bytes})),
    (pa.types.is_large_binary, frozenset({bytes})),
    (pa.types.is_date, frozenset({date})),
    (pa.types.is_timestamp, frozenset({datetime})),
    (pa.types.is_time, frozenset({time})),
    (pa.types.is_duration, frozenset({timedelta})),
)
_SCALARS = frozenset().union(*(kinds for _, kinds in _TAKES)) | {NoneType}
# What pyarrow may raise, too.
REFUSALS = (*VALUE_REFUSALS, NotImplementedError)


# --- types -----------------------------------------------------------------


def type_of_kind(kind: type | None) -> pa.DataType | None:
    """Give the type of a column of that kind, or None where only values can tell."""
    return None if kind is None else _TYPES.get(kind)


def schema_of(
    fields: Iterable[tuple[str, type | None, pa.DataType | None]],
) -> pa.Schema:
    """Make a schema of labels, kinds and the types that were found.

    A column in which nothing but nulls was seen is what its kind says, or text.
    """
    return pa.schema(
        [
            (
                label,
                _DEFAULTS.get(kind, pa.string()) if found is None else _closed(found),
            )
            for label, kind, found in fields
        ]
    )


def record_batch(arrays: Sequence[pa.Array], schema: pa.Schema) -> pa.RecordBatch:
    """Make a record batch."""
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def inferred(values: Sequence[object]) -> pa.DataType | None:
    """Find the type that holds *values*; None if all of them are null."""
    kinds = set(map(type, values)) - {NoneType}
    if not kinds <= _INFERABLE:
        values = [_settled(value) for value in values]
        kinds = set(map(type, values)) - {NoneType}
    found: pa.DataType | None = None
    for kind in sorted(kinds, key=lambda kind: kind.__name__):
        found = merged(found, _inferred_of(kind, values))
    return found


def _inferred_of(kind: type, values: Sequence[Any]) -> pa.DataType:
    if kind in _TYPES:
        return _TYPES[kind]
    own: list[Any] = [value for value in values if type(value) is kind]
    if kind is datetime:
        return _US if own[0].tzinfo is None else _US_UTC
    if kind is Decimal:
        return pa.decimal128(38, max(map(_scale, own)))
    settled: list[Any] = [_settled(value) for value in own]
    if kind is not dict:
        return pa.list_(_or_null(inferred([item for each in settled for item in each])))
    names = dict.fromkeys(name for each in settled for name in each)
    return pa.struct(
        [
            (name, _or_null(inferred([each.get(name) for each in settled])))
            for name in names
        ]
    )


def _or_null(found: pa.DataType | None) -> pa.DataType:
    return pa.null() if found is None else found


def _scale(value: Decimal) -> int:
    if not value.is_finite():
        raise ValueError(f"Decimal {value} isn't a finite number")
    exponent = int(value.as_tuple().exponent)
    if exponent < -38:
        raise ValueError(f"a Decimal with {-exponent} decimals has over 38 digits")
    return max(0, -exponent)


def merged(one: pa.DataType | None, other: pa.DataType | None) -> Any:
    """Find the type that holds the values of both."""
    if other is None or other == pa.null() or one == other:
        return one
    if one is None or one == pa.null():
        return other
    for first, second in ((one, other), (other, one)):
        if first == pa.int64() and (
            second == pa.float64() or pa.types.is_decimal(second)
        ):
            return second
    if pa.types.is_decimal(one) and pa.types.is_decimal(other):
        return pa.decimal128(38, max(one.scale, other.scale))
    if pa.types.is_list(one) and pa.types.is_list(other):
        return pa.list_(merged(one.value_type, other.value_type))
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        fields = {field.name: field.type for field in one}
        for field in other:
            fields[field.name] = merged(fields.get(field.name), field.type)
        return pa.struct(list(fields.items()))
    raise TypeError(f"a column can't hold both {one} and {other}")


def _closed(found: pa.DataType) -> pa.DataType:
    """Give *found* with text where nothing but nulls was seen."""
    if pa.types.is_null(found):
        return pa.string()
    if pa.types.is_list(found):
        return pa.list_(_closed(found.value_type))
    if pa.types.is_struct(found):
        return pa.struct([(field.name, _closed(field.type)) for field in found])
    return found


# --- values ----------------------------------------------------------------


def _settled(value: object) -> object:
    """Turn an odd value, and the odd ones in it, into what pyarrow knows."""
    while (kind := type(value)) not in _INFERABLE:
        value = plain(value)
    if kind is UUID:
        return str(value)
    if kind in _SCALARS:
        return value
    if kind is not dict:
        return [_settled(item) for item in value]  # type: ignore[attr-defined]
    if not value:
        raise ValueError("an empty dict has no columns")
    if any(type(key) is not str for key in value):  # type: ignore[attr-defined]
        raise TypeError("a dict whose keys aren't str has no form here")
    return {key: _settled(item) for key, item in value.items()}  # type: ignore[attr-defined]


_INFERABLE = _SCALARS | {UUID, datetime, Decimal, list, tuple, set, frozenset, dict}


def field_array(values: Sequence[object], field: pa.Field) -> pa.Array:
    """Make an array for *field*; see `array`."""
    made = array(values, field.type)
    if made.null_count and not field.nullable:
        raise ValueError("a null is in a column that the schema says has none")
    return made


def array(values: Sequence[Any], wanted: pa.DataType) -> pa.Array:
    """Make an array of type *wanted*, if that holds each of *values* unchanged.

    :raises REFUSALS: it doesn't.
    """
    takes = next((kinds for fits, kinds in _TAKES if fits(wanted)), None)
    kinds = set(map(type, values))
    kinds.discard(NoneType)
    if kinds == {UUID} and takes is _TEXT:  # a common column, and slow below
        values = [None if value is None else str(value) for value in values]
    elif takes is None or not kinds <= takes:
        values = [_settled(value) for value in values]
        kinds = set(map(type, values)) - {NoneType}
        for kind in kinds - (takes or kinds):
            raise TypeError(_misfit(f"a value of type {kind.__name__}", wanted))
    for kind, condition in _CONDITIONS:
        if kind in kinds:
            condition(values, wanted)
    return pa.array(values, wanted)


def _misfit(what: str, wanted: pa.DataType) -> str:
    return f"{what} doesn't fit a column of type {wanted}"


def _check_zones(values: Sequence[datetime | None], wanted: pa.DataType) -> None:
    has_zone = getattr(wanted, "tz", None) is not None
    for value in values:
        if value is not None and (value.tzinfo is not None) != has_zone:
            which = "without" if has_zone else "with"
            raise ValueError(_misfit(f"a datetime {which} a zone", wanted))


def _check_times(values: Sequence[time | None], wanted: pa.DataType) -> None:
    if any(value is not None and value.tzinfo is not None for value in values):
        raise ValueError(_misfit("a time with a zone", wanted))


def _check_lists(values: Sequence[Any], wanted: pa.DataType) -> None:
    if not hasattr(wanted, "value_type"):
        raise TypeError(_misfit("a list", wanted))
    lists = [value for value in values if type(value) is list]
    array([item for each in lists for item in each], wanted.value_type)


def _check_dicts(values: Sequence[Any], wanted: pa.DataType) -> None:
    if not pa.types.is_struct(wanted):
        raise TypeError(_misfit("a dict", wanted))
    dicts = [value for value in values if type(value) is dict]
    # pyarrow would leave out what a struct has no field for.
    for name in {name for each in dicts for name in each} - {
        field.name for field in wanted
    }:
        raise TypeError(_misfit(f"a dict with the key {name!r}", wanted))
    for field in wanted:
        array([each.get(field.name) for each in dicts], field.type)


# Where pyarrow would give another value, or none, and not say so.
_CONDITIONS: tuple[tuple[type, Callable[[Sequence[Any], pa.DataType], None]], ...] = (
    (datetime, _check_zones),
    (time, _check_times),
    (list, _check_lists),
    (dict, _check_dicts),
)


# --- writers ---------------------------------------------------------------


def open_stream(sink: Sink, schema: pa.Schema) -> ipc.RecordBatchStreamWriter:
    """Begin an Arrow stream: the schema is written before the first batch."""
    return ipc.new_stream(sink, schema)


def open_file(sink: Sink, schema: pa.Schema, compression: str) -> parquet.ParquetWriter:
    """Begin a Parquet file."""
    return parquet.ParquetWriter(sink, schema, compression=compression)


def can_compress(compression: str) -> bool:
    """Tell whether pyarrow has this codec."""
    try:
        return compression == "none" or bool(pa.Codec.is_available(compression))
    except ValueError:
        return False


def joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Give one batch with the rows of all, its memory its own."""
    return pa.concat_batches(batches)

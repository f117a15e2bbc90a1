"""The shape of a record: what its fields are called, and how it becomes a tuple.

In: the first record of a source. Out: names, kinds, and a function that makes tuples
of a whole batch. The table `_SHAPES` asks one kind of record after the other, by what
it has and not by what it imports: no library has to be there for its rows to be read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from ..errors import BodyTypeError, CellError
from .source import Names, Row

__all__ = ["Shape", "shape_of"]


class Shape(NamedTuple):
    """What the records of a source are like.

    :ivar names: of the fields.
    :ivar tuples: makes tuples of a batch; gets the number of rows before it, too.
    """

    names: Names
    tuples: Callable[[Sequence[Any], int], list[Row]]


def _positional(first: Any, names: Names) -> Shape:
    width = len(names)

    def tuples(batch: Sequence[Any], before: int) -> list[Row]:
        is_ready = type(batch) is list and {*map(type, batch)} == {tuple}
        rows: list[Row] = batch if is_ready else list(map(tuple, batch))  # type: ignore[assignment]
        if {*map(len, rows)} == {width}:
            return rows
        for number, row in enumerate(rows, before + 1):
            if len(row) != width:
                raise CellError(number, "", f"it has {len(row)} values, not {width}")
        return rows

    return Shape(names, tuples)


def _by_attribute(names: Names) -> Shape:
    get = attrgetter(*names)
    one = len(names) == 1

    def tuples(batch: Sequence[Any], before: int) -> list[Row]:
        try:
            return [(get(item),) for item in batch] if one else list(map(get, batch))
        except AttributeError as error:
            number = _first_wrong(batch, get, AttributeError)
            raise CellError(before + number, "", f"{error}") from None

    return Shape(names, tuples)


def _first_wrong(
    batch: Sequence[Any], get: Callable[[Any], Any], kind: type[Exception]
) -> int:
    for number, item in enumerate(batch, 1):
        try:
            get(item)
        except kind:
            return number
    return len(batch)


def _mapping(first: Any) -> Shape | None:
    if not isinstance(first, Mapping):
        return None
    names = tuple(map(str, first))
    keys = tuple(first)
    width = len(keys)

    def row(item: Any) -> Row:
        return tuple([item[key] for key in keys])

    def tuples(batch: Sequence[Any], before: int) -> list[Row]:
        rows = []
        for number, item in enumerate(batch, before + 1):
            try:
                rows.append(row(item))
            except (KeyError, TypeError, IndexError) as error:
                raise CellError(number, "", f"it lacks {error}") from None
            if len(item) != width:
                more = [str(key) for key in item if key not in first]
                raise CellError(
                    number, "", f"it has keys that the first row had not: {more}"
                )
        return rows

    return Shape(names, tuples)


def _row_with_keys(first: Any) -> Shape | None:
    # sqlite3.Row, and rows of other drivers that have keys() but are sequences.
    keys = getattr(first, "keys", None)
    if isinstance(first, Mapping) or not callable(keys):
        return None
    return _positional(first, tuple(map(str, keys())))


def _named_tuple(first: Any) -> Shape | None:
    # collections.namedtuple, typing.NamedTuple, SQLAlchemy's Row.
    fields = getattr(first, "_fields", None)
    if not isinstance(fields, tuple) or not isinstance(first, Sequence):
        return None
    return _positional(first, tuple(map(str, fields)))


def _struct(first: Any) -> Shape | None:
    # msgspec.Struct
    fields = getattr(type(first), "__struct_fields__", None)
    return None if fields is None else _by_attribute(tuple(fields))


def _dataclass(first: Any) -> Shape | None:
    if isinstance(first, type) or not dataclasses.is_dataclass(first):
        return None
    return _by_attribute(tuple(field.name for field in dataclasses.fields(first)))


def _attrs(first: Any) -> Shape | None:
    fields = getattr(type(first), "__attrs_attrs__", None)
    if fields is None:
        return None
    return _by_attribute(tuple(field.name for field in fields))


def _mapped(first: Any) -> Shape | None:
    # An object of SQLAlchemy's ORM: its columns, not its relations.
    mapper = getattr(type(first), "__mapper__", None)
    if mapper is None:
        return None
    return _by_attribute(tuple(attr.key for attr in mapper.column_attrs))


def _plain(first: Any) -> Shape | None:
    if not isinstance(first, (tuple, list)):
        return None
    return _positional(first, tuple(f"column{n}" for n in range(1, len(first) + 1)))


_SHAPES: tuple[Callable[[Any], Shape | None], ...] = (
    _mapping,
    _row_with_keys,
    _named_tuple,
    _struct,
    _mapped,
    _dataclass,
    _attrs,
    _plain,
)


def shape_of(first: Any, names: Names | None = None) -> Shape:
    """Give the shape of *first*.

    :param names: what a cursor calls its columns: for records that don't.
    :raises BodyTypeError: it isn't a record.
    """
    if names is not None and isinstance(first, (tuple, list)):
        return _positional(first, names)
    for ask in _SHAPES:
        shape = ask(first)
        if shape is not None:
            return shape
    raise BodyTypeError(
        f"A row is a {type(first).__name__}: stream_rows() takes tuples, dicts, named"
        " tuples, dataclasses, attrs and msgspec objects, and rows of a database."
    )

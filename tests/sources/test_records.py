"""Rows from iterables: whatever a record is, a tuple of its fields."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections import namedtuple
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest

from flask_sluice.errors import BodyTypeError, CellError
from flask_sluice.sources.records import AsyncRecords, Records
from flask_sluice.sources.source import Source

Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - this is what is tested


class Typed(NamedTuple):
    """A record."""

    a: int
    b: str


@dataclasses.dataclass
class Data:
    """A record."""

    a: int
    b: str


@attrs.define
class Attrs:
    """A record."""

    a: int
    b: str


class Struct(msgspec.Struct):
    """A record."""

    a: int
    b: str


class Single(msgspec.Struct):
    """A record."""

    a: int


def sqlite_row(*values: Any) -> Any:
    """Give a row of SQLite's own kind."""
    db = sqlite3.connect(":memory:")
    db.row_factory = sqlite3.Row
    return db.execute("SELECT ? AS a, ? AS b", values).fetchone()


MAKERS: dict[str, Any] = {
    "dict": lambda a, b: {"a": a, "b": b},
    "namedtuple": Pair,
    "NamedTuple": Typed,
    "dataclass": Data,
    "attrs": Attrs,
    "msgspec": Struct,
    "sqlite3.Row": sqlite_row,
}


def read(source: Source, *limits: int) -> list[Any]:
    """Read a source to its end, so many rows at a time."""
    source.open()
    rows = []
    turn = 0
    while batch := source.take(limits[min(turn, len(limits) - 1)]):
        assert len(batch) <= limits[min(turn, len(limits) - 1)]
        rows += batch
        turn += 1
    source.close()
    return rows


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("limits", [(1,), (2, 1, 3), (100,)])
def test_records_become_tuples(kind: str, limits: tuple[int, ...]) -> None:
    """With the names of their fields, in any groups."""
    made = [MAKERS[kind](n, str(n)) for n in range(5)]
    source = Records(made)
    assert read(source, *limits) == [(n, str(n)) for n in range(5)]
    assert source.names == ("a", "b")
    assert source.count == 5
    assert all(type(row) is tuple for row in read(Records(iter(made)), 3))


def test_one_field() -> None:
    """A tuple of one, and not the value itself."""
    assert read(Records([Single(1), Single(2)]), 10) == [(1,), (2,)]


def test_plain_tuples_have_the_names_that_are_given() -> None:
    """Or numbered ones."""
    source = Records([(1, 2)], ("x", "y"))
    read(source, 1)
    assert source.names == ("x", "y")
    source = Records([[1, 2]])
    assert read(source, 1) == [(1, 2)]
    assert source.names == ("column1", "column2")


def test_nothing() -> None:
    """No record, no names but those that are given."""
    source = Records([], ("x",))
    assert read(source, 5) == []
    assert source.names == ("x",)


@pytest.mark.parametrize(
    ("rows", "row", "why"),
    [
        ([(1, 2), (1,)], 2, "it has 1 values, not 2"),
        ([{"a": 1}, {"a": 1, "b": 2}], 2, "keys that the first row had not: ['b']"),
        ([{"a": 1}, {}], 2, "it lacks 'a'"),
        ([Data(1, "")] * 3 + [object()], 4, "no attribute 'a'"),
        ([{"a": 1}, None], 2, "it lacks"),
    ],
)
def test_a_record_that_is_not_like_the_first(
    rows: list[Any], row: int, why: str
) -> None:
    """It is refused by its number, and not sent with holes."""
    with pytest.raises(CellError, match=f"Row {row}: ") as caught:
        read(Records(rows), 2)
    assert why in caught.value.why


@pytest.mark.parametrize("thing", [1, "text", None, object()])
def test_what_is_no_record(thing: Any) -> None:
    """The error says what would be one."""
    with pytest.raises(BodyTypeError, match="named tuples"):
        Records([thing]).open()


def test_a_generator_is_closed() -> None:
    """In the middle, and if it was never begun."""
    ends = []

    def made() -> Iterator[Any]:
        try:
            yield {"a": 1}
            yield {"a": 2}
        finally:
            ends.append(True)

    source = Records(made())
    source.open()
    assert source.take(1) == [(1,)]
    assert source.count is None
    source.close()
    assert ends == [True]


def test_async_records() -> None:
    """The same from an async generator, which is closed too."""
    ends = []

    async def made() -> AsyncIterator[Any]:
        try:
            for n in range(5):
                yield Pair(n, n)
        finally:
            ends.append(True)

    async def main() -> list[int]:
        source = AsyncRecords(made())
        await source.open()
        sizes = []
        while batch := await source.take(2):
            sizes.append(len(batch))
        await source.close()
        return sizes

    assert asyncio.run(main()) == [2, 2, 1]
    assert ends == [True]

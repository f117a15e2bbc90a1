"""Which columns are sent, in which order and form."""

from __future__ import annotations

from typing import Any

import pytest

from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.exports.columns import Column, Layout, columns_of
from flask_sluice.formats.column import Column as Head

NAMES = ["a", "b", "c"]
KINDS = [int, None, str]
ROWS: list[tuple[Any, ...]] = [(1, 2, "x"), (3, 4, "y")]


def layout(*wanted: Any) -> Layout:
    """Give the layout for a source with NAMES."""
    return Layout(columns_of(wanted) if wanted else None, NAMES, KINDS)


def test_all_as_they_are() -> None:
    """Nothing is done where nothing is asked for."""
    made = layout()
    assert made.heads == [Head("a", int), Head("b"), Head("c", str)]
    assert made.rows(ROWS, 0) is ROWS


@pytest.mark.parametrize(
    ("wanted", "heads", "rows"),
    [
        (["c", "a"], [Head("c", str), Head("a", int)], [("x", 1), ("y", 3)]),
        ([("b", "B!")], [Head("B!")], [(2,), (4,)]),
        (["a", ("a", "again")], [Head("a", int), Head("again", int)], [(1, 1), (3, 3)]),
        (
            [Column("a", format=str), Column("c", "C", kind=bytes)],
            [Head("a"), Head("C", bytes)],
            [("1", "x"), ("3", "y")],
        ),
    ],
)
def test_chosen(wanted: list[Any], heads: list[Head], rows: list[Any]) -> None:
    """Chosen, in another order, renamed, changed."""
    made = layout(*wanted)
    assert made.heads == heads
    assert made.rows(ROWS, 0) == rows


def test_a_mapping_is_names_and_labels() -> None:
    """In its order."""
    made = Layout(columns_of({"b": "B", "a": "A"}), NAMES, KINDS)
    assert [head.label for head in made.heads] == ["B", "A"]


def test_a_format_that_raises_names_row_and_column() -> None:
    """And keeps what it raised."""
    made = layout(Column("c", "C", format=lambda text: 1 / (text != "y")))
    with pytest.raises(CellError, match=r"Row 12, column 'C'.*ZeroDivision") as caught:
        made.rows(ROWS, 10)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("abc", "list of names"),
        ([], "empty"),
        ([1], "expected are names"),
        (["a", ("b", "a")], "one label"),
    ],
)
def test_bad_columns(given: Any, words: str) -> None:
    """Each error says what to write."""
    with pytest.raises(ArgumentError, match=words):
        columns_of(given)


def test_an_unknown_column() -> None:
    """The error says which there are."""
    with pytest.raises(ArgumentError, match="no column 'z', but a, b, c"):
        layout("z")

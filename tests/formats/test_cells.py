"""The text of each kind of value, in every format whose cells are flat."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_sluice.formats.cells import bare, text

UTC = dt.timezone.utc  # noqa: UP017 - as its repr has it
PARIS = dt.timezone(dt.timedelta(hours=2))


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Colour(enum.Enum):
    """Members of several types."""

    RED = "red"
    NONE = None
    NESTED = (1, 2)


class Size(enum.IntEnum):
    """A number with a name."""

    BIG = 12


class Word(str):
    """A str that says it is another."""

    __slots__ = ()

    def __str__(self) -> str:
        return "=evil()"


class Count(int):
    """An int that says it is none."""

    def __str__(self) -> str:
        return "=evil()"

    __repr__ = __str__


class Share(float):
    """A float that says it is none."""

    def __repr__(self) -> str:
        return "=evil()"

    __str__ = __repr__


class Day(dt.date):
    """A date that says it is none."""

    def isoformat(self) -> str:
        return "=evil()"


class Moment(dt.datetime):
    """A datetime that says it is none."""

    def isoformat(self, *args: object) -> str:
        return "=evil()"


class Thing:
    """What no format knows; its text isn't an exact str."""

    def __str__(self) -> str:
        return Word("a thing")


FORMS = [
    (None, ""),
    (True, "True"),
    (False, "False"),
    (0, "0"),
    (-7, "-7"),
    (2**64, "18446744073709551616"),
    (-(10**5000), "-1" + "0" * 5000),
    (0.1, "0.1"),
    (-0.0, "-0.0"),
    (1e16, "1e+16"),
    (float("nan"), "nan"),
    (float("-inf"), "-inf"),
    (Decimal("1.10"), "1.10"),
    (Decimal("1E+3"), "1E+3"),
    (Decimal("NaN"), "NaN"),
    (dt.date(2013, 7, 4), "2013-07-04"),
    (dt.datetime(2013, 7, 4, 5), "2013-07-04 05:00:00"),  # noqa: DTZ001
    (
        dt.datetime(2013, 7, 4, 5, 6, 7, 80),  # noqa: DTZ001
        "2013-07-04 05:06:07.000080",
    ),
    (dt.datetime(2013, 7, 4, 5, tzinfo=UTC), "2013-07-04 05:00:00+00:00"),
    (dt.datetime(2013, 7, 4, 5, tzinfo=PARIS), "2013-07-04 05:00:00+02:00"),
    (dt.time(5, 6), "05:06:00"),
    (dt.time(5, 6, tzinfo=UTC), "05:06:00+00:00"),
    (dt.timedelta(days=1, seconds=1), "1 day, 0:00:01"),
    (dt.timedelta(seconds=-1), "-1 day, 23:59:59"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Colour.RED, "red"),
    (Colour.NONE, ""),
    (Colour.NESTED, "[1,2]"),
    (Size.BIG, "12"),
    (b"\xfb\xff", "+/8="),
    (bytearray(b"ab"), "YWI="),
    (memoryview(b"a-b-")[::2], "YWI="),
    ("", ""),
    ("Ünï ☃ 𝄞", "Ünï ☃ 𝄞"),
    ([1, "é", None, True, 1.5], '[1,"é",null,true,1.5]'),
    ((1, (2,)), "[1,[2]]"),
    ({"a": Decimal("1.0"), "b": float("nan")}, '{"a":"1.0","b":null}'),
    ({1: dt.date(2013, 7, 4)}, '{"1":"2013-07-04"}'),
    ({5}, "[5]"),
    (frozenset(), "[]"),
    ([dt.datetime(2013, 7, 4, 5, tzinfo=UTC)], '["2013-07-04T05:00:00Z"]'),
    ([dt.timedelta(days=1, seconds=1.5)], '["P1DT1.5S"]'),
    ([Colour.RED, Size.BIG, b"ab"], '["red",12,"YWI="]'),
    # by what they derive from, whatever they say of themselves
    (Word("a word"), "a word"),
    (Count(5), "5"),
    (Share(0.5), "0.5"),
    (Day(2013, 7, 4), "2013-07-04"),
    (Moment(2013, 7, 4), "2013-07-04 00:00:00"),
    (Point(1, 2), "[1,2]"),
    (OrderedDict(a=1), '{"a":1}'),
    (deque([1]), "[1]"),
    # nothing stands for these
    (Fraction(1, 3), "1/3"),
    (1 + 2j, "(1+2j)"),
    (range(3), "range(0, 3)"),
    (Thing(), "a thing"),
]


@pytest.mark.parametrize(
    ("value", "expected"), FORMS, ids=[form[:40] for _, form in FORMS]
)
def test_forms(value, expected):
    """Each kind of value has the text that the documentation gives, an exact str."""
    made = text(value)
    assert made == expected
    assert type(made) is str


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).filter(lambda value: isinstance(value, list | dict))
)
def test_nested_values_are_json(value):
    """What is made of values is JSON without spaces, and not confined to ASCII."""
    assert text(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("value", [[object()], {(1, 2): 3}, (1, [range(3)])])
def test_what_json_has_no_form_for_is_refused(value):
    """A nested value that NDJSON would refuse has no text either."""
    with pytest.raises(TypeError, match="form"):
        text(value)


def test_what_holds_itself_ends():
    """A list in itself and an Enum that is its own value raise, and don't hang."""
    inner: list[object] = []
    inner.append(inner)
    with pytest.raises(RecursionError):
        text(inner)

    class Self(enum.Enum):
        A = 1
        value = property(lambda self: self)

    with pytest.raises(RecursionError):
        text(Self.A)


def test_bare_values():
    """A member of an Enum is its value; what is plain already stays the same object."""
    assert bare(Colour.RED) == "red"
    assert bare(Colour.NONE) is None
    for value in ("x", 10**30, Decimal(1)):
        assert bare(value) is value
    thing = Thing()
    assert bare(thing) is thing

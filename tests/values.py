"""Values of all kinds, plain and odd, for the tests of formats that have types.

In: nothing. Out: Hypothesis strategies, classes whose instances are odd, and cuts of a
list of rows. It refuses to know what a format makes of them.
"""

from __future__ import annotations

import enum
from collections import OrderedDict, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from hypothesis import strategies as st

ZONE = timezone(timedelta(hours=2))
MOMENT = datetime(2013, 7, 4, 5, 0, 0, 120, UTC)
NUMBER = UUID("12345678-1234-5678-1234-567812345678")


class Level(enum.IntEnum):
    """An enum that is an int."""

    HIGH = 3


class Colour(str, enum.Enum):  # noqa: UP042 - as it was written before StrEnum
    """An enum that is a str."""

    RED = "red"


class Plain(enum.Enum):
    """An enum of anything."""

    HALF = 0.5
    PAIR = (1, "a")
    DAY = date(2013, 7, 4)
    NOTHING = None


class Right(enum.Flag):
    """A flag."""

    READ = 1
    WRITE = 2


class Text(str):
    """A str that prints as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Whole(int):
    """An int that prints as something else."""

    def __repr__(self) -> str:
        return "something else"


class Real(float):
    """A float that prints as something else."""

    def __repr__(self) -> str:
        return "something else"


class Exact(Decimal):
    """A Decimal of another type."""


class Moment(datetime):
    """A datetime of another type."""


class Day(date):
    """A date of another type."""


class Clock(time):
    """A time of another type."""


class Span(timedelta):
    """A timedelta of another type."""


class Id(UUID):
    """A UUID of another type."""


class Blob(bytes):
    """Bytes of another type."""


class Items(list):
    """A list of another type."""


class Map(dict):
    """A dict of another type."""


Pair = namedtuple("Pair", "left right")  # noqa: PYI024


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: object = None


@dataclass(slots=True)
class Slotted:
    """A dataclass without a dict."""

    a: int
    b: object


class Unknown:
    """Of this class nobody knows anything."""


ODD = [
    Level.HIGH,
    Colour.RED,
    *Plain,
    Right.READ | Right.WRITE,
    Text("text"),
    Whole(7),
    Real(0.5),
    Real("nan"),
    Exact("1.50"),
    Moment(2013, 7, 4, 5, 0, 0, 120, ZONE),
    Moment(2013, 7, 4, 5),
    Day(2013, 7, 4),
    Clock(5, 0, 0, 120),
    Span(days=1, seconds=1),
    Id(int=NUMBER.int),
    Blob(b"\x00\xff"),
    bytearray(b"\x00\xff"),
    memoryview(b"\x00\xff"),
    Items([1, Level.HIGH]),
    Map(a=Text("b")),
    OrderedDict(a=1, b=2),
    MappingProxyType({"a": 1}),
    deque([1, 2]),
    {"a": 1}.keys(),
    frozenset({3}),
    Pair(1, Plain.HALF),
    Point(1, Point(2)),
    Slotted(1, [Slotted(2, None)]),
]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
zones = st.builds(
    timezone, st.integers(-86_399, 86_399).map(lambda n: timedelta(seconds=n))
)
# Years that stay years when a zone is taken off.
moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6).filter(
    lambda value: abs(value) < 10**20
)
scalars = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(),
    Decimal: decimals,
    date: st.dates(),
    datetime: moments,
    time: st.times(),
    timedelta: st.timedeltas(timedelta(days=-(10**8)), timedelta(days=10**8)),
    UUID: st.uuids(),
    bytes: st.binary(max_size=12),
    str: text,
}
single = st.one_of(
    st.none(),
    *scalars.values(),
    st.integers(),
    st.decimals(),
    st.datetimes(timezones=zones | st.timezones()),
    st.timedeltas(),
    st.sampled_from(ODD),
)
keys = st.one_of(
    text,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(timezones=zones),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.binary(max_size=4),
    st.sampled_from([Level.HIGH, Colour.RED, *Plain, Text("k"), Whole(1)]).filter(
        lambda key: key is not Plain.PAIR
    ),
)
anything = st.recursive(
    single,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.sets(st.integers() | text, max_size=3)
        | st.builds(Point, st.integers(), inner)
    ),
    max_leaves=8,
)


def groupings(rows: list[tuple]) -> Iterator[list[list[tuple]]]:
    """Cut *rows* in several ways: whole, one at a time, oddly."""
    yield [rows]
    yield [[row] for row in rows]
    yield [[], rows[:1], [], rows[1:4], rows[4:], []]

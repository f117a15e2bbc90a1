"""Arrow streams: typed, lossless or refused, and read by other people's readers."""

from __future__ import annotations

import io
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.formats.arrow import ArrowEncoder
from flask_sluice.formats.column import Column
from flask_sluice.formats.tables import SAMPLE
from values import (
    MOMENT,
    NUMBER,
    ZONE,
    Colour,
    Exact,
    Items,
    Level,
    Moment,
    Plain,
    Point,
    Text,
    Unknown,
    Whole,
    groupings,
    scalars,
    text,
    zones,
)

AB = [Column("a"), Column("b")]
# Years that stay years in any zone.
FIRST, LAST = datetime(2, 1, 1), datetime(9998, 1, 1)  # noqa: DTZ001
NAIVE = MOMENT.replace(tzinfo=None)


def body(columns: list[Column], batches: list[list[tuple]], **options) -> bytes:
    """Encode a whole body."""
    encoder = ArrowEncoder(columns, **options)
    return b"".join(
        [encoder.begin(), *(encoder.encode(b) for b in batches), encoder.finish()]
    )


def read(stream: bytes) -> pa.Table:
    """Judge: pyarrow's reader, which also validates."""
    table = pa.ipc.open_stream(stream).read_all()
    table.validate(full=True)
    return table


def rows_of(table: pa.Table) -> list[tuple]:
    """Give a table's rows."""
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


UTC_US = pa.timestamp("us", "UTC")
TYPES = [
    (True, pa.bool_(), True),
    (-(2**63), pa.int64(), -(2**63)),
    (0.1, pa.float64(), 0.1),
    (Decimal("1.50"), pa.decimal128(38, 2), Decimal("1.50")),
    (Decimal("1E+3"), pa.decimal128(38, 0), Decimal(1000)),
    (date(2013, 7, 4), pa.date32(), date(2013, 7, 4)),
    (NAIVE, pa.timestamp("us"), NAIVE),
    (MOMENT.astimezone(ZONE), UTC_US, MOMENT),
    (time(5, 0, 1, 2), pa.time64("us"), time(5, 0, 1, 2)),
    (timedelta(-1, 1, 1), pa.duration("us"), timedelta(-1, 1, 1)),
    (NUMBER, pa.string(), str(NUMBER)),
    (Level.HIGH, pa.int64(), 3),
    (Colour.RED, pa.string(), "red"),
    (Plain.DAY, pa.date32(), date(2013, 7, 4)),
    (b"\x00\xff", pa.binary(), b"\x00\xff"),
    (bytearray(b"\xff"), pa.binary(), b"\xff"),
    (memoryview(b"\xff"), pa.binary(), b"\xff"),
    (Text("text"), pa.string(), "text"),
    (Whole(7), pa.int64(), 7),
    (Exact("1.5"), pa.decimal128(38, 1), Decimal("1.5")),
    (Moment(2013, 7, 4, tzinfo=UTC), UTC_US, datetime(2013, 7, 4, tzinfo=UTC)),
    ([1, None, 2], pa.list_(pa.int64()), [1, None, 2]),
    ((1, 0.5), pa.list_(pa.float64()), [1.0, 0.5]),
    (Items([]), pa.list_(pa.string()), []),
    ([Plain.HALF, Level.HIGH], pa.list_(pa.float64()), [0.5, 3.0]),
    (
        {"k": [{"n": NUMBER}], "v": None},
        pa.struct(
            [("k", pa.list_(pa.struct([("n", pa.string())]))), ("v", pa.string())]
        ),
        {"k": [{"n": str(NUMBER)}], "v": None},
    ),
    (
        Point(1, "y"),
        pa.struct([("x", pa.int64()), ("y", pa.string())]),
        {"x": 1, "y": "y"},
    ),
    (None, pa.string(), None),
]


@pytest.mark.parametrize(("value", "wanted", "form"), TYPES, ids=lambda v: str(v)[:20])
def test_each_kind_of_value_has_its_type(value, wanted, form):
    """A column takes the type of its values; what can't be that is refused."""
    table = read(body(AB, [[(None, 0), (value, 1)], [(value, 2)]]))
    assert table.schema.field("a").type == wanted
    assert table.column("a").to_pylist() == [None, form, form]


KINDS = {
    int: pa.int64(),
    bool: pa.bool_(),
    float: pa.float64(),
    str: pa.string(),
    UUID: pa.string(),
    bytes: pa.binary(),
    date: pa.date32(),
    time: pa.time64("us"),
    timedelta: pa.duration("us"),
    datetime: pa.timestamp("us"),
    Decimal: pa.decimal128(38, 9),
    dict: pa.string(),
    Level: pa.string(),
    None: pa.string(),
}


def test_body_without_rows_has_its_columns():
    """Their types are those of their kinds, or text."""
    columns = [Column(f"c{place}", kind) for place, kind in enumerate(KINDS)]
    table = read(body(columns, [[]]))
    assert table.schema.types == list(KINDS.values())
    assert table.num_rows == 0


def test_schema_that_is_known_holds_nothing_back():
    """By the columns' kinds: a row is sent as soon as it is there."""
    encoder = ArrowEncoder([Column("a", int), Column("b", str)])
    stream = encoder.begin() + encoder.encode([(1, "x")])
    assert rows_of(read(stream)) == [(1, "x")]


def test_datetime_needs_one_value():
    """A kind doesn't say whether there is a zone, so the first value does."""
    encoder = ArrowEncoder([Column("a", int), Column("b", datetime)])
    assert encoder.begin() == b""
    assert encoder.encode([(1, None)]) == b""
    stream = encoder.encode([(2, MOMENT)])
    assert pa.ipc.open_stream(stream).schema.field("b").type == UTC_US
    assert rows_of(read(stream + encoder.finish())) == [(1, None), (2, MOMENT)]


@pytest.mark.parametrize("size", [1, 7, SAMPLE + 500])
def test_types_come_from_the_first_rows_together(size):
    """Ints then floats, nulls then text, two scales: none of that is a surprise."""
    rows = [
        (1 if n < 900 else 0.5, None if n < 1000 else "x", Decimal(n).scaleb(-(n % 3)))
        for n in range(SAMPLE + 100)
    ]
    encoder = ArrowEncoder([*AB, Column("c")])
    parts = [encoder.encode(rows[n : n + size]) for n in range(0, len(rows), size)]
    table = read(b"".join(parts) + encoder.finish())
    assert table.schema.types == [pa.float64(), pa.string(), pa.decimal128(38, 2)]
    assert rows_of(table) == rows


@pytest.mark.parametrize("kind", scalars, ids=lambda kind: kind.__name__)
def test_rows_come_back(kind):
    """Whatever the values and the grouping, with the kind said or not."""

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.none() | scalars[kind], text), max_size=7))
    def check(rows):
        wanted = [(str(v) if type(v) is UUID else v, name) for v, name in rows]
        for said in (kind, None):
            for batches in groupings(rows):
                found = rows_of(read(body([Column("a", said), AB[1]], batches)))
                if kind is float:  # because nan isn't equal to itself
                    assert list(map(repr, found)) == list(map(repr, wanted))
                else:
                    assert found == wanted

    check()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.datetimes(FIRST, LAST, timezones=zones)))
def test_moments_come_back_in_utc(moments):
    """A zone is turned into UTC; the moment stays the same."""
    table = read(body([Column("a", datetime)], [[(moment,) for moment in moments]]))
    assert table.column(0).to_pylist() == moments


nested = st.recursive(
    st.none() | st.integers(-9, 9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("xyz"), inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


def pruned(value: object) -> object:
    """Take out the fields that are null: a struct has all of them."""
    if isinstance(value, dict):
        return {k: pruned(v) for k, v in value.items() if v is not None}
    return [pruned(v) for v in value] if isinstance(value, list) else value


@settings(max_examples=80, deadline=None)
@given(st.lists(nested.filter(lambda v: isinstance(v, list | dict)), max_size=4))
def test_nested_values_come_back_or_are_refused(values):
    """Nothing in them is lost without a word."""
    encoder = ArrowEncoder([Column("a")])
    stream, taken = encoder.begin(), []
    for value in values:
        try:
            stream += encoder.encode([(value,)])
        except CellError:
            continue
        taken.append(value)
    found = read(stream + encoder.finish()).column(0).to_pylist()
    assert pruned(found) == pruned(taken)


UNFIT = {
    "int of 20 digits": (1, 10**19, "too large"),
    "float after ints": (1, 0.5, "float doesn't fit"),
    "bool after ints": (1, True, "bool doesn't fit"),
    "int beyond a float": (0.5, 2**53 + 1, "exactly representable"),
    "str after ints": (1, "x", "str doesn't fit"),
    "int after strs": ("x", 1, "int doesn't fit"),
    "datetime after dates": (date(2013, 7, 4), NAIVE, "datetime doesn't fit"),
    "date after datetimes": (NAIVE, date(2013, 7, 4), "date doesn't fit"),
    "zone after none": (NAIVE, MOMENT, "a datetime with a zone"),
    "none after a zone": (MOMENT, NAIVE, "a datetime without a zone"),
    "time with a zone": (time(5), time(5, tzinfo=UTC), "a time with a zone"),
    "too many decimals": (Decimal("0.5"), Decimal("0.55"), "data loss"),
    "too many digits": (Decimal("0.5"), Decimal(10) ** 38, "Rescaling"),
    "nan": (Decimal("0.5"), Decimal("NaN"), "NaN"),
    "infinity": (Decimal("0.5"), Decimal("Infinity"), "Infinity"),
    "huge timedelta": (timedelta(1), timedelta.max, "too large"),
    "lone surrogate": ("x", "\ud800", r"surrogate, U\+D800"),
    "unknown": ("x", Unknown(), "type Unknown has no form"),
    "another key": ({"k": 1}, {"k": 1, "l": 2}, "the key 'l'"),
    "key that isn't text": ({"k": 1}, {1: 1}, "keys aren't str"),
    "empty dict": ({"k": 1}, {}, "empty dict"),
    "list for a dict": ({"k": 1}, [1], "list"),
    "other list": ([1], ["x"], "str doesn't fit"),
    "moment in a list": ([date(2013, 7, 4)], [NAIVE], "datetime doesn't fit"),
}


@pytest.mark.parametrize("is_known", [True, False], ids=["late", "in the sample"])
@pytest.mark.parametrize(("good", "bad", "why"), UNFIT.values(), ids=UNFIT)
def test_what_doesnt_fit_is_refused_by_row_and_column(good, bad, why, is_known):
    """And the encoder is as it was: the other rows can be written."""
    count = SAMPLE if is_known else 3
    widens = {"float after ints", "too many decimals", "another key"}
    if not is_known and next(k for k, v in UNFIT.items() if v[1] is bad) in widens:
        count = SAMPLE  # in the sample, these make the type wider
    encoder = ArrowEncoder(AB)
    stream = encoder.encode([(0, good)] * count)
    for size in (5, 1):
        with pytest.raises(CellError, match=f"{why}|can't hold both") as caught:
            encoder.encode([(0, good)] * (size - 1) + [(0, bad)] + [("x", bad)])
        assert (caught.value.row, caught.value.column) == (count + size, "b")
    stream += encoder.encode([(0, good)])
    assert read(stream + encoder.finish()).num_rows == count + 1


def test_first_bad_row_is_named_whatever_its_column():
    """The row that comes first, not the column."""
    encoder = ArrowEncoder([Column("a", int), Column("b", int)])
    with pytest.raises(CellError, match="Row 2, column 'b'"):
        encoder.encode([(1, 1), (1, "x"), ("x", 1)])


@pytest.mark.parametrize("row", [(), (1,), (1, 2, 3)])
def test_row_of_the_wrong_length_is_refused(row):
    """By its number; no column is at fault."""
    encoder = ArrowEncoder(AB)
    with pytest.raises(CellError, match=f"has {len(row)} values for 2") as caught:
        encoder.encode([(1, 2), row])
    assert (caught.value.row, caught.value.column) == (2, "")


def test_schema_of_the_caller_rules():
    """Narrow types, dictionaries, columns without nulls: what it says is kept."""
    schema = pa.schema(
        [
            pa.field("a", pa.int16(), nullable=False),
            pa.field("b", pa.dictionary(pa.int32(), pa.string())),
        ]
    )
    encoder = ArrowEncoder(AB, schema=schema)
    stream = encoder.begin() + encoder.encode([(1, "x"), (2, Colour.RED), (3, "x")])
    with pytest.raises(CellError, match="Row 5, column 'a'"):
        encoder.encode([(4, "x"), (2**15, "x")])
    with pytest.raises(CellError, match="Row 4, column 'a': a null"):
        encoder.encode([(None, "x")])
    table = read(stream + encoder.finish())
    assert table.schema == schema
    assert rows_of(table) == [(1, "x"), (2, "red"), (3, "x")]


def test_arguments_are_checked():
    """Labels that are there twice, a schema of other columns, no column at all."""
    with pytest.raises(ArgumentError, match="'a'"):
        ArrowEncoder([AB[0], AB[0]])
    with pytest.raises(ArgumentError, match="schema"):
        ArrowEncoder(AB, schema=pa.schema([("a", pa.int64())]))
    with pytest.raises(ArgumentError, match="column"):
        ArrowEncoder([])


def test_columnar_data_passes_through():
    """Tables and record batches bring their schema, unless rows came before."""
    table = pa.table({"a": pa.array([1, 2], pa.int8()), "b": ["x", None]})
    encoder = ArrowEncoder(AB)
    stream = encoder.begin() + encoder.encode_table(table)
    stream += encoder.encode_table(table.to_batches()[0]) + encoder.encode([(3, "y")])
    found = read(stream + encoder.finish())
    assert found.schema == table.schema
    assert rows_of(found) == [*rows_of(table) * 2, (3, "y")]
    encoder = ArrowEncoder(AB)
    stream = encoder.encode([(300, None)]) + encoder.encode_table(table)
    with pytest.raises(CellError, match="Row 4"):
        encoder.encode_table(pa.table({"c": [1]}))
    assert rows_of(read(stream + encoder.finish())) == [(300, None), *rows_of(table)]


ROWS = [(1, "é\n"), (2, None), (3, "")]


def test_polars_and_duckdb_read_it():
    """Two readers that aren't pyarrow's find the rows, and their types."""
    stream = body([Column("a", int), Column("b", str)], [ROWS[:1], ROWS[1:]])
    assert pl.read_ipc_stream(io.BytesIO(stream)).rows() == ROWS
    reader = pa.ipc.open_stream(stream)
    assert duckdb.from_arrow(reader).fetchall() == ROWS


def test_shortened_stream_is_refused_but_at_the_edge_of_a_message():
    """Of a body cut between two batches, only the missing mark tells.

    pyarrow and Polars take that for an end; whoever wants to know looks for the mark.
    """
    encoder = ArrowEncoder([Column("a", int), Column("b", str)])
    parts = [encoder.begin(), *(encoder.encode([row]) for row in ROWS)]
    cut = b"".join(parts)
    end = encoder.finish()
    assert end == b"\xff\xff\xff\xff\x00\x00\x00\x00"
    edges = {sum(map(len, parts[: n + 1])) for n in range(1, len(parts))}
    edges.add(read(cut).schema.serialize().size)
    edges |= {edge + 4 for edge in edges}  # half of a mark, or of a message's length
    for length in range(0, len(cut), 4):
        if length in edges:
            continue
        with pytest.raises((pa.ArrowInvalid, OSError)):
            read(cut[:length])
    assert rows_of(read(cut)) == ROWS
    assert pl.read_ipc_stream(io.BytesIO(cut)).rows() == ROWS


def test_nan_is_not_null():
    """Unlike in JSON: Arrow has both."""
    column = read(body([Column("a")], [[(math.nan,), (None,), (math.inf,)]])).column(0)
    assert column.null_count == 1
    assert math.isnan(column[0].as_py())

"""NDJSON: the same bytes from both writers, read by other people's readers."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import duckdb
import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.formats import jsontext, objects
from flask_sluice.formats import msgspec as by_msgspec
from flask_sluice.formats.column import Column
from flask_sluice.formats.ndjson import NdjsonEncoder
from values import (
    MOMENT,
    NUMBER,
    ZONE,
    Level,
    Pair,
    Plain,
    Point,
    Unknown,
    groupings,
    keys,
    text,
)

WRITERS = {"msgspec": ("msgspec",), "json": ()}
ABC = [Column("a"), Column("b"), Column("c")]


@pytest.fixture(params=WRITERS, autouse=True)
def writer(request, monkeypatch) -> str:
    """Run each test with msgspec, and as if it weren't installed."""
    monkeypatch.setattr(objects, "MODULES", WRITERS[request.param])
    return request.param


def body(columns: list[Column], batches: list[list[tuple]]) -> bytes:
    """Encode a whole body."""
    encoder = NdjsonEncoder(columns)
    return b"".join(
        [encoder.begin(), *(encoder.encode(b) for b in batches), encoder.finish()]
    )


def line(value: object) -> str:
    """Give the text of one value."""
    written = body([Column("v")], [[(value,)]]).decode()
    assert written.startswith('{"v":')
    assert written.endswith("}\n")
    return written[5:-2]


FORMS = [
    (None, "null"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-(10**40), "-1" + 40 * "0"),
    (0.1, "0.1"),
    (1e16, "1e16"),
    (1e-05, "0.00001"),
    (1e-07, "1e-7"),
    (-0.0, "-0.0"),
    (math.nan, "null"),
    (math.inf, "null"),
    (Decimal("1.50"), '"1.50"'),
    (Decimal("NaN"), '"NaN"'),
    (date(2013, 7, 4), '"2013-07-04"'),
    (datetime(2013, 7, 4, 5), '"2013-07-04T05:00:00"'),  # noqa: DTZ001
    (MOMENT, '"2013-07-04T05:00:00.000120Z"'),
    (MOMENT.astimezone(ZONE), '"2013-07-04T07:00:00.000120+02:00"'),
    (time(5, 0, 1), '"05:00:01"'),
    (time(5, tzinfo=UTC), '"05:00:00Z"'),
    (timedelta(days=1, seconds=1), '"P1DT1S"'),
    (timedelta(microseconds=-1500), '"-PT0.0015S"'),
    (timedelta(0), '"P0D"'),
    (NUMBER, '"12345678-1234-5678-1234-567812345678"'),
    (Level.HIGH, "3"),
    (Plain.HALF, "0.5"),
    (Plain.DAY, '"2013-07-04"'),
    (b"\x00\xff", '"AP8="'),
    (bytearray(b"\x00\xff"), '"AP8="'),
    (memoryview(b"\x00\xff"), '"AP8="'),
    ("", '""'),
    ('é"\\\n\x00\x7f\u2028😀', '"é\\"\\\\\\n\\u0000\x7f\u2028😀"'),
    ([1, (2, {3})], "[1,[2,[3]]]"),
    (
        {"a": MOMENT, 1: None, None: 1},
        '{"a":"2013-07-04T05:00:00.000120Z","1":null,"null":1}',
    ),
    (Pair(1, 2), "[1,2]"),
    (Point(1, [Point(2)]), '{"x":1,"y":[{"x":2,"y":null}]}'),
]


@pytest.mark.parametrize(("value", "form"), FORMS, ids=[form for _, form in FORMS])
def test_each_kind_of_value_has_its_form(value, form):
    """A value is written as the documentation says, and is JSON."""
    assert line(value) == form
    json.loads(form)
    msgspec.json.decode(form)


@pytest.mark.parametrize(
    ("seconds", "zone"),
    [(0, "Z"), (30, "Z"), (-31, "-00:01"), (86_399, "Z"), (-3630, "-01:00")],
)
def test_zone_is_rounded_to_minutes(seconds, zone):
    """RFC 3339 has no seconds in a zone."""
    moment = MOMENT.replace(tzinfo=timezone(timedelta(seconds=seconds)))
    assert line(moment) == f'"2013-07-04T05:00:00.000120{zone}"'


@settings(max_examples=100, deadline=None)
@given(keys)
def test_a_key_is_text(key):
    """What isn't text is the text that it has as a value."""
    (found,) = json.loads(line({key: 0}))
    assert found == key if type(key) is str else isinstance(found, str)


simple = st.none() | st.booleans() | st.integers() | text


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(simple, simple, simple), max_size=8))
def test_rows_come_back_and_bytes_dont_depend_on_the_grouping(rows):
    """Whole, one at a time or oddly: json reads the same rows."""
    bodies = {body(ABC, batches) for batches in groupings(rows)}
    assert len(bodies) == 1
    lines = bodies.pop().decode().split("\n")
    assert lines.pop() == ""
    assert [tuple(json.loads(each).values()) for each in lines] == rows


LABELS = ["", "a b", 'q"', "back\\", "new\nline", "ключ", "class", "__x", "f0", "%s"]


def test_any_label_is_a_key():
    """Labels needn't be identifiers, and keep their order."""
    columns = [Column(label) for label in LABELS]
    rows = body(columns, [[tuple(range(len(LABELS)))]])
    assert list(json.loads(rows).items()) == list(zip(LABELS, range(10), strict=True))
    for label in LABELS:
        assert json.loads(body([Column(label)], [[(1,)]])) == {label: 1}


@pytest.mark.parametrize("labels", [["a", "b", "a"], ["a", "\ud800"]])
def test_labels_that_cant_be_keys_are_refused(labels):
    """One that is there twice, or that isn't Unicode."""
    with pytest.raises(ArgumentError, match=r"label|called"):
        NdjsonEncoder([Column(label) for label in labels])


def nest() -> list:
    """Give a list that holds itself."""
    found: list = []
    found.append(found)
    return found


REFUSED = {
    "surrogate": ("a\ud800", r"lone surrogate, U\+D800"),
    "nested surrogate": ([{"k": "\udfff"}], r"lone surrogate, U\+DFFF"),
    "unknown": (Unknown(), "type Unknown has no form"),
    "nested unknown": ({"k": [Unknown()]}, "type Unknown has no form"),
    "tuple as a key": ({(1, 2): 3}, "a tuple as a key"),
    "endless": (nest(), "nested too deeply"),
    "endless int": (10**5000, "limit"),
    "strided": (memoryview(b"abcd")[::2], "contiguous"),
}


@pytest.mark.parametrize(("value", "why"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_form_is_refused_by_row_and_column(value, why):
    """And the encoder is as it was: the other rows can be written."""
    encoder = NdjsonEncoder(ABC)
    first = encoder.encode([(1, 2, 3), (4, 5, 6)])
    with pytest.raises(CellError, match=why) as caught:
        encoder.encode([(7, 8, 9), (10, value, 12), (Unknown(), 0, 0)])
    assert (caught.value.row, caught.value.column) == (4, "b")
    second = encoder.encode([(7, 8, 9)])
    assert first + second == body(ABC, [[(1, 2, 3), (4, 5, 6), (7, 8, 9)]])
    with pytest.raises(CellError, match="Row 4, column 'b'"):
        encoder.encode([(10, value, 12)])


@pytest.mark.parametrize("row", [(), (1, 2), (1, 2, 3, 4)])
@pytest.mark.parametrize("label", ["c", 'q"'])
def test_row_of_the_wrong_length_is_refused(row, label):
    """By its number; no column is at fault."""
    encoder = NdjsonEncoder([*ABC[:2], Column(label)])
    with pytest.raises(CellError, match=f"has {len(row)} values for 3") as caught:
        encoder.encode([(1, 2, 3), row])
    assert (caught.value.row, caught.value.column) == (2, "")


def test_without_msgspec_the_standard_library_writes(monkeypatch):
    """It is used at once where it can be imported, and never asked for otherwise."""
    chosen = objects._factory.__wrapped__
    assert chosen(("msgspec",)) is by_msgspec.Objects
    monkeypatch.delitem(sys.modules, "flask_sluice.formats.msgspec")
    monkeypatch.setitem(sys.modules, "msgspec", None)
    assert chosen(("msgspec",)) is jsontext.Objects


def test_duckdb_and_polars_read_it(tmp_path):
    """Two readers that aren't Python's find the rows, types guessed."""
    rows = [(1, 'é\n"', 0.5), (2, None, 1e-07), (3, "", 1e300)]
    path = tmp_path / "rows.ndjson"
    path.write_bytes(body(ABC, [rows[:1], rows[1:]]))
    found = duckdb.sql(f"from read_json('{path}', format='newline_delimited')")
    assert found.fetchall() == rows
    assert pl.read_ndjson(path).rows() == rows

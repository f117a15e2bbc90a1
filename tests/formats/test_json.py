"""JSON: whole or refused, with anything in the strings."""

from __future__ import annotations

import json

import duckdb
import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.formats import objects
from flask_sluice.formats.column import Column
from flask_sluice.formats.json import JsonEncoder
from flask_sluice.formats.ndjson import NdjsonEncoder
from values import Unknown, anything, groupings, text

WRITERS = {"msgspec": ("msgspec",), "json": ()}
AB = [Column("a"), Column("b")]
ROWS = [(1, "x"), (2, 'é",\n"'), (3, None)]


@pytest.fixture(params=WRITERS, autouse=True)
def writer(request, monkeypatch) -> str:
    """Run each test with msgspec, and as if it weren't installed."""
    monkeypatch.setattr(objects, "MODULES", WRITERS[request.param])
    return request.param


def body(batches: list[list[tuple]], **options: str) -> bytes:
    """Encode a whole body."""
    encoder = JsonEncoder(AB, **options)
    return b"".join(
        [encoder.begin(), *(encoder.encode(b) for b in batches), encoder.finish()]
    )


@pytest.mark.parametrize("batches", [[], [[]], [[], []]])
def test_no_rows_are_an_empty_array(batches):
    """Also where batches came that were empty."""
    assert body(batches) == b"[]"
    assert body(batches, envelope="rows") == b'{"rows":[]}'


def test_rows_are_objects_without_spaces():
    """A comma between two, none at either end."""
    assert body([ROWS[:1], ROWS[2:]]) == b'[{"a":1,"b":"x"},{"a":3,"b":null}]'


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(anything, anything), max_size=6))
def test_it_is_what_ndjson_has_in_brackets(rows):
    """Newlines and commas in strings too, in whatever groups the rows come."""
    encoder = NdjsonEncoder(AB)
    lines = [json.loads(encoder.encode([row])) for row in rows]
    bodies = {body(batches) for batches in groupings(rows)}
    assert len(bodies) == 1
    written = bodies.pop()
    assert json.loads(written) == lines
    assert b"\n" not in written


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(text, text), max_size=6), text)
def test_envelope_is_any_key(rows, key):
    """The array stands under it, in an object with nothing else."""
    found = msgspec.json.decode(body([rows], envelope=key))
    assert found == {key: [dict(zip("ab", row, strict=True)) for row in rows]}


def test_envelope_that_isnt_unicode_is_refused():
    """Before anything is written."""
    with pytest.raises(ArgumentError, match="envelope"):
        JsonEncoder(AB, envelope="\ud800")


@pytest.mark.parametrize("options", [{}, {"envelope": "rows"}], ids=["array", "object"])
def test_shortened_body_is_refused_everywhere(options, tmp_path):
    """No prefix is JSON: not to json, msgspec, DuckDB or Polars."""
    whole = body([ROWS], **options)
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|codec|Invalid"):
            json.loads(whole[:length])
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            msgspec.json.decode(whole[:length])
    path = tmp_path / "rows.json"
    path.write_bytes(whole[: -len(JsonEncoder(AB, **options).finish())])
    with pytest.raises(duckdb.Error):
        duckdb.sql(f"from read_json('{path}')").fetchall()
    with pytest.raises(pl.exceptions.PolarsError):
        pl.read_json(path)


def test_failed_row_leaves_no_trace():
    """The next good one stands as if nothing had been, also where it is the first."""
    encoder = JsonEncoder(AB)
    written = encoder.begin()
    for good in ROWS:
        with pytest.raises(CellError, match="column 'b'"):
            encoder.encode([good, (0, Unknown())])
        written += encoder.encode([good])
    assert written + encoder.finish() == body([ROWS])


def test_labels_are_checked():
    """Two columns of one name are one too many."""
    with pytest.raises(ArgumentError, match="'a'"):
        JsonEncoder([Column("a"), Column("a")])


def test_duckdb_and_polars_read_it(tmp_path):
    """Two readers that aren't Python's find the rows."""
    path = tmp_path / "rows.json"
    path.write_bytes(body([ROWS[:2], ROWS[2:]]))
    assert duckdb.sql(f"from read_json('{path}')").fetchall() == ROWS
    assert pl.read_json(path).rows() == ROWS

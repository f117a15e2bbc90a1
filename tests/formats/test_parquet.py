"""Parquet: row groups that leave early, a footer only at the end of a whole file."""

from __future__ import annotations

import gc
import io
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import ArgumentError, CellError
from flask_sluice.formats import parquet
from flask_sluice.formats.column import Column
from flask_sluice.formats.parquet import ParquetEncoder
from values import MOMENT, NUMBER, Level, Unknown, groupings, scalars, text

AB = [Column("a"), Column("b")]


def body(columns: list[Column], batches: list[list[tuple]], **options) -> bytes:
    """Encode a whole body."""
    encoder = ParquetEncoder(columns, **options)
    return b"".join(
        [encoder.begin(), *(encoder.encode(b) for b in batches), encoder.finish()]
    )


def read(written: bytes) -> pa.Table:
    """Judge: pyarrow's reader, which also validates."""
    table = pq.read_table(io.BytesIO(written))
    table.validate(full=True)
    return table


def rows_of(table: pa.Table) -> list[tuple]:
    """Give a table's rows."""
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


VALUES = {
    True: True,
    2: 2,
    0.5: 0.5,
    Decimal("1.50"): Decimal("1.50"),
    date(2013, 7, 4): date(2013, 7, 4),
    MOMENT.replace(tzinfo=None): MOMENT.replace(tzinfo=None),
    MOMENT: MOMENT,
    time(5, 0, 1): time(5, 0, 1),
    timedelta(-1, 1, 1): timedelta(-1, 1, 1),
    NUMBER: str(NUMBER),
    Level.HIGH: 3,
    b"\x00\xff": b"\x00\xff",
    "é": "é",
    (1, 2): [1, 2],
}


def test_each_kind_of_value_comes_back():
    """In one row, next to nulls."""
    columns = [Column(f"c{place}") for place in range(len(VALUES))]
    rows = [tuple(VALUES), (None,) * len(VALUES)]
    found = rows_of(read(body(columns, [rows])))
    assert found == [tuple(VALUES.values()), rows[1]]


def test_dict_is_a_struct():
    """With a field for each key."""
    found = read(body([Column("a")], [[({"k": 1},), (None,), ({"k": None},)]]))
    assert found.column(0).to_pylist() == [{"k": 1}, None, {"k": None}]


def test_duckdb_and_polars_read_it(tmp_path):
    """Two readers that aren't pyarrow's; DuckDB sees a timedelta as an int."""
    rows = [
        (1, "é\n", None, Decimal("1.50"), MOMENT.replace(tzinfo=None), 0.5, True),
        (2, None, date(2013, 7, 4), None, None, float("inf"), None),
    ]
    path = tmp_path / "rows.parquet"
    path.write_bytes(body([Column(name) for name in "abcdefg"], [rows[:1], rows[1:]]))
    assert duckdb.sql(f"from '{path}'").fetchall() == rows
    assert pl.read_parquet(path).rows() == rows
    path.write_bytes(body(AB, [[(timedelta(seconds=1), NUMBER)]]))
    assert duckdb.sql(f"from '{path}'").fetchall() == [(1_000_000, str(NUMBER))]


@pytest.mark.parametrize("kind", scalars, ids=lambda kind: kind.__name__)
def test_rows_come_back(kind):
    """Whatever the values, the grouping and the size of a row group."""

    @settings(max_examples=10, deadline=None)
    @given(
        st.lists(st.tuples(st.none() | scalars[kind], text), max_size=7),
        st.integers(1, 9),
    )
    def check(rows, size):
        name = kind.__name__
        wanted = [(str(v) if name == "UUID" and v else v, other) for v, other in rows]
        for batches in groupings(rows):
            columns = [Column("a", kind), AB[1]]
            found = rows_of(read(body(columns, batches, row_group_rows=size)))
            if kind is float:  # because nan isn't equal to itself
                assert list(map(repr, found)) == list(map(repr, wanted))
            else:
                assert found == wanted

    check()


@pytest.mark.parametrize("size", [1, 30, 1000, 5000])
def test_row_groups_have_the_size_asked_for(size):
    """However the rows come, and each leaves when it is full."""
    encoder = ParquetEncoder([Column("a", int), Column("b", str)], row_group_rows=1000)
    rows = [(n, f"row {n}") for n in range(2500)]
    parts = [encoder.begin()]
    parts += [encoder.encode(rows[n : n + size]) for n in range(0, len(rows), size)]
    assert parts[0] == b"PAR1"
    assert sum(map(len, parts)) > 2000, "two groups are out before the end"
    assert sum(map(bool, parts)) <= 3, "nothing but whole groups"
    written = b"".join(parts) + encoder.finish()
    found = pq.ParquetFile(io.BytesIO(written)).metadata
    sizes = [found.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert sizes == [1000, 1000, 500]
    assert rows_of(read(written)) == rows


def test_large_rows_end_a_group_sooner(monkeypatch):
    """Memory is bounded by bytes too."""
    monkeypatch.setattr(parquet, "GROUP_BYTES", 100_000)
    encoder = ParquetEncoder([Column("a", bytes)], compression="none")
    parts = [encoder.begin()] + [encoder.encode([(b"x" * 40_000,)]) for _ in range(7)]
    found = pq.ParquetFile(io.BytesIO(b"".join(parts) + encoder.finish())).metadata
    sizes = [found.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert sizes == [3, 3, 1]


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "none"])
def test_compression_is_the_one_asked_for(compression):
    """Written in each column."""
    written = body(AB, [[(1, "x")]], compression=compression)
    group = pq.ParquetFile(io.BytesIO(written)).metadata.row_group(0)
    wanted = {"none": "UNCOMPRESSED"}.get(compression, compression.upper())
    assert {group.column(n).compression for n in range(2)} == {wanted}
    assert rows_of(read(written)) == [(1, "x")]


def test_file_without_rows_has_its_columns(tmp_path):
    """For each reader."""
    columns = [Column("a", int), Column("b"), Column("c", datetime)]
    for batches in ([], [[]]):
        written = body(columns, batches)
        assert read(written).schema.types == [
            pa.int64(),
            pa.string(),
            pa.timestamp("us"),
        ]
        path = tmp_path / "empty.parquet"
        path.write_bytes(written)
        assert duckdb.sql(f"from '{path}'").columns == ["a", "b", "c"]
        assert pl.read_parquet(path).shape == (0, 3)


def test_file_that_wasnt_finished_is_refused_everywhere(tmp_path):
    """It has rows and no footer: pyarrow, DuckDB and Polars all say so."""
    encoder = ParquetEncoder([Column("a", int), Column("b", str)], row_group_rows=10)
    cut = encoder.begin() + encoder.encode([(n, "x") for n in range(25)])
    path = tmp_path / "cut.parquet"
    for written in (cut, (cut + encoder.finish())[:-1]):
        path.write_bytes(written)
        with pytest.raises(pa.ArrowInvalid):
            read(written)
        with pytest.raises(duckdb.Error):
            duckdb.sql(f"from '{path}'").fetchall()
        with pytest.raises(pl.exceptions.PolarsError):
            pl.read_parquet(path)


def test_encoder_that_is_given_up_goes_quietly():
    """Whatever pyarrow writes then, nobody gets it."""
    encoder = ParquetEncoder([Column("a", int)], row_group_rows=2)
    sink = encoder._sink
    assert encoder.begin() + encoder.encode([(n,) for n in range(5)])
    assert sink.take() == b""
    del encoder
    gc.collect()


def test_bad_row_is_named_and_leaves_no_trace():
    """Also when it comes after rows that wait, and in a later row group."""
    encoder = ParquetEncoder(AB, row_group_rows=4)
    written = encoder.begin()
    for n in range(1, 11):
        with pytest.raises(CellError, match=f"Row {n + 1}, column 'b'"):
            encoder.encode([(n, "x"), (n, Unknown())])
        written += encoder.encode([(n, "x")])
    assert rows_of(read(written + encoder.finish())) == [(n, "x") for n in range(1, 11)]


def test_columnar_data_passes_through():
    """Tables of several chunks, and record batches, mixed with rows."""
    table = pa.table({"a": pa.array(range(25), pa.int8()), "b": ["x"] * 25})
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    encoder = ParquetEncoder(AB, row_group_rows=10)
    written = encoder.begin() + encoder.encode_table(chunked)
    written += encoder.encode_table(table.to_batches()[0]) + encoder.encode([(3, "y")])
    found = read(written + encoder.finish())
    assert found.schema.equals(table.schema)
    assert rows_of(found) == [*rows_of(table) * 2, (3, "y")]
    encoder = ParquetEncoder(AB)
    written = encoder.encode([(300, None)]) + encoder.encode_table(table)
    assert rows_of(read(written + encoder.finish())) == [(300, None), *rows_of(table)]


def test_arguments_are_checked():
    """Before anything is written."""
    with pytest.raises(ArgumentError, match="row_group_rows"):
        ParquetEncoder(AB, row_group_rows=0)
    with pytest.raises(ArgumentError, match="'zip'"):
        ParquetEncoder(AB, compression="zip")
    with pytest.raises(ArgumentError, match="'a'"):
        ParquetEncoder([AB[0], AB[0]])

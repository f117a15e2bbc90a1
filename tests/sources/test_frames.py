"""Rows from columnar data: Arrow, pandas, Polars, DuckDB, by one protocol."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from flask_sluice.sources.frames import Frame

COLUMNS = {"a": [1, 2, 3, None], "b": ["x", "y", "", "z"]}
ROWS = [(1, "x"), (2, "y"), (3, ""), (None, "z")]

MAKERS: dict[str, Any] = {
    "table": lambda: pa.table(COLUMNS),
    "reader": lambda: pa.table(COLUMNS).to_reader(max_chunksize=3),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "pandas": lambda: pd.DataFrame(COLUMNS).convert_dtypes(),
    "duckdb": lambda: duckdb.connect().from_arrow(pa.table(COLUMNS)),
}


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_frames(kind: str, limit: int) -> None:
    """Their rows as tuples, in batches of any size, with their names."""
    source = Frame(MAKERS[kind]())
    source.open()
    assert list(source.names) == ["a", "b"]
    rows = []
    while batch := source.take(limit):
        assert len(batch) <= limit
        rows += batch
    assert rows == ROWS
    source.close()


def test_batches_as_they_are() -> None:
    """For formats that are columnar themselves."""
    source = Frame(pa.table(COLUMNS))
    assert source.count == 4
    source.open()
    batches = []
    while (batch := source.take_batch(3)) is not None:
        batches.append(batch)
    assert [batch.num_rows for batch in batches] == [3, 1]
    assert pa.Table.from_batches(batches).to_pydict() == COLUMNS
    source.close()

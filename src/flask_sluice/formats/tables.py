"""Rows as Arrow record batches.

In: batches of tuples. Out: record batches, all of one schema. It refuses to know how
pyarrow makes them; see the module `pyarrow` beside this one.

The schema comes from whoever knows it, column by column: the caller, the columns'
kinds, or else the first `SAMPLE` rows, which are held back until then. (One batch
is too few: its ints may be followed by floats, its nulls by anything.)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, CellError
from .column import Column
from .labels import check
from .plain import refusal
from .pyarrow import (
    REFUSALS,
    array,
    field_array,
    inferred,
    merged,
    record_batch,
    schema_of,
    type_of_kind,
)

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Tabulator"]

SAMPLE = 1024


class Tabulator:
    """Rows in, record batches out.

    :ivar schema: None while it isn't known.
    :ivar rows: how many were taken.
    """

    def __init__(self, columns: Sequence[Column], schema: pa.Schema | None) -> None:
        self._columns = columns
        self._labels = [column.label for column in columns]
        check(self._labels)
        if not columns:
            raise ArgumentError("A table of Arrow or Parquet needs a column.")
        if schema is not None and schema.names != self._labels:
            raise ArgumentError(
                f"The schema has the columns {schema.names}, the rows have"
                f" {self._labels}."
            )
        self._types = [type_of_kind(column.kind) for column in columns]
        self._known = [found is not None for found in self._types]
        self._sample: list[tuple[object, ...]] = []
        self.schema = schema
        self.rows = 0
        if schema is None and all(self._known):
            self._close_schema()

    def take(self, batch: list[tuple[object, ...]]) -> pa.RecordBatch | None:
        """Take rows; give those that are ready, None if none are.

        :raises CellError: a value doesn't fit; nothing of the batch is taken.
        """
        if not batch:
            return None
        columns = self._transposed(batch)
        if self.schema is not None:
            checks = [partial(field_array, field=field) for field in self.schema]
            ready = self._each(columns, checks)
            self.rows += len(batch)
            return record_batch(ready, self.schema)
        self._types = self._each(
            columns, [self._grower(place) for place in range(len(columns))]
        )
        self._known = [
            known or (column.kind is datetime and found is not None)
            for known, column, found in zip(
                self._known, self._columns, self._types, strict=True
            )
        ]
        self._sample += batch
        self.rows += len(batch)
        if all(self._known) or len(self._sample) >= SAMPLE:
            return self.settle()
        return None

    def settle(self) -> pa.RecordBatch | None:
        """Decide what the schema is; give the rows that waited for that."""
        schema = self._close_schema() if self.schema is None else self.schema
        if not self._sample:
            return None
        columns = self._transposed(self._sample)
        self._sample = []
        arrays = [
            array(values, field.type)
            for values, field in zip(columns, schema, strict=True)
        ]
        return record_batch(arrays, schema)

    def adopt(self, batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
        """Take what is columnar already, its schema too if there is none yet.

        :raises CellError: it has other columns.
        """
        if self.schema is None:
            self.schema = batch.schema
        elif batch.schema != self.schema:
            try:
                batch = batch.cast(self.schema)
            except REFUSALS as error:
                raise CellError(self.rows + 1, "", refusal(error)) from error
        self.rows += batch.num_rows
        return batch

    def _close_schema(self) -> pa.Schema:
        kinds = [column.kind for column in self._columns]
        self.schema = schema_of(zip(self._labels, kinds, self._types, strict=True))
        return self.schema

    def _grower(self, place: int) -> Callable[[Sequence[object]], Any]:
        """Give what checks values of a column, and says what its type is with them."""
        before = self._types[place]
        is_known = self._known[place]

        def grown(values: Sequence[object]) -> pa.DataType | None:
            after = before if is_known else merged(before, inferred(values))
            if after is not None:
                # A wider type has to hold what came before, too.
                earlier: Iterable[object] = ()
                if after != before:
                    earlier = (row[place] for row in self._sample)
                array([*earlier, *values], after)
            return after

        return grown

    def _transposed(self, batch: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
        width = len(self._labels)
        if set(map(len, batch)) != {width}:
            number, row = next(
                pair
                for pair in enumerate(batch, self.rows + 1)
                if len(pair[1]) != width
            )
            raise CellError(number, "", f"it has {len(row)} values for {width} columns")
        return list(zip(*batch, strict=True))

    def _each(
        self,
        columns: list[tuple[object, ...]],
        checks: Sequence[Callable[[Sequence[object]], Any]],
    ) -> list[Any]:
        """Put each column through its check; find the first row that fails one."""
        results: list[Any] = []
        culprits: list[tuple[int, str, Exception]] = []
        for label, values, checked in zip(self._labels, columns, checks, strict=True):
            try:
                results.append(checked(values))
            except REFUSALS as error:
                place, refused = _culprit(values, checked, error)
                culprits.append((place, label, refused))
        if culprits:
            place, label, refused = min(culprits, key=lambda found: found[0])
            why = refusal(refused)
            raise CellError(self.rows + 1 + place, label, why) from refused
        return results


def _culprit(
    values: Sequence[object],
    checked: Callable[[Sequence[object]], Any],
    error: Exception,
) -> tuple[int, Exception]:
    """Find the value without which those before it would have passed."""
    errors = {len(values): error}

    def fails(place: int) -> bool:
        try:
            checked(values[: place + 1])
        except REFUSALS as refused:
            errors[place + 1] = refused
            return True
        return False

    place = bisect_left(range(len(values) - 1), True, key=fails)
    return place, errors[place + 1]

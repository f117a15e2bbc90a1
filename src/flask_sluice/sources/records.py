"""Rows from an iterable of records, sync or async.

In: anything that yields records. Out: a source. The first record is looked at in
`open`, because it says what the columns are.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from itertools import chain, islice
from typing import Any

from .shape import Shape, shape_of
from .source import Names, Row

__all__ = ["AsyncRecords", "Records"]


class _Shaped:
    """What both have: the shape, and how many rows were given."""

    def __init__(self, names: Names | None) -> None:
        self._given = names
        self._shape: Shape | None = None
        self._taken = 0

    @property
    def names(self) -> Names:
        """The columns' names."""
        return (self._given or ()) if self._shape is None else self._shape.names

    @property
    def kinds(self) -> list[type | None]:
        """Nothing is known before all rows were seen."""
        return [None] * len(self.names)

    def cancel(self) -> None:
        """Do nothing: whoever makes the records asks `client_gone()` himself."""

    def _tuples(self, batch: list[Any]) -> list[Row]:
        if self._shape is None:
            if not batch:
                return []
            self._shape = shape_of(batch[0], self._given)
        rows = self._shape.tuples(batch, self._taken)
        self._taken += len(rows)
        return rows


class Records(_Shaped):
    """Rows from an iterable.

    :param names: what plain tuples' values are called.
    """

    def __init__(self, records: Iterable[Any], names: Names | None = None) -> None:
        super().__init__(names)
        self._records = records
        self._iterator: Iterator[Any] = iter(())

    @property
    def count(self) -> int | None:
        """The length of a list; None for a generator."""
        return len(self._records) if isinstance(self._records, Sized) else None

    def open(self) -> None:
        """Look at the first record."""
        self._iterator = iter(self._records)
        for first in self._iterator:
            self._shape = shape_of(first, self._given)
            self._iterator = chain([first], self._iterator)
            break

    def take(self, limit: int) -> list[Row]:
        """Give the next rows."""
        return self._tuples(list(islice(self._iterator, limit)))

    def close(self) -> None:
        """Close a generator."""
        close = getattr(self._records, "close", None)
        if close is not None:
            close()


class AsyncRecords(_Shaped):
    """Rows from an async iterable."""

    count = None

    def __init__(self, records: AsyncIterable[Any], names: Names | None = None) -> None:
        super().__init__(names)
        self._records = records
        self._iterator: AsyncIterator[Any] | None = None
        self._first: list[Any] = []

    async def open(self) -> None:
        """Look at the first record."""
        self._iterator = aiter(self._records)
        async for first in self._iterator:
            self._first = [first]
            self._shape = shape_of(first, self._given)
            break

    async def take(self, limit: int) -> list[Row]:
        """Give the next rows."""
        batch, self._first = self._first, []
        assert self._iterator is not None
        if len(batch) < limit:
            async for record in self._iterator:
                batch.append(record)
                if len(batch) >= limit:
                    break
        return self._tuples(batch)

    async def close(self) -> None:
        """Close an async generator."""
        close = getattr(self._records, "aclose", None)
        if close is not None:
            result = close()
            if inspect.isawaitable(result):
                await result

"""Which columns are sent, in which order, under which labels, in which form.

In: what a view says of its columns, and the names that a source has. Out: heads for an
encoder, and a function that makes the encoder's rows of the source's. Where nothing is
to be done, nothing is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeAlias

from ..errors import ArgumentError, CellError
from ..formats.column import Column as Head

__all__ = ["Column", "Columns", "Layout", "columns_of"]

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an export.

    :param name: what the source calls it.
    :param label: what stands above it; None: the name.
    :param format: makes the value that is sent of the source's; None: as it is.
    :param kind: the type of its values, for formats that have types; None: what the
        source says, or the first rows show.
    """

    name: str
    label: str | None = None
    format: Callable[[Any], Any] | None = None
    kind: type | None = None


Columns: TypeAlias = Mapping[str, str] | Iterable[str | tuple[str, str] | Column]


def columns_of(given: Columns | None) -> list[Column] | None:
    """Read what a view says: names, pairs of name and label, or `Column`s.

    :raises ArgumentError: something else, none at all, or the same column twice.
    """
    if given is None:
        return None
    if isinstance(given, str):
        raise ArgumentError("columns is a string: write a list of names.")
    items: Iterable[Any] = given.items() if isinstance(given, Mapping) else given
    made = [_column(item) for item in items]
    if not made:
        raise ArgumentError("columns is empty: leave it out to send all of them.")
    labels = [column.label or column.name for column in made]
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise ArgumentError(f"Several columns have one label: {sorted(twice)}.")
    return made


def _column(item: Any) -> Column:
    if isinstance(item, Column):
        return item
    if isinstance(item, str):
        return Column(item)
    if isinstance(item, tuple) and len(item) == 2 and all(type(i) is str for i in item):
        return Column(*item)
    raise ArgumentError(
        f"columns has {item!r}: expected are names, (name, label), and Column(...)."
    )


class Layout:
    """How a source's rows become the encoder's.

    :param wanted: the columns to send; None for all.
    :param names: what the source has.
    :raises ArgumentError: a column that the source hasn't.
    """

    def __init__(
        self,
        wanted: Sequence[Column] | None,
        names: Sequence[str],
        kinds: Sequence[type | None],
    ) -> None:
        columns = [Column(name) for name in names] if wanted is None else wanted
        places = {name: place for place, name in reversed(list(enumerate(names)))}
        unknown = [column.name for column in columns if column.name not in places]
        if unknown and names:
            raise ArgumentError(
                f"The rows have no column {unknown[0]!r}, but {', '.join(names)}."
            )
        # A source without a row may know no names: then the view's are all there are.
        self.indexes = [places.get(c.name, n) for n, c in enumerate(columns)]
        if wanted is None:
            self.indexes = list(range(len(names)))
        self.heads = [
            Head(
                column.label or column.name,
                column.kind
                or (kinds[i] if i < len(kinds) and column.format is None else None),
            )
            for column, i in zip(columns, self.indexes, strict=True)
        ]
        self.is_as_it_is = self.indexes == list(range(len(names)))
        self._formats = [
            (place, column.format)
            for place, column in enumerate(columns)
            if column.format is not None
        ]

    @property
    def has_formats(self) -> bool:
        """Whether any value is changed."""
        return bool(self._formats)

    def rows(self, rows: list[Row], before: int) -> list[Row]:
        """Make the encoder's rows.

        :param before: how many rows came before these.
        :raises CellError: a column's format raised.
        """
        if not self.is_as_it_is:
            rows = self._chosen(rows)
        if self._formats:
            rows = [self._formatted(row, before + n) for n, row in enumerate(rows, 1)]
        return rows

    def _chosen(self, rows: list[Row]) -> list[Row]:
        if len(self.indexes) == 1:
            (index,) = self.indexes
            return [(row[index],) for row in rows]
        return list(map(itemgetter(*self.indexes), rows))

    def _formatted(self, row: Row, number: int) -> Row:
        values = list(row)
        for place, change in self._formats:
            try:
                values[place] = change(values[place])
            except Exception as error:
                label = self.heads[place].label
                raise CellError(
                    number, label, f"its format raised {type(error).__name__}: {error}"
                ) from error
        return tuple(values)

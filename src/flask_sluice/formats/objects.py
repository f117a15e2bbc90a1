"""Rows as JSON objects, one a line: what NDJSON and JSON arrays are made of.

In: batches of tuples. Out: lines of UTF-8, the same bytes from msgspec where it is
installed and from the standard library where it isn't. It refuses to know what
stands around the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Protocol

from ..errors import CellError
from .column import Column
from .jsontext import Objects as TextObjects
from .labels import check
from .plain import REFUSALS, refusal

__all__ = ["ObjectLines"]


class Objects(Protocol):
    """Who writes the objects."""

    def lines(self, batch: list[tuple[object, ...]], /) -> bytes:
        """Write the rows of *batch*, each with a newline after it."""

    def try_one(self, value: object, /) -> None:
        """Raise what writing *value* raises."""


# Modules that can do it, best first; each holds an `Objects`.
MODULES: tuple[str, ...] = ("msgspec",)


@cache
def _factory(modules: tuple[str, ...]) -> Callable[[Sequence[str]], Objects]:
    for module in modules:
        try:
            objects: Callable[[Sequence[str]], Objects] = import_module(
                f".{module}", __package__
            ).Objects
        except ImportError:
            continue
        return objects
    return TextObjects


class ObjectLines:
    """The rows of one body as lines.

    :ivar rows: how many were taken.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._labels = [column.label for column in columns]
        check(self._labels)
        self._objects = _factory(MODULES)(self._labels)
        self.rows = 0

    def encode(self, batch: list[tuple[object, ...]]) -> bytes:
        """Give the lines of *batch*.

        :raises CellError: a value has no form in JSON; nothing of the batch is taken.
        """
        try:
            lines = self._objects.lines(batch)
        except REFUSALS as error:
            # Only now is it worth looking at each value by itself.
            raise self._culprit(batch, error) from error
        self.rows += len(batch)
        return lines

    def _culprit(self, batch: list[tuple[object, ...]], error: Exception) -> Exception:
        for number, row in enumerate(batch, self.rows + 1):
            if len(row) != len(self._labels):
                why = f"it has {len(row)} values for {len(self._labels)} columns"
                return CellError(number, "", why)
            for label, value in zip(self._labels, row, strict=True):
                try:
                    self._objects.try_one(value)
                except REFUSALS as refused:
                    return CellError(number, label, refusal(refused))
        return error

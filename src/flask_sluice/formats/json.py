"""JSON: one array of objects, or an object around it.

In: batches of tuples. Out: UTF-8 without any space, that is JSON only when `finish`
was called: a failed body lacks its closing bracket, so each parser refuses it. It
refuses to know how values are written; see `jsontext`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ArgumentError
from .column import Column
from .jsontext import text
from .objects import ObjectLines

__all__ = ["JsonEncoder"]


class JsonEncoder:
    """Encode rows for one body.

    :param columns: what the objects' keys are; no two may have the same label.
    :param envelope: a key: the body is an object that has the array under it. An
        array at the top if it is None.
    :raises ArgumentError: a label is there twice, or has no form in UTF-8.
    """

    def __init__(
        self, columns: Sequence[Column], *, envelope: str | None = None
    ) -> None:
        self._lines = ObjectLines(columns)
        self._begin, self._finish = b"[", b"]"
        if envelope is not None:
            try:
                key = text(str(envelope)).encode()
            except UnicodeEncodeError:
                raise ArgumentError(
                    f"The envelope {envelope!r} has no form in UTF-8."
                ) from None
            self._begin, self._finish = b"{" + key + b":[", b"]}"

    def begin(self) -> bytes:
        """Give what stands before the first row."""
        return self._begin

    def encode(self, batch: list[tuple[object, ...]]) -> bytes:
        """Give the objects of *batch*, with a comma before all but the very first.

        :raises CellError: a value has no form in JSON; nothing of the batch is taken.
        """
        is_first = not self._lines.rows
        lines = self._lines.encode(batch)
        # A newline inside a string is written as \n, so each byte 0x0A here ends an
        # object, and this is exact; the last one has nothing after it yet.
        objects = lines[:-1].replace(b"\n", b",")
        return objects if is_first or not objects else b"," + objects

    def finish(self) -> bytes:
        """Give what ends a whole body."""
        return self._finish

"""JSON by the `msgspec` package, some twenty times as quick: `flask-sluice[json]`.

In and out: as in `jsontext`, which is this one's twin. It refuses to know odd values,
which `plain` turns for both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import starmap
from typing import Any

import msgspec

from .plain import plain

__all__ = ["Objects"]


class Objects:
    """Rows as objects, one a line.

    A struct made of a row's tuple is what msgspec writes quickest: its keys are known,
    and it is neither a dict nor tracked by the garbage collector.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        encoder = msgspec.json.Encoder(enc_hook=_turned, decimal_format="string")
        self._write = encoder.encode_lines
        self._write_one = encoder.encode
        self._labels = tuple(labels)
        self._row: type[msgspec.Struct] | None = None
        # Labels needn't be identifiers, so the fields have names of their own. A key
        # that JSON escapes can't be a struct's: then rows go as dicts, at a third of
        # the speed.
        names = [f"f{position}" for position in range(len(labels))]
        if all(encoder.encode(label) == f'"{label}"'.encode() for label in labels):
            self._row = msgspec.defstruct(
                "Row",
                [(name, object) for name in names],
                rename=dict(zip(names, labels, strict=True)),
                gc=False,
            )

    def lines(self, batch: Iterable[tuple[object, ...]]) -> bytes:
        """Write the rows of *batch*. A row of the wrong length raises."""
        if self._row is not None:
            return self._write(list(starmap(self._row, batch)))
        labels = self._labels
        return self._write([dict(zip(labels, row, strict=True)) for row in batch])

    def try_one(self, value: object) -> None:
        """Raise what writing *value* raises."""
        self._write_one(value)


def _turned(value: object) -> object:
    """Turn what msgspec doesn't know.

    As values it knows all that is in this table, so these were keys of a dict.
    """
    kind = type(value)
    if kind in _KEYS:
        return _KEYS[kind](value)
    return plain(value)


def _no_key(value: object) -> str:
    kind = type(value).__name__
    raise TypeError(f"a dict with a {kind} as a key has no form in JSON")


_KEYS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: {True: "true", False: "false"}.__getitem__,
    list: _no_key,
    tuple: _no_key,
    set: _no_key,
    frozenset: _no_key,
    dict: _no_key,
}

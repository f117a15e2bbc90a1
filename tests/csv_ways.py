"""The two ways to make lines of CSV, for tests that hold for both.

In: the name of a way. Out: a `CsvEncoder` that goes it. It refuses to prefer one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_sluice.formats import _rows
from flask_sluice.formats.column import Column
from flask_sluice.formats.csv import CsvEncoder

try:
    from flask_sluice.formats import _speedups
except ImportError:
    _speedups = None

needs_compiled = pytest.mark.skipif(
    _speedups is None,
    reason="needs the compiled encoder (install anew where there is a C compiler)",
)

both_ways = pytest.mark.parametrize(
    "way", ["python", pytest.param("compiled", marks=needs_compiled)]
)


def encode_rows(way: str) -> Callable[..., bytes]:
    """Give the function that makes the lines."""
    return _rows.encode if way == "python" else _speedups.encode


def encoder(way: str, labels: str | list[str] | int, **options: Any) -> CsvEncoder:
    """Make an encoder for columns with these labels, or for so many."""
    if isinstance(labels, int):
        labels = [f"c{number}" for number in range(labels)]

    class Encoder(CsvEncoder):
        _encode_rows = staticmethod(encode_rows(way))

    return Encoder([Column(label) for label in labels], **options)


def one_cell(way: str, value: object, **options: Any) -> str:
    """Give how one value stands in a file, beside another that never matters."""
    line = encoder(way, 2, **options).encode([(value, None)])
    return line.decode().removesuffix("\r\n").removesuffix(",")

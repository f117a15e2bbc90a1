"""The formats that rows may be sent in, as a table, and which file name means which.

In: a name such as "csv", or a file's name. Out: a `Format`, whose encoder is imported
when it is wanted. It refuses to know requests: who asks decides what comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from ..errors import ArgumentError, MissingExtraError
from ..wire.compress import deflater

__all__ = ["FORMATS", "OPTIONS", "PACKINGS", "Format", "of_filename"]


class Format(NamedTuple):
    """One format.

    :ivar name: as in `?format=`, and the suffix of its files.
    :ivar mimetype: as in `Accept` and `Content-Type`.
    :ivar module: where its encoder is.
    :ivar encoder: the encoder's name there.
    :ivar options: keyword arguments of the encoder that a view may give.
    :ivar fixed: those that the format gives.
    :ivar extra: what to install for it, if anything.
    """

    name: str
    mimetype: str
    module: str
    encoder: str
    options: frozenset[str]
    fixed: dict[str, Any] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    extra: str | None = None

    def load(self) -> Callable[..., Any]:
        """Import the encoder.

        :raises MissingExtraError: a package for it isn't installed.
        """
        try:
            module = import_module(f".{self.module}", "flask_sluice.formats")
        except ImportError as error:
            if self.extra is None:
                raise
            raise MissingExtraError(f"The format {self.name}", self.extra) from error
        made: Callable[..., Any] = getattr(module, self.encoder)
        return partial(made, deflate=deflater()) if self.name == "xlsx" else made


_CSV = frozenset({"header", "null", "bom", "decimal", "guard", "quoting", "line_end"})

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("csv", "text/csv", "csv", "CsvEncoder", _CSV | {"delimiter"}),
        Format(
            "tsv",
            "text/tab-separated-values",
            "csv",
            "CsvEncoder",
            _CSV,
            {"delimiter": "\t"},
        ),
        Format(
            "ndjson", "application/x-ndjson", "ndjson", "NdjsonEncoder", frozenset()
        ),
        Format(
            "json", "application/json", "json", "JsonEncoder", frozenset({"envelope"})
        ),
        Format(
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
            "XlsxEncoder",
            frozenset({"sheet", "header"}),
        ),
        Format(
            "arrow",
            "application/vnd.apache.arrow.stream",
            "arrow",
            "ArrowEncoder",
            frozenset({"schema"}),
            extra="arrow",
        ),
        Format(
            "parquet",
            "application/vnd.apache.parquet",
            "parquet",
            "ParquetEncoder",
            frozenset({"schema", "row_group_rows"}),
            extra="arrow",
        ),
    )
}

OPTIONS = frozenset().union(*(each.options for each in FORMATS.values()))
"""All options there are. One that the chosen format hasn't is left out."""

# A file's second suffix → its content coding, and the type that it has then.
PACKINGS: dict[str, tuple[str, str]] = {
    "gz": ("gzip", "application/gzip"),
    "zst": ("zstd", "application/zstd"),
}

# Packed by themselves: nothing would be gained.
_PACKED = frozenset({"xlsx", "parquet"})


def of_filename(filename: str) -> tuple[str | None, str | None]:
    """Give the format and the packing that *filename* ends with, None for none.

    :raises ArgumentError: a packing of what is packed by itself.
    """
    stem, _, last = filename.lower().rpartition(".")
    if last in PACKINGS and stem:
        _, _, inner = stem.rpartition(".")
        if inner in _PACKED:
            raise ArgumentError(
                f"{filename!r}: {inner} files are compressed by themselves."
            )
        return (inner if inner in FORMATS else None), last
    return (last if stem and last in FORMATS else None), None

"""The table of formats, and what a file's name says."""

from __future__ import annotations

import pytest

from flask_sluice.errors import ArgumentError
from flask_sluice.exports.catalogue import FORMATS, OPTIONS, of_filename
from flask_sluice.formats.column import Column


@pytest.mark.parametrize(
    ("filename", "found"),
    [
        ("flights.csv", ("csv", None)),
        ("Flights.2013.TSV", ("tsv", None)),
        ("a.ndjson.zst", ("ndjson", "zst")),
        ("a.csv.gz", ("csv", "gz")),
        ("a.gz", (None, "gz")),
        ("flights", (None, None)),
        (".csv", (None, None)),
        ("a.csvx", (None, None)),
        ("a.parquet", ("parquet", None)),
    ],
)
def test_filenames(filename: str, found: tuple[str | None, str | None]) -> None:
    """A suffix is a format, a second one a packing; others say nothing."""
    assert of_filename(filename) == found


@pytest.mark.parametrize("filename", ["a.xlsx.gz", "a.parquet.zst"])
def test_nothing_is_packed_twice(filename: str) -> None:
    """What is compressed by itself isn't compressed again."""
    with pytest.raises(ArgumentError, match="compressed by themselves"):
        of_filename(filename)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_makes_an_empty_and_a_small_file(name: str) -> None:
    """Its encoder is where the table says, and takes the options that it says."""
    made = FORMATS[name].load()
    encoder = made([Column("a", int)], **FORMATS[name].fixed)
    whole = encoder.begin() + encoder.encode([(1,)]) + encoder.finish()
    assert whole
    empty = made([Column("a", int)], **FORMATS[name].fixed)
    assert empty.begin() + empty.encode([]) + empty.finish() or name == "ndjson"
    assert FORMATS[name].options <= OPTIONS

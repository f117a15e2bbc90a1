"""From rows to pieces of a file: early, in growing batches, whole or not at all."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import zstandard

from flask_sluice.errors import CellError, ExportTooLargeError
from flask_sluice.exports.columns import Column
from flask_sluice.exports.export import FIRST, MOST, Export, Packing
from flask_sluice.exports.tally import Tally
from flask_sluice.formats.ndjson import NdjsonEncoder
from flask_sluice.sources.records import AsyncRecords, Records


class Noted:
    """An encoder of lines that notes its batches, and refuses what is negative."""

    def __init__(self, columns: Any) -> None:
        self.sizes: list[int] = []

    def begin(self) -> bytes:
        return b"<"

    def encode(self, batch: list[Any]) -> bytes:
        for number, row in enumerate(batch, 1):
            if row[0] < 0:
                raise CellError(number, "n", "it is negative")
        self.sizes.append(len(batch))
        return b"".join(b"%-99d\n" % row[0] for row in batch)

    def finish(self) -> bytes:
        return b">"


def exported(
    rows: Any,
    make: Callable[[Any], Any] = Noted,
    *,
    wanted: list[Column] | None = None,
    coding: str | None = None,
    max_bytes: int | None = None,
    **options: Any,
) -> tuple[Iterator[bytes], Tally, list[Any]]:
    """Give the chunks, the tally, and the encoders that were made."""
    tally = Tally()
    made: list[Any] = []

    def keep(columns: Any) -> Any:
        made.append(make(columns))
        return made[-1]

    packing = Packing(coding, tally, max_bytes)
    export = Export(keep, wanted, tally, packing, **options)
    return export.chunks(Records(rows, ("n",))), tally, made


def test_batches_grow_to_64_kib() -> None:
    """A few rows first, then what makes a chunk."""
    chunks, tally, made = exported((n,) for n in range(5000))
    data = list(chunks)
    sizes = made[0].sizes
    assert sizes[0] == FIRST
    assert sizes[:4] == [16, 64, 256, 655]
    assert max(map(len, data)) <= 64 * 1024 + 1
    assert (tally.rows, tally.bytes) == (5000, 5000 * 100 + 2)
    whole = b"".join(data)
    assert whole.startswith(b"<0 ")
    assert whole.endswith(b"\n>")


def test_an_encoder_that_says_little_gets_large_batches() -> None:
    """But no larger ones than a bound."""

    class Silent(Noted):
        def encode(self, batch: list[Any]) -> bytes:
            self.sizes.append(len(batch))
            return b""

    chunks, _, made = exported(((n,) for n in range(40_000)), Silent)
    assert b"".join(chunks) == b"<>"
    assert max(made[0].sizes) == MOST


def test_no_rows() -> None:
    """Begin and end, and the names that were given."""
    chunks, tally, _ = exported([])
    assert b"".join(chunks) == b"<>"
    assert (tally.rows, tally.total) == (0, 0)


def test_a_failure_has_no_end() -> None:
    """What was made before it is there; the source is closed."""
    closed = []

    def rows() -> Iterator[Any]:
        try:
            yield from ((n,) for n in range(100))
            raise ValueError("lost")
        finally:
            closed.append(True)

    chunks, tally, _ = exported(rows())
    seen = [next(chunks), next(chunks)]
    with pytest.raises(ValueError, match="lost"):
        next(chunks)
    assert not b"".join(seen).endswith(b">")
    assert closed == [True]
    assert tally.rows == FIRST + 64


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_packed_files(coding: str) -> None:
    """A compressed file, whose digest is the file's, and not that of what is in it."""
    chunks, tally, _ = exported(
        [{"n": n} for n in range(1000)], NdjsonEncoder, coding=coding
    )
    data = b"".join(chunks)
    unpack = gzip.decompress if coding == "gzip" else _unzstd
    lines = unpack(data).splitlines()
    assert [json.loads(line)["n"] for line in lines] == list(range(1000))
    tally.end("complete")
    report = tally.report()
    assert report["sha256"] == hashlib.sha256(data).hexdigest()
    assert report["bytes"] == len(data)


def _unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


def test_rows_that_can_not_be_sent() -> None:
    """They fail the export, or are left out and counted."""
    rows = [(n if n % 10 else -1,) for n in range(1, 101)]
    chunks, _, _ = exported(rows)
    with pytest.raises(CellError, match="Row 10, column 'n'"):
        list(chunks)
    chunks, tally, _ = exported(rows, skip=True)
    assert b"-1" not in b"".join(chunks)
    assert (tally.rows, tally.skipped) == (90, 10)


@pytest.mark.parametrize(
    ("count", "limit", "fails"), [(100, 100, False), (101, 100, True), (0, 0, False)]
)
@pytest.mark.parametrize("known", [True, False])
def test_limit_of_rows(count: int, limit: int, fails: bool, known: bool) -> None:
    """All of them or an error; before the first byte where their number is known."""
    rows: Any = [(n,) for n in range(count)]
    chunks, tally, _ = exported(rows if known else iter(rows), max_rows=limit)
    if fails:
        with pytest.raises(ExportTooLargeError, match="100 rows"):
            list(chunks)
        assert tally.rows == 0 or not known
    else:
        list(chunks)
        assert tally.rows == count


def test_limit_of_bytes() -> None:
    """What is more is an error, and no shorter file."""
    chunks, tally, _ = exported([(n,) for n in range(100)], max_bytes=10_002)
    list(chunks)
    assert tally.bytes == 10_002
    chunks, _, _ = exported([(n,) for n in range(100)], max_bytes=10_001)
    with pytest.raises(ExportTooLargeError, match="10,001 bytes"):
        list(chunks)


def test_columns_are_chosen_for_the_encoder() -> None:
    """Before it sees a row."""
    chunks, _, _ = exported(
        [{"a": 1, "b": 2}], NdjsonEncoder, wanted=[Column("b", "B", format=str)]
    )
    assert b"".join(chunks) == b'{"B":"2"}\n'


def test_async_rows() -> None:
    """The same file."""

    async def rows() -> AsyncIterator[Any]:
        for n in range(1000):
            yield (n,)

    async def main() -> bytes:
        tally = Tally()
        export = Export(Noted, None, tally, Packing(None, tally, None))
        source = AsyncRecords(rows())
        return b"".join([chunk async for chunk in export.async_chunks(source)])

    chunks, _, _ = exported([(n,) for n in range(1000)])
    assert asyncio.run(main()) == b"".join(chunks)


def test_progress_is_told_now_and_then() -> None:
    """At first, not with every chunk, and in the end."""
    told: list[int] = []
    tally = Tally(10, lambda tally: told.append(tally.rows))
    tally.begin()
    for _ in range(10):
        tally.count(1, b"x")
    assert told == [0]
    assert tally.report()["status"] == "running"
    assert tally.report()["sha256"] is None
    tally.end("complete")
    tally.end("failed")
    assert told == [0, 10]
    assert tally.report()["status"] == "complete"
    assert tally.report()["total"] == 10

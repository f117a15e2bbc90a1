"""What the server leaves of the speed of the encoder and of `COPY`; compression.

The road from rows in memory to a client, and from SQLite, each beside the same work in
this process without a server. All on one core. `COPY` is a matter of wall time between
three processes, so there the scheduler has both cores.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from flask_sluice.exports.export import Export, Packing
from flask_sluice.exports.tally import Tally
from flask_sluice.formats.csv import CsvEncoder
from flask_sluice.sources.records import Records
from flask_sluice.wire.compress import compressor

from ..report import Goal, Samples, Table
from ..rounds import by_round, interleave
from ..scale import KB, MB, Scale
from ..servers import Server, one_core
from . import encoders
from .contenders import check, check_csv, fetch, ours
from .data import COLUMNS, ROWS, SQL, Data, Row, expected, rows

SHARE_GOAL = 0.8
COPY_GOAL = 0.8
IN_MEMORY = 20_000
CODINGS = ("zstd", "gzip")
ALONE = "memory, the encoder alone"
READ = "SQLite, read and encoded in process"


def _per_second(count: int, work: Callable[[], object]) -> float:
    begin = time.perf_counter_ns()
    work()
    return count / (time.perf_counter_ns() - begin) * 1e9


def _encode(found: encoders.Batches, times: int) -> None:
    encode = CsvEncoder(encoders.COLUMNS_OF).encode
    for _ in range(times):
        for batch in found:
            encode(batch)


def _export(found: list[Row]) -> None:
    tally = Tally()
    packing = Packing(None, tally, None)
    export = Export(CsvEncoder, None, tally, packing)
    for _ in export.chunks(Records(found, tuple(COLUMNS))):
        pass


def _read_and_encode(path: Path, count: int) -> None:
    encode = CsvEncoder(encoders.COLUMNS_OF).encode
    with closing(sqlite3.connect(path)) as db:
        cursor = db.execute(f"{SQL} LIMIT {count}")
        while batch := cursor.fetchmany(encoders.BATCH):
            encode(batch)


def _wire(server: Server, path: str, count: int, size: int, coding: str = "") -> float:
    body = fetch(server, path, size, coding)
    return float(count / body["total_ns"] * 1e9)


def share(data: Data, scale: Scale) -> tuple[Table, list[Goal]]:
    """Rows a second in process and on the wire, compressed too."""
    count, fewer = scale.export_memory_rows, scale.export_rows
    times = count // IN_MEMORY
    kept = rows(data, "sqlite", IN_MEMORY)
    found = encoders.batches(kept)
    once, _ = expected(data, "sqlite", IN_MEMORY)
    header = len(",".join(COLUMNS)) + 2
    whole = (once - header) * times + header
    flights, _ = expected(data, "sqlite", fewer)
    with ours(data) as server, one_core(server):
        check_csv(server, data, "sqlite", fewer)
        memory, sqlite = f"/memory.csv?rows={count}", f"/sqlite.csv?rows={fewer}"
        turns: dict[str, Callable[[], float]] = {
            ALONE: partial(_per_second, count, partial(_encode, found, times)),
            "memory, the export in process": partial(
                _per_second, count, partial(_export, kept * times)
            ),
            "memory, on the wire": partial(_wire, server, memory, count, whole),
            READ: partial(
                _per_second, fewer, partial(_read_and_encode, data.sqlite, fewer)
            ),
            "SQLite, on the wire": partial(_wire, server, sqlite, fewer, flights),
        }
        for coding in CODINGS:
            name = f"SQLite, on the wire, {coding}"
            turns[name] = partial(_wire, server, sqlite, fewer, 0, coding)
        results = interleave(scale.export_rounds, turns)
    rate = {name: by_round(rates, float) for name, rates in results.items()}
    table = Table(
        "CSV, the extension alone, rows from memory and from SQLite:",
        ["", "rows/s", "MB/s before compression", "to its first line"],
    )
    width = flights / fewer
    for name, rates in rate.items():
        base = rate[ALONE if name.startswith("memory") else READ]
        shown = rates.over(base).show(2)
        speed = Samples(each * width / MB for each in rates)
        table.rows.append((name, rates.show(), speed.show(), shown))
    goals = []
    for source, base in (("memory", ALONE), ("SQLite", READ)):
        left = rate[f"{source}, on the wire"].over(rate[base])
        promise = f"CSV on the wire: at least {SHARE_GOAL} of {base}"
        goals.append(Goal(promise, left.show(2), left.median >= SHARE_GOAL))
    return table, goals


def _compress(coding: str, pieces: list[bytes]) -> None:
    codec = compressor(coding)
    for piece in pieces:
        codec.compress(piece)
    codec.finish()


def compressing(data: Data, scale: Scale) -> tuple[Table, list[Goal]]:
    """MB/s of each part of the road alone, to see which is the slowest."""
    found = encoders.batches(rows(data, "sqlite", scale.export_encoded_rows))
    csv = encoders.ours("csv", found)
    pieces = [csv[at : at + 64 * KB] for at in range(0, len(csv), 64 * KB)]
    road = "reading from SQLite and encoding"
    turns: dict[str, Callable[[], object]] = {
        "the encoder": partial(encoders.ours, "csv", found),
        road: partial(_read_and_encode, data.sqlite, scale.export_encoded_rows),
    }
    for coding in CODINGS:
        turns[coding] = partial(_compress, coding, pieces)
    results = interleave(
        scale.export_rounds,
        {name: partial(_per_second, len(csv), work) for name, work in turns.items()},
    )
    speed = {
        name: Samples(each / MB for each in by_round(rates, float))
        for name, rates in results.items()
    }
    table = Table(
        "Alone, in process, MB of CSV a second, default levels:", ["", "MB/s", "ratio"]
    )
    goals = []
    for name, rates in speed.items():
        ratio = ""
        if name in CODINGS:
            codec = compressor(name)
            out = sum(len(codec.compress(each)) for each in pieces)
            ratio = f"{len(csv) / (out + len(codec.finish())):.2f}"
            quicker = rates.over(speed[road])
            promise = f"{name} isn't the bottleneck: quicker than {road}"
            goals.append(Goal(promise, f"{quicker.show(1)} times", quicker.median > 1))
        table.rows.append((name, rates.show(), ratio))
    return table, goals


def _psql(data: Data, file: Path) -> None:
    command = f"\\copy ({SQL}) to '{file}' with (format csv, header true)"
    subprocess.run(
        [data.psql, "-q", "-X", "-c", command],
        env={**os.environ, **data.environment},
        check=True,
    )


def copying(data: Data, scale: Scale) -> tuple[Table, list[Goal]]:
    """The whole table by PostgreSQL's own CSV: over HTTP, and by psql to a file."""
    path = f"/copy.csv?rows={ROWS}"
    wanted = expected(data, "postgres", ROWS, "\n")
    file = data.sqlite.with_name("copy.csv")
    with ours(data) as server:
        check(server, path, wanted)
        turns: dict[str, Callable[[], float]] = {
            "psql \\copy to a file": partial(
                _per_second, ROWS, partial(_psql, data, file)
            ),
            "sluice, copy=True": partial(_wire, server, path, ROWS, wanted[0]),
        }
        results = interleave(scale.export_rounds, turns)
    if file.stat().st_size != wanted[0]:
        raise RuntimeError(f"psql wrote {file.stat().st_size} bytes, not {wanted[0]}")
    psql, sluice = (by_round(rates, float) for rates in results.values())
    left = sluice.over(psql)
    table = Table(
        "PostgreSQL's own CSV, the whole table:",
        ["", "rows/s", "to psql"],
        [
            ("psql \\copy to a file", psql.show(), ""),
            ("sluice, copy=True", sluice.show(), left.show(2)),
        ],
    )
    promise = f"PostgreSQL COPY: at least {COPY_GOAL} of psql's speed"
    return table, [Goal(promise, left.show(2), left.median >= COPY_GOAL)]

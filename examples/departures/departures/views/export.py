"""Exports: the flights as a file, in any format, with a receipt that says how it went.

``/export`` is the page; ``/export/flights.csv?day=2013-07-04&carrier=UA`` is a file.
The rows go from SQLite to the reader a batch at a time, so the year costs no more
memory than a day. The page's script asks ``/export/receipt`` for an id first, hands it
to the download, and shows what the receipt says of its progress.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from flask import Blueprint, abort, jsonify, render_template, request, url_for

from flask_sluice import StreamedResponse, receipts, stream_rows
from flask_sluice.errors import ArgumentError
from flask_sluice.rows import Column
from flask_sluice.sources import Query

from .. import queries
from ..state import get_db
from .flights import ALL, chosen_day

bp = Blueprint("export", __name__)

#: What is offered: a suffix, its name, and what it is for.
FORMATS = {
    "csv": ("CSV", "for everything"),
    "xlsx": ("Excel", "with real numbers and dates"),
    "ndjson": ("NDJSON", "an object a line"),
    "json": ("JSON", "one array"),
    "tsv": ("TSV", "tabs, no commas"),
    "csv.gz": ("CSV, gzip", "a fifth of the size"),
    "ndjson.zst": ("NDJSON, Zstandard", "smaller and quicker still"),
    "arrow": ("Arrow", "for data frames"),
    "parquet": ("Parquet", "for warehouses"),
}
#: In the columns' order, as the database calls them, with a label and a form.
COLUMNS = [
    Column("day", "Day", date.fromisoformat, date),
    Column("leaves", "Scheduled", datetime.fromisoformat, datetime),
    Column("delay", "Delay, minutes", kind=int),
    Column("flight", "Flight"),
    Column("airline", "Airline"),
    Column("origin", "From"),
    Column("dest", "To"),
    Column("place", "Destination"),
    Column("aircraft", "Aircraft"),
    Column("distance", "Miles", kind=int),
    Column("status", "Status"),
]


@bp.get("/export")
def page() -> str:
    """Show what there is to choose from."""
    where, values = chosen()
    return render_template(
        "export.html",
        formats=FORMATS,
        carriers=queries.carriers(get_db()),
        total=queries.count(get_db(), where, values),
        asked=request.args,
    )


@bp.get("/export/flights.<suffix>")
def file(suffix: str) -> StreamedResponse:
    """Send the flights as a file."""
    if suffix not in FORMATS:
        abort(404)
    where, values = chosen()
    total = queries.count(get_db(), where, values)
    if not total:
        abort(404, "No flight left New York like that.")
    try:
        return stream_rows(
            Query(get_db(), queries.export(where), values),
            f"flights{name_of(request.args)}.{suffix}",
            columns=COLUMNS,
            sheet="Flights",
            receipt=request.args.get("receipt"),
        )
    except ArgumentError:
        # An id that was made up, or used: the address of an earlier download.
        abort(400, "That was another download: begin it again on the page of exports.")


@bp.post("/export/receipt")
def receipt() -> Any:
    """Give an id for the export that is about to be asked for, and where it is told."""
    where, values = chosen()
    made = receipts.new_receipt()
    return jsonify(
        receipt=made,
        url=url_for("sluice_receipts.show", receipt=made),
        total=queries.count(get_db(), where, values),
    )


def chosen() -> tuple[str, list[str]]:
    """Read the address: a condition, and its values."""
    conditions, values = ["1"], []
    day = request.args.get("day")
    if day and day != ALL:
        conditions.append("day = ?")
        values.append(chosen_day(day).isoformat())
    for name in ("carrier", "origin"):
        value = request.args.get(name)
        if value:
            conditions.append(f"flights.{name} = ?")
            values.append(value[:8])
    return " AND ".join(conditions), values


def name_of(asked: Any) -> str:
    """Give a file's name for what was asked."""
    parts = [asked.get(name) for name in ("day", "carrier", "origin")]
    return "".join(f"-{part[:10]}" for part in parts if part and part != ALL)

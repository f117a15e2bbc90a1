"""CSV as Flask's documentation and its readers stream it.

A generator, `csv.writer` into a `StringIO` that is emptied after each row, served by
gunicorn gthread (https://flask.palletsprojects.com/en/stable/patterns/streaming/).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from . import sources

app = Flask(__name__)


def _lines(database: str, count: int) -> Iterator[str]:
    data = io.StringIO()
    writer = csv.writer(data)
    for row in sources.rows(database, count):
        writer.writerow(row)
        yield data.getvalue()
        data.seek(0)
        data.truncate(0)


@app.get("/<database>.csv")
def export(database: str) -> ResponseReturnValue:
    """The first rows of the table."""
    count = int(request.args["rows"])
    return Response(_lines(database, count), mimetype="text/csv")


@app.get("/ping")
def ping() -> ResponseReturnValue:
    """Whether the server is there."""
    return "pong"

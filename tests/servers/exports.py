"""Exports: rows as files, from a generator and from PostgreSQL.

Strategy: a file is named in the path and its length in the query, so that one view
serves whole files, those whose rows fail half way, and those that outgrow every
buffer. PostgreSQL's query sleeps in its middle, so that a test can kill it there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flask import Blueprint, g, request
from flask.blueprints import BlueprintSetupState
from lives import Life, oops

from flask_sluice import StreamedResponse, receipts, stream_rows
from flask_sluice.sources import Query

exports = Blueprint("exports", __name__)
exports.register_blueprint(receipts.blueprint)

#: 20,000 rows, then a minute of nothing, in the middle of a query.
SLEEPY = """
SELECT n, CASE WHEN n <= 20000 THEN 'v' || n ELSE pg_sleep(60)::text END AS v
FROM generate_series(1, 40000) AS n"""


@exports.record_once
def _keep_receipts(state: BlueprintSetupState) -> None:
    # In the server's own folder, which goes with it.
    door = os.environ.get("SLUICE_TEST_DOOR")
    if door is not None:
        folder = str(Path(door).parent / "receipts")
        state.app.config.setdefault("SLUICE_RECEIPTS", folder)


def _rows(key: str, count: int, pad: int, fails: bool) -> Iterator[dict[str, Any]]:
    with Life(key):
        for n in range(count):
            yield {"n": n, "half": n / 2, "text": f"täxt {n}".ljust(pad, ".")}
        if fails:
            raise oops(key)


@exports.get("/export/<name>/<key>")
def export(name: str, key: str) -> StreamedResponse:
    """Send `?rows=` rows, each with a text of `?pad=` characters; then maybe fail."""
    asked = request.args
    rows = _rows(
        key, asked.get("rows", 1000, int), asked.get("pad", 0, int), "fails" in asked
    )
    return stream_rows(
        rows,
        name,
        row_group_rows=4096,
        # By this a test with several workers knows whose it is.
        headers={"X-Worker": str(os.getpid())},
    )


@exports.get("/export/pg/<name>/<key>")
def from_postgres(name: str, key: str) -> StreamedResponse:
    """Send the rows of a query that takes a minute, known there by the key."""
    # Imported here: most servers under test need no database.
    import psycopg

    g.connection = psycopg.connect(request.args["where"], application_name=key)
    query = Query(g.connection, SLEEPY)
    if "copy" in request.args:
        return stream_rows(query, name, copy=True, guard=False)
    return stream_rows(query, name)


@exports.teardown_request
def _close(error: BaseException | None) -> None:
    if "connection" in g:
        g.connection.close()

"""The live board: one line of text a second, and a page that shows it."""

from __future__ import annotations

from flask import Blueprint, render_template

from flask_sluice import StreamedResponse, stream

from ..board import line
from ..state import state

bp = Blueprint("ticker", __name__)


@bp.get("/ticker")
def page() -> str:
    """Show the page; its rows are there before the first line comes."""
    board = state().board
    rows = board.rows()
    lines = [line(row) for row in rows[:3]]
    return render_template("ticker.html", rows=rows, lines=lines, now=board.clock())


@bp.get("/ticker.txt")
def text() -> StreamedResponse:
    """Stream the lines to any number of clients."""
    return stream(state().ticker.subscribe(), mimetype="text/plain")

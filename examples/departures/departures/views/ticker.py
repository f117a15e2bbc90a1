"""The departures of this minute as text: one line a second."""

from __future__ import annotations

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from flask_sluice import StreamedResponse, stream

from ..state import state

bp = Blueprint("ticker", __name__)


@bp.get("/ticker")
def page() -> Response:
    """Lead to the board, which this was."""
    return redirect(url_for("live.page", speed=1))


@bp.get("/ticker.txt")
def text() -> StreamedResponse:
    """Stream the lines to any number of clients."""
    return stream(state().ticker.subscribe(), mimetype="text/plain")

"""What this process streams now and has streamed, for people and for programs."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from ..state import state

bp = Blueprint("stats", __name__)


@bp.get("/stats")
def page() -> Response:
    """Show the page to a browser, and JSON to whoever doesn't ask for HTML."""
    numbers = state().tally.snapshot()
    # Only a browser names text/html; curl's */* would match anything.
    if "text/html" in request.headers.get("Accept", ""):
        response = make_response(render_template("stats.html", numbers=numbers))
    else:
        response = jsonify(numbers)
    response.vary.add("Accept")
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/stats.json")
def json() -> Response:
    """Return the numbers as JSON, whatever is asked for."""
    response = jsonify(state().tally.snapshot())
    response.headers["Cache-Control"] = "no-store"
    return response

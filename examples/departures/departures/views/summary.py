"""A summary of a day, typed token by token, as a language model would give it.

No model is asked: the sentences are made from the data. All else is as with one. The
text is made beside the request, so nobody who reloads or is cut off begins anew, and
stopping it is a request of its own.
"""

from __future__ import annotations

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from flask_sluice import Sluice, StreamedResponse, stream_events
from flask_sluice.errors import BrokerError

from ..state import get_db
from ..story import Runs, TooManyRunsError, facts, text, tokens
from ..story.runs import Typed, day_of
from .flights import chosen_day, neighbour

bp = Blueprint("summary", __name__)

KEY = "departures.summaries"
PACE = 0.018  # seconds for a token


def runs() -> Runs:
    """Return the app's runs."""
    found: Runs = current_app.extensions[KEY]
    return found


@bp.get("/summary")
def page() -> str:
    """Show the page on which a day is chosen."""
    return show(chosen_day(request.args.get("day")).isoformat())


@bp.post("/summary")
def start() -> AnyResponse:
    """Begin a text, and go where it can be read."""
    day = chosen_day(request.form.get("day")).isoformat()
    try:
        run = runs().start(day, tokens(text(facts(get_db(), day))))
    except TooManyRunsError:
        abort(503, "Too many summaries are being written. Try again in a moment.")
    except BrokerError as error:
        abort(503, f"{error}")
    return redirect(url_for("summary.read", name=run.name), 303)


@bp.get("/summary/<name>")
def read(name: str) -> Response:
    """Show what is there of a text, and where the rest is."""
    day = known(name)
    run = runs().get(name)
    if run is not None:
        typed = run.typed()
    else:
        # Another process types it, and has told the channel all that there is.
        epoch, _, last = runs().channel(name).cursor().rpartition("-")
        if last == "0":
            abort(404, "This summary is gone: each is kept for ten minutes.")
        typed = Typed("", 0, f"{epoch}-0", "typing")
    response = make_response(show(day, name, typed))
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/summary/<name>/events")
def events(name: str) -> StreamedResponse:
    """Stream a text: the events `token`, and then `done` or `stopped`."""
    known(name)
    return stream_events(runs().channel(name))


@bp.post("/summary/<name>/stop")
def stop(name: str) -> AnyResponse:
    """Stop a text, whichever process types it."""
    known(name)
    run, channel = runs().get(name), runs().channel(name)
    # One of another process may be typing still: the channel is all that is known here.
    is_typing = run.state == "typing" if run else not channel.cursor().endswith("-0")
    if is_typing:
        channel.publish("", event="stop")
    return redirect(url_for("summary.read", name=name), 303)


def known(name: str) -> str:
    """Return the day of a run, or answer 404."""
    day = day_of(name)
    if day is None:
        abort(404, "There is no such summary.")
    return chosen_day(day).isoformat()


def show(iso: str, name: str | None = None, typed: Typed | None = None) -> str:
    """Write the page."""
    day = chosen_day(iso)
    return render_template(
        "summary.html",
        day=day,
        before=neighbour(day, -1),
        after=neighbour(day, +1),
        name=name,
        typed=typed,
    )


def init_app(app: Flask, sluice: Sluice) -> None:
    """Register the pages, and make room for runs."""
    app.extensions[KEY] = Runs(sluice, pace=app.config.get("SUMMARY_PACE", PACE))
    app.register_blueprint(bp)

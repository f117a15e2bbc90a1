"""The live board: a day of 2013 as it went, for everybody who watches at once.

The page is whole as it is sent, and says where it stands in the channel; what happens
after that comes as events. Whoever is cut off gets what was missed, and can see it.
"""

from __future__ import annotations

import secrets
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    jsonify,
    make_response,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as AnyResponse

from flask_sluice import Event, Sluice, StreamedResponse, stream_events
from flask_sluice.errors import BrokerError

from ..live import SPEEDS, Replay, Replays, TooManyReplaysError
from .flights import chosen_day, neighbour

bp = Blueprint("live", __name__)

KEY = "departures.live"
SPEED = 60
RETRY = 2000  # milliseconds until a browser comes back
FULL = 10  # seconds until one is to ask again that finds no room
#: A browser has one, so that its streams can be ended. It says nothing of who it is.
VIEWER = "viewer"
#: When one may come back that has asked to stay away, in seconds since 1970.
AWAY = "away"
LONGEST = 30  # seconds


class Place(NamedTuple):
    """What is in the address."""

    day: date
    speed: int

    @property
    def query(self) -> dict[str, str | int]:
        """The same, for another address."""
        return {"day": self.day.isoformat(), "speed": self.speed}


def replays() -> Replays:
    """Return the app's replays."""
    found: Replays = current_app.extensions[KEY]
    return found


def asked() -> Place:
    """Return what the address asks for, or answer 400."""
    speed = request.values.get("speed", str(SPEED))
    if speed not in map(str, SPEEDS):
        known = ", ".join(map(str, SPEEDS))
        abort(400, f"“{speed[:40]}” is no speed here: choose one of {known}.")
    return Place(chosen_day(request.values.get("day")), int(speed))


def found(place: Place) -> Replay:
    """Return the replay to look at."""
    return replays().look(place.day.isoformat(), place.speed)


def state_of(replay: Replay) -> dict[str, object]:
    """Give what is shown, and the id after which all is new to it.

    The id comes first. What happens in between is in both, and has a number.
    """
    cursor = replay.channel.cursor()
    return {"cursor": cursor, **replay.board()}


@bp.get("/live")
def page() -> Response:
    """Show the board as it is at this moment."""
    place = asked()
    replay = found(place)
    response = make_response(
        render_template(
            "live.html",
            day=place.day,
            speed=place.speed,
            speeds=SPEEDS,
            before=neighbour(place.day, -1),
            after=neighbour(place.day, +1),
            board=state_of(replay),
            flights=replay.day_line.flights,
            end=replay.day_line.end,
            watching=replay.channel.subscribers,
            events=url_for("live.events", **place.query),
            again=url_for("live.board", **place.query),
        )
    )
    response.headers["Cache-Control"] = "no-store"
    if VIEWER not in request.cookies:
        response.set_cookie(
            VIEWER, secrets.token_urlsafe(16), httponly=True, samesite="Lax"
        )
    return response


@bp.get("/live/board.json")
def board() -> Response:
    """Return what is shown, for pages that can't be told what they have missed."""
    response = jsonify(state_of(found(asked())))
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/live/events")
def events() -> StreamedResponse:
    """Stream what happens: the events `change`, `board` and `viewers`."""
    place = asked()
    if (left := away()) > 0:
        # An EventSource comes back after 200 only, and waits as long as it is told.
        later = Event("", event="later", retry=round(left * 1000) + 1)
        return stream_events([later], retry=None)
    try:
        replay = replays().watch(place.day.isoformat(), place.speed)
    except TooManyReplaysError:
        full = "All boards that there is room for are watched.\n"
        abort(Response(full, 503, {"Retry-After": str(FULL)}, mimetype="text/plain"))
    return stream_events(
        replay.channel, retry=RETRY, client=request.cookies.get(VIEWER)
    )


def away() -> float:
    """Return for how many seconds this browser wants to stay away."""
    try:
        until = float(request.cookies.get(AWAY, "0"))
    except ValueError:
        return 0.0
    left = until - time.time()
    return left if 0 < left <= LONGEST else 0.0


@bp.post("/live/lose")
def lose() -> AnyResponse:
    """End this browser's streams, and let it come back after `stay` seconds."""
    replay = found(asked())
    viewer = request.cookies.get(VIEWER)
    if viewer is None:
        abort(400, "Only a browser that has opened the board has a connection to lose.")
    stay = request.form.get("stay", 0, int)
    if not 0 <= stay <= LONGEST:
        abort(400, f"One may stay away for 0 to {LONGEST} seconds.")
    try:
        replay.channel.close(viewer)
    except BrokerError as error:
        abort(503, f"{error}")
    response = Response(status=204)
    if stay:
        until = f"{time.time() + stay:.3f}"
        response.set_cookie(AWAY, until, max_age=stay, httponly=True, samesite="Lax")
    return response


def init_app(app: Flask, sluice: Sluice, database: Path) -> None:
    """Register the pages, and make the replays."""
    app.extensions[KEY] = Replays(
        sluice,
        database,
        Path(app.instance_path) / "live",
        most=app.config.get("LIVE_REPLAYS", 8),
        grace=app.config.get("LIVE_GRACE", 60),
    )
    app.register_blueprint(bp)

"""The radar: a day's flights over the map, as video, one picture, or numbers.

``/radar`` is the page, ``/radar.mjpeg`` the picture in it. ``day`` and ``speed`` choose
what is shown, and whoever chooses the same sees the same camera; ``fps`` and ``size``
are each viewer's own. All of them come from short lists.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from flask import Blueprint, Response, abort, jsonify, render_template, request

from flask_sluice import StreamedResponse, snapshot_frame, stream_frames
from flask_sluice.video import Camera

from ..board import same_day
from ..scope.screens import FPS, SPEED, SPEEDS, Programme
from ..state import get_db, state
from .flights import chosen_day, neighbour

bp = Blueprint("radar", __name__)

#: Frames a second that a viewer may choose; the first one is the default.
RATES = (FPS, 5, 1)
#: The boxes that pictures have to fit into; None: as they are drawn, 1280 by 720.
SIZES: dict[str, tuple[int, int] | None] = {
    "large": None,
    "medium": (960, 540),
    "small": (640, 360),
}

T = TypeVar("T")


class Wish(NamedTuple):
    """What an address asks for."""

    programme: Programme
    fps: int
    size: str


@bp.get("/radar")
def page() -> str:
    """Show the page."""
    asked = wish()
    day = asked.programme.day
    screens = state().screens
    return render_template(
        "radar.html",
        wish=asked,
        query=query(asked),
        now=screens.state(get_db(), asked.programme),
        on=[each for each in screens.on() if each != asked.programme],
        has_room=screens.has_room(asked.programme, usual()),
        speeds=SPEEDS,
        rates=RATES,
        sizes=SIZES,
        before=neighbour(day, -1),
        after=neighbour(day, +1),
    )


@bp.get("/radar.mjpeg")
def video() -> StreamedResponse:
    """Stream the picture to any number of viewers."""
    asked = wish()
    fps = None if asked.fps == FPS else asked.fps
    return stream_frames(camera(asked), fps=fps, size=SIZES[asked.size])


@bp.get("/radar.jpg")
def still() -> Response:
    """Return one picture."""
    asked = wish()
    return snapshot_frame(camera(asked), size=SIZES[asked.size])


@bp.get("/radar.json")
def numbers() -> Response:
    """Return what the camera does, and start nothing."""
    response = jsonify(state().screens.state(get_db(), wish().programme))
    response.headers["Cache-Control"] = "no-store"
    return response


def camera(asked: Wish) -> Camera:
    """Give the camera that shows what is asked for, or answer 503."""
    screens = state().screens
    if request.method == "HEAD":
        return screens.declared(asked.programme)
    found = screens.camera(asked.programme, usual())
    if found is None:
        shown = ", ".join(f"{each.day} at {each.speed}×" for each in screens.on())
        sentence = f"All screens are taken; they show {shown}. Try one of these.\n"
        retry = {"Retry-After": "10"}
        abort(Response(sentence, 503, retry, mimetype="text/plain"))
    return found


def wish() -> Wish:
    """Read the address, or answer 400."""
    day = chosen_day(request.args.get("day"))
    speed = chosen("speed", {str(each): each for each in SPEEDS}, str(SPEED))
    fps = chosen("fps", {str(each): each for each in RATES}, str(FPS))
    size = chosen("size", {each: each for each in SIZES}, "large")
    return Wish(Programme(day, speed), fps, size)


def chosen(name: str, choice: dict[str, T], default: str) -> T:
    """Return one of a few values, or answer 400."""
    asked = request.args.get(name, default)
    if asked not in choice:
        abort(400, f"“{asked[:40]}” is no {name}: choose {' or '.join(choice)}.")
    return choice[asked]


def usual() -> Programme:
    """Return what is shown to whoever doesn't choose."""
    return Programme(same_day(state().board.clock().date()), SPEED)


def query(asked: Wish) -> dict[str, Any]:
    """Give the query that asks for the same."""
    return {
        "day": asked.programme.day,
        "speed": asked.programme.speed,
        "fps": asked.fps,
        "size": asked.size,
    }

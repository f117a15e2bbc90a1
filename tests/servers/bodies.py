"""Bodies that come to an end, one way or another.

Strategy: a body says in the journal what it does and waits at the gate of its key.
Here are the whole ones, those that fail before and after the first byte, and those
that lean on the view's contexts. What outlasts its client is in `leavers.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from door import gates, note
from feeds import HandFed
from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    g,
    jsonify,
    make_response,
    redirect,
    request,
    session,
    url_for,
)
from lives import PACE, Life, Oops, oops

from flask_sluice import flush, stream
from flask_sluice.errors import CommittedError

bodies = Blueprint("bodies", __name__)

# --- whole --------------------------------------------------------------------


def _lines(key: str) -> Iterator[Any]:
    with Life(key):
        for word in ("one", "two", "three"):
            note(key, f"made {word}")
            yield f"{word}\n"
            yield flush
            gates[key].wait()


async def _async_lines(key: str) -> AsyncIterator[Any]:
    with Life(key):
        for word in ("one", "two", "three"):
            note(key, f"made {word}")
            yield f"{word}\n"
            yield flush
            await gates[key].wait_async()


@bodies.get("/three/<key>")
def three(key: str) -> Any:
    """Three lines, each let out by the gate."""
    compress = {"no": False, None: None}[request.args.get("compress")]
    mimetype = request.args.get("type", "text/plain")
    return stream(_lines(key), mimetype=mimetype, compress=compress)


@bodies.get("/async/<key>")
def async_three(key: str) -> Any:
    """Give the same from an async generator."""
    return stream(_async_lines(key), mimetype="text/plain")


@bodies.get("/tiny/<key>")
def tiny(key: str) -> Any:
    """Ten thousand crumbs."""
    return stream((f"{n:09d}\n" for n in range(10_000)), mimetype="text/plain")


@bodies.get("/empty/<key>")
def empty(key: str) -> Any:
    """No item at all."""
    return stream(iter(()), mimetype="text/plain")


@bodies.get("/delay/<key>")
def delay(key: str) -> Any:
    """A crumb that lies around while the producer blocks."""

    def body() -> Iterator[str]:
        with Life(key):
            yield "first\n"
            note(key, "made crumb")
            yield "crumb\n"
            gates[key].wait()
            yield "last\n"

    return stream(body, mimetype="text/plain", max_delay=0.05)


# --- before the first byte --------------------------------------------------


EARLY: dict[str, Callable[[], Any]] = {
    "handled": lambda: _raise(Oops("before the first byte")),
    "missing": lambda: abort(404),
    "redirect": lambda: abort(redirect("/ping")),
}


def _raise(error: Exception) -> None:
    raise error


@bodies.get("/early/<kind>/<key>")
def early(kind: str, key: str) -> Any:
    """Fail, or turn away, before the first byte."""

    def body() -> Iterator[str]:
        EARLY[kind]()
        yield "never\n"

    return stream(body(), mimetype="text/plain")


@bodies.get("/cookies/<key>")
def cookies(key: str) -> Any:
    """Write to the session and flash inside the body, before the first byte."""

    def body() -> Iterator[str]:
        session["seen"] = key
        flash("welcome")
        yield "first\n"

    response = stream(body(), mimetype="text/plain")
    response.set_cookie("crumb", key)
    return response


@bodies.get("/whoami/<key>")
def whoami(key: str) -> Any:
    """Say what the session holds."""
    return jsonify(seen=session.get("seen"), flashes=session.get("_flashes"))


# --- failures after the first byte ------------------------------------------


def _failing(key: str) -> Iterator[Any]:
    with Life(key):
        yield "one\n"
        yield flush
        raise oops(key)


async def _failing_async(key: str) -> AsyncIterator[Any]:
    with Life(key):
        yield "one\n"
        yield flush
        raise oops(key)


@bodies.get("/late/<key>")
def late(key: str) -> Any:
    """Fail after the first byte."""
    return stream(_failing(key), mimetype="text/plain")


@bodies.get("/late-async/<key>")
def late_async(key: str) -> Any:
    """Give the same from an async generator."""
    return stream(_failing_async(key), mimetype="text/plain")


@bodies.get("/late-delay/<key>")
def late_delay(key: str) -> Any:
    """Fail on a producer thread."""
    return stream(_failing(key), mimetype="text/plain", max_delay=0.05)


@bodies.get("/late-feed/<key>")
def late_feed(key: str) -> Any:
    """Fail inside a feed."""
    return stream(HandFed(key, fail=True), mimetype="text/plain")


@bodies.get("/committed/<what>/<key>")
def committed(what: str, key: str) -> Any:
    """Change what is on its way already."""

    def body() -> Iterator[Any]:
        yield "one\n"
        yield flush
        try:
            if what == "session":
                session["late"] = "lost"  # the line that the log must name
            else:
                response.headers["X-Late"] = "lost"  # the line that the log must name
        except CommittedError as error:
            error.key = key  # type: ignore[attr-defined]
            note(key, "committed")
            raise
        yield "never\n"

    response = stream(body(), mimetype="text/plain")
    return response


# --- contexts -----------------------------------------------------------------


@bodies.get("/context/<how>/<key>")
def context(how: str, key: str) -> Any:
    """Use every context-bound name to the last line."""
    session["user"] = "ada"
    g.colour = "teal"

    def facts() -> str:
        return json.dumps(
            [
                request.args["q"],
                session["user"],
                g.colour,
                current_app.name,
                url_for("plain", key="k"),
            ]
        )

    def body() -> Iterator[Any]:
        with Life(key):
            yield facts() + "\n"
            yield flush
            gates[key].wait()
            if how == "fail":
                raise oops(key)
            while how == "leave":
                yield "more\n"
                yield flush
                time.sleep(PACE)
            yield facts() + "\n"
            note(key, "last line")

    return stream(body(), mimetype="text/plain")


@bodies.get("/unstarted/<key>")
def unstarted(key: str) -> Any:
    """Throw a streamed response away and answer something else."""
    stream(_lines(key), mimetype="text/plain")
    return make_response("something else\n")


# --- request bodies -----------------------------------------------------------


@bodies.post("/upload/<key>")
def upload(key: str) -> Any:
    """Read the request's body as it comes in."""
    read = 0
    while line := request.stream.readline(65536):
        if not read:
            note(key, "read a line", line=line.decode())
        read += len(line)
    return jsonify(read=read, length=request.content_length)


@bodies.post("/echo/<key>")
def echo(key: str) -> Any:
    """Send the form back as a stream."""
    name = request.form["name"]

    def body() -> Iterator[str]:
        yield "hello "
        yield name

    return stream(body(), mimetype="text/plain")

"""The applications under test: the same bodies, served three ways.

    /bare/...    a WSGI callable of ten lines, no framework at all
    /flask/...   plain Flask: Response(generator)
    /sluice/...  the same Flask with the extension: stream(generator)

All three live in one process behind `application`, a look at the path's first word,
so that a round compares them on one server, one worker and one warm cache. The bodies
come from `bodies.py`; nothing here knows what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue

from flask_sluice import Sluice, stream
from flask_sluice.asgi import ASGIApp
from flask_sluice.pubsub import Ticker

from . import bodies

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TICK_SECONDS = 1.0
SIZES = {"size", "count", "pause_ms"}


def tick_line(n: int) -> str:
    """One line of every ticker: its number, and when it was made."""
    return f"tick {n} {time.monotonic_ns()}\n"


def bare(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """What the server itself can do, with nothing between it and the generator."""
    body = bodies.BODIES[environ["PATH_INFO"].rsplit("/", 1)[1]]
    query = {key: int(value) for key, value in parse_qsl(environ["QUERY_STRING"])}
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return body(**query)  # type: ignore[return-value]


def _arguments() -> dict[str, int]:
    return {key: int(value) for key, value in request.args.items() if key in SIZES}


def make_flask() -> Flask:
    """Plain Flask, the way its documentation streams."""
    app = Flask("benchmarks.flask")

    @app.get("/flask/<name>")
    def body(name: str) -> ResponseReturnValue:
        return Response(bodies.BODIES[name](**_arguments()), mimetype="text/plain")

    @app.get("/flask/ticker")
    def ticker() -> ResponseReturnValue:
        def lines() -> Iterable[str]:
            n = 0
            while True:
                n += 1
                yield tick_line(n)
                time.sleep(TICK_SECONDS)

        return Response(lines(), mimetype="text/plain")

    @app.get("/ping")
    def ping() -> ResponseReturnValue:
        return "pong"

    return app


def make_sluice() -> Flask:
    """The same Flask with the extension."""
    app = Flask("benchmarks.sluice")
    Sluice(app)
    clock = Ticker(tick_line, interval=TICK_SECONDS)

    @app.get("/sluice/<name>")
    def body(name: str) -> ResponseReturnValue:
        max_delay = int(request.args.get("max_delay_ms", 0)) / 1000 or None
        return stream(
            bodies.BODIES[name](**_arguments()),
            mimetype="text/plain",
            max_delay=max_delay,
        )

    @app.get("/sluice/ticker")
    def ticker() -> ResponseReturnValue:
        return stream(clock.subscribe(), mimetype="text/plain")

    @app.get("/ping")
    def ping() -> ResponseReturnValue:
        return "pong"

    return app


flask_app = make_flask()
sluice_app = make_sluice()
asgi_app = ASGIApp(sluice_app)


def application(
    environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    """All three behind one server."""
    path = environ["PATH_INFO"]
    if path.startswith("/bare/"):
        return bare(environ, start_response)
    app = flask_app if path.startswith("/flask/") else sluice_app
    return app(environ, start_response)

"""Flask-Sluice: one channel, under gunicorn's threads, gevent, or an ASGI server."""

from __future__ import annotations

from flask import Flask, Response, request

from flask_sluice import Sluice, stream_events
from flask_sluice.asgi import ASGIApp

from .ticks import in_thread

app = Flask(__name__)
sluice = Sluice(app)


@app.get("/events")
def events() -> Response:
    """Reads."""
    return stream_events(sluice.channel("ticks"))


@app.get("/publish")
def publish() -> str:
    """Publishes."""
    channel = sluice.channel("ticks")
    count, rate = int(request.args["count"]), float(request.args["rate"])
    in_thread(channel.publish, count, rate)
    return ""


@app.get("/ping")
def ping() -> str:
    """Answers. It is the hello-world of the connects, too."""
    return "pong"


asgi = ASGIApp(app)

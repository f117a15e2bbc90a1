"""Flask-SSE: Redis pub/sub, and one connection to it for each client."""

from __future__ import annotations

import os

from flask import Flask, request
from flask_sse import sse

from .ticks import in_thread

app = Flask(__name__)
app.config["REDIS_URL"] = os.environ["BENCH_REDIS"]
app.register_blueprint(sse, url_prefix="/events")


def _publish(data: str) -> None:
    with app.app_context():
        sse.publish(data, id=data.split()[1])


@app.get("/publish")
def publish() -> str:
    """Publishes."""
    in_thread(_publish, int(request.args["count"]), float(request.args["rate"]))
    return ""


@app.get("/ping")
def ping() -> str:
    """Answers."""
    return "pong"

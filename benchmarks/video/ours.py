"""Flask-Sluice's camera."""

from __future__ import annotations

from flask import Flask, Response

from flask_sluice import Sluice, stream_frames

from .frames import frames

app = Flask(__name__)
sluice = Sluice(app)
sluice.camera("radar", frames, grace=2.0)


@app.get("/video")
def video() -> Response:
    """Shows it."""
    return stream_frames(sluice.camera("radar"))


@app.get("/running")
def running() -> str:
    """Says how it is."""
    return "no" if sluice.camera("radar").state == "idle" else "yes"


@app.get("/ping")
def ping() -> str:
    """Answers."""
    return "pong"

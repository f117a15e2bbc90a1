"""An app whose page sends early hints, and ends when the test lets it.

In: a request. Out: a 103, and a page that waits until somebody has written to the
FIFO that the environment names, so that a test can tell what came before its end.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request

from flask_sluice import Sluice, defer, stream, stream_page
from flask_sluice.asgi import ASGIApp
from flask_sluice.hints import early_hints, preload

app = Flask("early")
app.config.update(
    SECRET_KEY="only for tests",
    SLUICE_EARLY_HINTS=os.environ.get("EARLY", "explicit") or None,
)
Sluice(app)


def wait() -> None:
    """Go on when the test says so."""
    Path(os.environ["GATE"]).read_text(encoding="utf-8")


@app.get("/ready")
def ready() -> str:
    """Say that the server is there."""
    return "ready"


@app.get("/quick")
def quick() -> str:
    """Send some hints, then another."""
    preload("/files/a.css", "style")
    early_hints("/files/b b.js")
    early_hints("/files/c.woff2")
    return "the page"


@app.get("/page")
def page() -> str:
    """Send them, and wait."""
    text = quick()
    wait()
    return text


@app.get("/async")
async def awaited() -> str:
    """Send a hint from an async view, which has a thread of its own."""
    early_hints("/files/a.css")
    wait()
    return "the page"


@app.get("/body")
def body() -> Response:
    """Send a hint with a stream's first item, and be too late with its second."""

    def items():  # type: ignore[no-untyped-def]
        early_hints("/files/a.css")
        wait()
        yield "the "
        early_hints("/files/late.css")
        yield "page"

    return stream(items)


HEAD = """<!doctype html><head><link rel="stylesheet" href="/files/a.css">
<script src="/files/b b.js"></script></head><body>"""


@app.get("/learned")
def learned() -> str:
    """Say in the page alone what it uses, and wait unless told not to."""
    if "now" not in request.args:
        wait()
    return f"{HEAD}the page"


@app.get("/learned/static")
def learned_static() -> str:
    """Name a file of the app's own."""
    if "now" not in request.args:
        wait()
    return '<head><link rel=stylesheet href="/static/a.css"></head>the page'


@app.get("/learned/streamed")
def learned_streamed() -> Response:
    """Send the same as a page whose shell waits, and a slot beside it."""
    if "now" not in request.args:
        wait()
    template = app.jinja_env.from_string(
        HEAD + "{% await text = words %}{{ text }}{% endawait %}"
    )
    return stream_page(template, words=defer(lambda: "the page"))


asgi = ASGIApp(app)

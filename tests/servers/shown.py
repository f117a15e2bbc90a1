"""An app whose page is for browsers, held at the gate twice: on its way in, and again.

In: a request for the page. Out: its hints, as the environment says: by the view, or
learned. The test lets it in, and lets it go on once the files are asked for. Each
request that arrives is a line in the journal, so that a test can wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from PIL import ImageFont

from flask_sluice import Sluice
from flask_sluice.asgi import ASGIApp
from flask_sluice.hints import early_hints

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MODE = os.environ["EARLY"]
GATE, JOURNAL = (Path(os.environ[name]) for name in ("GATE", "JOURNAL"))

app = Flask("shown")
app.config.update(SECRET_KEY="only for tests", SLUICE_EARLY_HINTS=MODE)
Sluice(app)

PAGE = """<!doctype html><html lang=en><head><title>page</title>
<link rel=icon href=data:,>
<link rel=preload as=font href=/files/c.ttf crossorigin>
<link rel=stylesheet href=/files/a.css><script src=/files/b.js></script></head>
<body><p>shown</p></body></html>"""
CSS = """@font-face { font-family: own; src: url(c.ttf) }
p { font-family: own; color: rgb(1, 2, 3) }"""
FONT: bytes = ImageFont.load_default().font_bytes  # type: ignore[union-attr]
FILES: dict[str, tuple[str, str | bytes]] = {
    "a.css": ("text/css", CSS),
    "b.js": ("text/javascript", "var ran = 'ran';"),
    "c.ttf": ("font/ttf", FONT),
}


def wait() -> None:
    """Go on when the test says so, where the request doesn't say "now"."""
    if "now" not in request.args:
        GATE.read_text(encoding="utf-8")


@app.get("/ready")
def ready() -> str:
    """Say that the server is there."""
    return "ready"


@app.get("/page")
def page() -> str:
    """Hint it all, or leave that to what was learned; end when the test says so."""
    if MODE == "explicit":
        early_hints(*(f"/files/{name}" for name in FILES))
    wait()
    return PAGE


@app.get("/files/<name>")
def file(name: str) -> Response:
    """Give a file that may be kept."""
    mimetype, data = FILES[name]
    headers = {"Cache-Control": "max-age=600"}
    return Response(data, mimetype=mimetype, headers=headers)


inner = app.wsgi_app


def noted(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """Note that a request is here; hold the page's before anything runs for it."""
    path = environ["PATH_INFO"]
    with JOURNAL.open("a", encoding="utf-8") as journal:
        journal.write(f"{path}\n")
    if path == "/page":
        with app.request_context(environ):
            wait()
    return inner(environ, start)


app.wsgi_app = noted  # type: ignore[method-assign]
asgi = ASGIApp(app)

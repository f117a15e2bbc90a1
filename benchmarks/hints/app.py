"""One page served five ways, side by side: what differs is when its files are named.

In: /<way>/. Out: the same document, whose rows take VIEW_SECONDS. Each way is an app of
its own, because early hints are a setting of the app.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from flask import Flask, render_template, send_file, url_for
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_sluice import Sluice, defer, stream_page
from flask_sluice.hints import early_hints, preload

VIEW_SECONDS = 0.6
YEAR = 31_536_000
FONT = "report.ttf"
FILES = ("report.css", "report.js", FONT)


def _font() -> Path:
    found = find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "cmss10.ttf"


def rows() -> list[tuple[str, int, int]]:
    """Give what takes its time."""
    time.sleep(VIEW_SECONDS)
    return [(f"Line {n}", 100 * n, n % 7) for n in range(1, 13)]


def whole() -> ResponseReturnValue:
    """Wait, and then send the page."""
    return render_template("whole.html", rows=rows())


def link() -> ResponseReturnValue:
    """Name the files in the page's header."""
    for url, kind in zip(urls(), ("style", "script", "font"), strict=True):
        preload(url, kind)
    return whole()


def explicit() -> ResponseReturnValue:
    """Name the files before the work begins."""
    early_hints(*urls())
    return whole()


def shell() -> ResponseReturnValue:
    """Send at once what needs no rows."""
    return stream_page("streamed.html", rows=defer(rows))


def urls() -> list[str]:
    """Give the addresses of the page's files."""
    return [url_for("static", filename=name) for name in FILES]


WAYS: dict[str, tuple[Callable[[], ResponseReturnValue], str | None]] = {
    "off": (whole, None),
    "link": (link, None),
    "explicit": (explicit, "explicit"),
    "learned": (whole, "learned"),
    "shell": (shell, None),
}


def make(way: str) -> Flask:
    """Give the app of one way."""
    view, early = WAYS[way]
    app = Flask(f"hints-{way}", root_path=str(Path(__file__).parent))
    app.config.update(SLUICE_EARLY_HINTS=early, SEND_FILE_MAX_AGE_DEFAULT=YEAR)
    Sluice(app)
    app.add_url_rule("/", "page", view)
    app.add_url_rule(
        f"/static/{FONT}", "font", lambda: send_file(_font(), mimetype="font/ttf")
    )
    return app


outside = Flask("hints")
outside.add_url_rule("/ping", "ping", lambda: "pong")
application = DispatcherMiddleware(
    outside.wsgi_app, {f"/{way}": make(way).wsgi_app for way in WAYS}
)

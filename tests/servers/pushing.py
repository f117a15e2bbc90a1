"""An app whose pages have their files pushed, for a proxy that does so.

In: the pages of the table below, each with hints of its own kind. Out: HTML, and the
files that it hints. Behind /fire are a Firehose's pushes, remembered in the session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, render_template_string

from flask_sluice import Sluice, StreamedResponse, defer, stream, stream_page
from flask_sluice.asgi import ASGIApp
from flask_sluice.compat import firehose
from flask_sluice.hints import preconnect, preload, push

app = Flask("pushing")
app.config.update(SECRET_KEY="only for tests", SLUICE_HINTS_ONCE="cookie")
Sluice(app)
firehose.Firehose(app)

SHELL = app.jinja_env.from_string(
    """<!doctype html><link href="{{ preload('files/page.css', as='style') }}">
{%- await value = late %}{{ preload('/files/slot.css', as='style') }}{% endawait %}"""
)


def plain() -> str:
    """Two to push, one in a spelling that must be quoted, and two not to."""
    push("/files/a.css", "style")
    push("/files/b b.js", "script", type="text/javascript; charset=utf-8")
    preload("/files/c.woff2", "font", nopush=True)
    preconnect("https://o.example")
    return "plain"


def page() -> StreamedResponse:
    """A streamed page: its shell hints in time, its slot too late."""
    return stream_page(SHELL, late=defer(threading.Event().wait, 0.2))


def body() -> StreamedResponse:
    """A stream, beside a link of the view's own."""
    push("/files/a.css", "style")
    response = stream(iter(["one", "two"]))
    response.headers["Link"] = '</files/own.css>; rel="preload"; as="style"'
    return response


def fire() -> str:
    """As in a program that was written for Flask-Firehose."""
    return render_template_string(
        "{{ push('/files/f.css', as='style', rel='preload') }}"
        "{{ push('/files/g.css', 'nopush', as='style', rel='preload') }}"
    )


PAGES: dict[str, Callable[[], Any]] = {
    function.__name__: function for function in (plain, page, body, fire)
}
for _name, _view in PAGES.items():
    app.add_url_rule(f"/{_name}", _name, _view)


@app.get("/files/<name>")
def file(name: str) -> Response:
    """What is pushed."""
    return Response(name, mimetype="text/css", headers={"Cache-Control": "max-age=60"})


asgi = ASGIApp(app)

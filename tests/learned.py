"""What the tests of learned hints share: pages that use a file, and a browser.

In: a view. Out: an app that learns from its pages, and who navigates there on a server
that can send a 103. It refuses to know what is to be learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, Response, current_app, stream_template_string
from flask.testing import FlaskClient

from flask_sluice import stream, stream_page
from flask_sluice.hints.gathering import EXTENSION
from flask_sluice.hints.learning import Learner
from helpers import make_app

HEAD = "<!doctype html><head><link rel=stylesheet href=/a.css></head>"
PAGE = f"{HEAD}<body>page"
CSS = "</a.css>; rel=preload; as=style"
JS = "</a.js>; rel=preload; as=script"

View = Callable[[], Any]


class Browser:
    """Navigates on a server that can send a 103."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def go(self, path: str = "/p/x", **options: Any) -> tuple[list[str], Any]:
        """Give the links of the 103s, and the response, read to its end."""
        sent: list[tuple[str, str]] = []
        environ = {"wsgi.early_hints": sent.extend, **options.pop("environ", {})}
        headers = {"Sec-Fetch-Mode": "navigate", **options.pop("headers", {})}
        response = self.client.open(
            path, headers=headers, environ_overrides=environ, **options
        )
        response.get_data()
        return [value for _, value in sent], response

    def third(self, path: str = "/p/x", **options: Any) -> list[str]:
        """Go there three times, and give the links of the third 103."""
        for _ in range(2):
            assert self.go(path, **options)[0] == []
        return self.go(path, **options)[0]


def learning_app(view: View, **config: Any) -> Flask:
    """Give an app whose pages below /p/ are this view's."""
    app = make_app(**{"SLUICE_EARLY_HINTS": "learned", **config})
    app.add_url_rule("/p/<path:_>", "page", lambda _: view())
    app.add_url_rule("/q", "other", view)
    return app


def browser(view: View, **config: Any) -> Browser:
    """Give a browser for such an app."""
    return Browser(learning_app(view, **config).test_client(use_cookies=False))


def learner(app: Flask) -> Learner:
    """Give the app's."""
    found = app.extensions[EXTENSION].learner
    assert isinstance(found, Learner)
    return found


def two_parts() -> Iterator[str]:
    """Give a page in pieces, the head in two of them."""
    yield HEAD[:30]
    yield HEAD[30:]
    yield "<body>page"


KINDS: dict[str, View] = {
    "text": lambda: PAGE,
    "parts": lambda: Response([HEAD, "<body>page"], mimetype="text/html"),
    "stream": lambda: stream([PAGE]),
    "stream in parts": lambda: stream(two_parts),
    "page": lambda: stream_page(_template(HEAD + "{{ x }}"), x="page"),
    "generator": lambda: Response(two_parts(), mimetype="text/html"),
    "template": lambda: stream_template_string(f"{HEAD}{{{{ 'page' }}}}"),
    "no end": lambda: "<title>x</title><link rel=stylesheet href=/a.css>page",
}


def _template(text: str) -> Any:
    return current_app.jinja_env.from_string(text)

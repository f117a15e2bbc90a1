"""Pages of FlaskSR's kind, for tests: an app with one, and what a browser has of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, g, got_request_exception

from flask_sluice import StreamedResponse
from flask_sluice.compat.flasksr import Component, Dom, Layout, LayoutSR
from flask_sluice.testing import Arrivals, StreamClient
from helpers import make_app
from slots import NATIVE, Gate, applied

CRAWLER = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}


def say(text: object) -> object:
    """Give what it was given; a `Dom` of it is a constant."""
    return text


HEAD = Dom(say, "<!doctype html><title>t</title><body>")
FOOT = Dom(say, "<footer>end</footer></body>")


def layout(html: str) -> Layout:
    """Give a layout of this HTML."""
    return Layout(say, html)


class Pages:
    """An app with one page, made by a function for each request."""

    def __init__(self, make: Callable[[], Any], **config: Any) -> None:
        self.app = make_app(**config)
        self.made: list[StreamedResponse] = []
        self.errors: list[BaseException] = []

        @self.app.get("/")
        def page() -> StreamedResponse:
            self.made.append(make().response)
            return self.made[-1]

        @self.app.teardown_appcontext
        def gate_is_over(error: BaseException | None) -> None:
            # `Gate.open` waits for it.
            g.pop("gate_over", lambda: None)()

        got_request_exception.connect(self._note, self.app)

    def _note(self, sender: Flask, exception: BaseException, **_: object) -> None:
        self.errors.append(exception)

    @contextmanager
    def open(self, **options: Any) -> Iterator[Arrivals]:
        """Ask for the page, as a browser that fills slots by itself."""
        options.setdefault("headers", NATIVE)
        with StreamClient(self.app).stream("/", **options) as arrivals:
            yield arrivals

    def whole(self, **options: Any) -> str:
        """Ask for the page and apply what came: it needs no gate to be opened."""
        with self.open(**options) as arrivals:
            arrivals.read_all()
            arrivals.assert_whole()
        page = applied(arrivals.data.decode())
        page.assert_clean()
        return page.text


def show(*components: Component, **kwargs: Any) -> str:
    """Give what a browser has in the end of a page with these components."""
    return Pages(lambda: LayoutSR(*components, **kwargs)).whole()


def in_layout(html: str) -> str:
    """Give *html* as it stands in a page of which it is the layout."""
    return f'<sr-layout id="stream-div-layout">{html}</sr-layout>'


def gated(*names: str) -> dict[str, Gate]:
    """Make gates, each with its name in capitals as its value."""
    return {name: Gate(f"<b>{name.upper()}</b>") for name in names}

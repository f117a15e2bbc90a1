"""An app with one channel and a page that listens: what the tests of events play on.

In: events that a test publishes, and answers that it wants instead of a stream. Out:
what the page has heard, and what it has asked for. The page has a strict policy.
`browser.stage:create_app()` is the same for another process, where requests publish.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import (
    Flask,
    Response,
    render_template_string,
    request,
    send_from_directory,
)

from browser.dom import holds
from flask_sluice import Sluice, stream_events
from flask_sluice.events import last_event_id

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from flask_sluice.pubsub import Channel

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'"

PAGE = """<!doctype html><title>Events</title>
<html data-cursor="{{ sluice.cursor('c') }}">
<script type="module" src="{{ url_for('page_script') }}"></script>"""

# `listen` notes all that a source says; `gather` does until its first stream is over.
SCRIPT = """
import { Live } from "{{ url_for('sluice.script') }}";
const KINDS = {
    plain: (url, { cursor = "" }) =>
        new EventSource(cursor ? `${url}?last_event_id=${cursor}` : url),
    live: (url, options) => new Live(url, options),
};
window.Live = Live;
window.listen = (kind, url, options = {}, names = []) => {
    const source = KINDS[kind](url, options);
    const heard = [], said = [], told = [];
    for (const name of ["message", ...names])
        source.addEventListener(name, (e) =>
            heard.push([e.type, e.data, e.lastEventId]));
    source.addEventListener("reset", (e) =>
        told.push([JSON.parse(e.data).reason, e.reason, e.channels?.c]));
    for (const name of ["open", "error"])
        source.addEventListener(name, () => said.push(name));
    source.addEventListener("statechange", () => said.push(source.state));
    return Object.assign(window, { source, heard, said, told }).source;
};
window.gather = (kind, url, names) => new Promise((done) => {
    const source = listen(kind, url, {}, names);
    source.onerror = () => { source.close(); done(heard); };
});
window.ready = true;
"""

# A page of htmx 2, with its extension or with sluice.js below that, or of htmx 4.
HTMX = """<!doctype html><title>htmx</title>
<meta name="htmx-config" content='{"includeIndicatorStyles": false}'>
{% set n = version[0] %}
<script src="/vendored/htmx-{{ n }}.min.js"></script>
<script src="/vendored/ext/hx-sse-{{ n }}.min.js"></script>
{% if version == "2-live" %}
<script type="module" src="with-live.js"></script>{% endif %}
{% set url = url_for("events", last_event_id=sluice.cursor("c")) %}
{% if n == "2" %}
<main hx-ext="sse" sse-connect="{{ url }}">
<p sse-swap="message" hx-swap="beforeend"></p></main>
{% else %}<p hx-sse:connect="{{ url }}" hx-swap="beforeend"></p>{% endif %}"""

WITH_LIVE = """
import { Live } from "{{ url_for('sluice.script') }}";
htmx.createEventSource = (url) => new Live(url, { shared: true });
"""


class Asked(NamedTuple):
    """One request for the stream."""

    at: float
    header: str | None
    query: str | None

    @property
    def last(self) -> str | None:
        """What its client has seen last."""
        return self.header or self.query


class Stage:
    """The app, its channel, and what was asked of it.

    :ivar answers: responses that are given, one after the other, before any stream.
    :ivar options: how streams are made.
    """

    def __init__(self) -> None:
        self.app = Flask("stage")
        self.sluice = Sluice(self.app)
        self.channel = self.sluice.channel("c")
        self.asked: list[Asked] = []
        self.answers: deque[Response] = deque()
        self.options: dict[str, Any] = {"retry": 20}
        self.app.add_url_rule("/", "page", self._page)
        self.app.add_url_rule("/page.js", "page_script", self._script)
        self.app.add_url_rule("/events", "events", lambda: self.stream(self.channel))

    def _page(self) -> Response:
        response = Response(render_template_string(PAGE))
        response.headers["Content-Security-Policy"] = POLICY
        return response

    def _script(self) -> Response:
        return Response(render_template_string(SCRIPT), mimetype="text/javascript")

    def stream(self, *channels: Channel) -> Response:
        """Note what is asked; answer with a stream of these, or as the test wants."""
        header = request.headers.get("Last-Event-ID")
        query = request.args.get("last_event_id")
        self.asked.append(Asked(time.monotonic(), header, query))
        assert last_event_id() in (header, query)
        if self.answers:
            return self.answers.popleft()
        return stream_events(*channels, **self.options)

    @contextmanager
    def publishing(self) -> Iterator[list[str]]:
        """Publish "0", "1" and so on while the block runs; give what was."""
        made: list[str] = []
        over = threading.Event()

        def publish() -> None:
            while not over.wait(0.003):
                self.channel.publish(str(len(made)))
                made.append(str(len(made)))

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            yield made
        finally:
            over.set()
            thread.join()

    def publish(self, *data: object) -> list[str]:
        """Publish these, one after the other; give their ids."""
        return [self.channel.publish(each) for each in data]


def listen(page: Page, url: str, kind: str = "live", **options: Any) -> None:
    """Open the page, and have it listen to the events from its own cursor on."""
    page.goto(url + "/")
    page.evaluate(
        """([kind, options]) => {
            const { cursor } = document.documentElement.dataset;
            listen(kind, "/events", { cursor, ...options }, ["left"]);
        }""",
        [kind, options],
    )


def is_live(page: Page) -> None:
    """Wait until it is."""
    holds(page, "source.state == 'live'")


def data_heard(page: Page) -> list[str]:
    """Give the data of all that the page has heard."""
    return [data for _, data, _ in page.evaluate("heard")]


def create_app() -> Flask:
    """Make the app for a server of its own."""
    stage = Stage()
    app = stage.app

    @app.get("/ping")
    def ping() -> dict[str, int]:
        return {"pid": os.getpid(), "readers": stage.channel.subscribers}

    @app.post("/publish")
    def publish() -> dict[str, str]:
        return {"id": stage.channel.publish(request.get_data().decode())}

    @app.get("/htmx/<version>")
    def htmx(version: str) -> Response:
        response = Response(render_template_string(HTMX, version=version))
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @app.get("/htmx/with-live.js")
    def with_live() -> Response:
        text = render_template_string(WITH_LIVE)
        return Response(text, mimetype="text/javascript")

    @app.get("/vendored/<path:name>")
    def vendored(name: str) -> Response:
        (folder,) = find_spec("django_htmx").submodule_search_locations
        return send_from_directory(Path(folder, "static", "django_htmx"), name)

    return app

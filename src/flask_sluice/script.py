"""`sluice.js` as a view: `url_for("sluice.script")`.

In: a request. Out: the script, for a year where the URL has its hash, else with an
`ETag`. It refuses to know what the script reads. This is how that works.

`Live` fetches the stream and parses it. A browser's `EventSource` doesn't say what the
status was, so a 502 and a 401 look alike; it hides comments, so a connection that died
can't be told from one that is silent; and it hides the ids of blocks without data,
with which a place moves on where nothing is shown.

* `lead()` connects, reads to the end, waits, and connects again. 204 and 4xx end it,
  but for 408, 425 and 429. It comes back after the `retry` that the server told; when
  it wasn't let in, after twice that and more, give or take half, or after Retry-After;
  at once when the machine is online again or the page is looked at.
* With `shared`, the tab that gets a Web Lock leads, and a `BroadcastChannel` carries
  its blocks to the others. A tab that is new says where it stands, and hears nothing
  until the leader has answered. If it has missed something, the leader connects again,
  to the place that is behind both; so there is no history to keep, and no gap. When
  the leader is gone the lock goes to another, and all say anew where they stand.
* What a tab has seen it drops. For that an id is read as a place: events are new to it
  whose id is further in any channel. A block without an id shares the fate of the id
  before it: so a `reset`, which follows the id of a new place, reaches the tabs whose
  place it is. Those that stood where the request began (`from`) take over the server's
  place whatever it is, as a channel's may be behind theirs after it has lost events.
* Browsers slow the timers of a hidden tab, and that may be the one that leads. So the
  others count along while it waits, and one that isn't hidden wakes it.
* A page that is left, frozen or kept for the back button closes all it has, and begins
  again from its own place.

The file is written to be small: one capital letter for each thing that an instance
remembers. It is served without comments, and without spaces but between words, which
is safe because no string or expression in it has any, and every statement its ";".
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Response, current_app, has_request_context
from flask import request as flask_request

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["ENDPOINT", "script", "serve_script"]

ENDPOINT = "sluice.script"
FILE = Path(__file__).with_name("static") / "sluice.js"

YEAR = "public, max-age=31536000, immutable"

_COMMENTS = re.compile(r"^\s*//.*\n", re.MULTILINE)
_SPACES = re.compile(r"\s*([^\w\s])\s*|\s+")


@cache
def script() -> tuple[bytes, str]:
    """Give the script as it is served, and its hash."""
    text = _COMMENTS.sub("", FILE.read_text(encoding="utf-8"))
    body = _SPACES.sub(lambda found: found[1] or " ", text).encode()
    return body, sha256(body).hexdigest()[:16]


def serve_script(app: Flask) -> None:
    """Add the view to *app*, also while it answers its first request already.

    Not by `add_url_rule()`, which refuses then. The name in the path is a variable, so
    that code which asks for every rule without arguments leaves this one alone.
    """
    options: dict[str, Any] = {}
    if app.url_map.host_matching:
        options["host"] = "<sluice_host>"
    rule = app.url_rule_class(
        "/_sluice/<any('sluice.js'):file>",
        endpoint=ENDPOINT,
        methods={"GET"},
        **options,
    )
    app.url_map.add(rule)
    app.view_functions[ENDPOINT] = _view
    defaults = app.url_default_functions
    defaults["sluice"] = [*defaults.get("sluice", []), _complete]


def _complete(endpoint: str, values: dict[str, Any]) -> None:
    # It is asked for every endpoint that begins with "sluice.".
    if endpoint != ENDPOINT:
        return
    values.setdefault("file", FILE.name)
    values.setdefault("v", script()[1])
    if current_app.url_map.host_matching and has_request_context():
        values.setdefault("sluice_host", flask_request.host)


def _view(file: str, sluice_host: str | None = None) -> Response:
    body, digest = script()
    response = Response(body, content_type="text/javascript; charset=utf-8")
    is_this = flask_request.args.get("v") == digest
    response.headers["Cache-Control"] = YEAR if is_this else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    # It is nobody's secret, and a page on a subdomain imports it from another origin.
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.set_etag(digest)
    response.make_conditional(flask_request)
    return response

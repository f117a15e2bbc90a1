"""A word to the developer about hinted files that browsers can't keep.

In: a hint's target, in debug mode. Out: at most one line in the log, with what to
write. It refuses to know files that Flask doesn't serve.

What was fetched for a hint waits in the cache for the page to use it. Flask sends
static files with `no-cache` unless told otherwise; then the browser asks again.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask
from flask import request as flask_request

from .routes import route_of

__all__ = ["warn_unless_kept"]

log = logging.getLogger("flask_sluice")

_TOLD = "sluice.hints.uncacheable"


def warn_unless_kept(app: Flask, target: str) -> None:
    """Log a line, once an app, if *target* is a static file without an age."""
    if _TOLD in app.extensions:
        return
    route = route_of(app, flask_request, target)
    if route is None or not route.is_static:
        return
    server: Any = app.blueprints.get(route.endpoint.rpartition(".")[0], app)
    if not server.get_send_file_max_age(route.values["filename"]):
        app.extensions[_TOLD] = target
        log.warning(
            "%s is hinted, but browsers may not keep it, and ask for it twice. Write"
            ' app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 31_536_000, and give files'
            " names that change with what is in them",
            target,
        )

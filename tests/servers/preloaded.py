"""An app that has deferred something before its server forks its workers.

In: `gunicorn --preload`. Out: a page that says which process made it. What ran in the
parent, its threads, its event loop and its timers, must not be missed in a child.
"""

from __future__ import annotations

import os
import threading

from flask import Flask

from flask_sluice import Sluice, StreamedResponse, defer, stream_page

app = Flask("preloaded")
app.config["SLUICE_DEFER_WORKERS"] = 2
Sluice(app)

PAGE = app.jinja_env.from_string(
    """<p>{% for job in jobs %}{% await value = job %}{{ value }};
{%- error e %}{{ e.timed_out }};{% endawait %}{% endfor %}</p>"""
)


async def pid() -> int:
    """Say it from a task."""
    return os.getpid()


with app.app_context():
    assert defer(os.getpid).result(5.0) == defer(pid).result(5.0)
    defer(threading.Event().wait, 0.5, timeout=0.05)


@app.get("/")
def page() -> StreamedResponse:
    """Slots from a thread, from a task, and from a timer."""
    late = defer(threading.Event().wait, 5.0, timeout=0.05)
    return stream_page(PAGE, jobs=[defer(os.getpid), defer(pid), late])

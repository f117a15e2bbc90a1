"""The app that every server under test runs: one endpoint for each promise.

Strategy: a body never sleeps to let a test keep up. It says what it does in the
journal and waits at the gate of its key; the test reads the one and opens the other
through the side door (`door.py`). The key is the last part of the path, so that what
signals, teardowns and logs say can be told apart by stream.

Here are the app, what goes into the journal, and the pages that don't stream.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from bodies import bodies
from cameras import cameras, offer
from channels import channels
from door import command, note, serve
from flask import Flask, g, got_request_exception, jsonify, request
from leavers import leavers
from lives import Oops, key_of

from exports import exports
from flask_sluice import Sluice, signals
from flask_sluice.asgi import ASGIApp
from slots import slots

app = Flask("conformance")
app.secret_key = "only for tests"
app.config.update(json.loads(os.environ.get("SLUICE_TEST_CONFIG", "{}")))
app.register_blueprint(bodies)
app.register_blueprint(cameras)
app.register_blueprint(channels)
app.register_blueprint(exports)
app.register_blueprint(leavers)
app.register_blueprint(slots)
sluice = Sluice(app)
offer(sluice)


@signals.stream_started.connect_via(app)
def _started(sender: Flask, stream: Any, **more: Any) -> None:
    note(key_of(stream.path), "stream started", driver=stream.driver)


@signals.stream_finished.connect_via(app)
def _finished(sender: Flask, stream: Any, **more: Any) -> None:
    exception = more.pop("exception", None)
    more["exception"] = exception and repr(exception)
    note(key_of(stream.path), "stream finished", driver=stream.driver, **more)


@got_request_exception.connect_via(app)
def _excepted(sender: Flask, exception: BaseException, **more: Any) -> None:
    note(getattr(exception, "key", "?"), "exception sent", error=repr(exception))


class JournalHandler(logging.Handler):
    """Keeps what the app and the package log, not what the server does."""

    def emit(self, record: logging.LogRecord) -> None:
        """Note the record under "log"."""
        if record.name.split(".")[0] not in {"conformance", "flask_sluice"}:
            return
        trace = record.exc_info and record.exc_info[1]
        note(
            "log",
            record.levelname,
            message=record.getMessage(),
            error=repr(trace) if trace else "",
            traceback=logging.Formatter().format(record) if trace else "",
        )


logging.getLogger().addHandler(JournalHandler())
logging.getLogger("flask_sluice").setLevel(logging.INFO)


@app.before_request
def _remember() -> None:
    g.key = (request.view_args or {}).get("key", "?")


@app.teardown_request
def _torn(error: BaseException | None) -> None:
    note(g.get("key", "?"), "request torn down", error=repr(error))


@app.teardown_appcontext
def _app_torn(error: BaseException | None) -> None:
    note(g.get("key", "?"), "app torn down", error=repr(error))


@command
def streams() -> list[dict[str, Any]]:
    """List what is open."""
    with app.app_context():
        return [
            {
                "key": key_of(stream.path),
                "driver": stream.driver,
                "bytes_made": stream.bytes_made,
                "bytes_sent": stream.bytes_sent,
                "client": stream.client,
                "seconds": stream.seconds,
            }
            for stream in sluice.streams
        ]


@app.get("/ping")
def ping() -> Any:
    """Answer at once."""
    return jsonify(pid=os.getpid())


@app.get("/plain/<key>")
def plain(key: str) -> Any:
    """Give a page that isn't streamed."""
    return "a plain page\n"


@app.errorhandler(Oops)
def _sorry(error: Oops) -> Any:
    return "handled: sorry\n", 500


if "SLUICE_TEST_DOOR" in os.environ:
    serve(os.environ["SLUICE_TEST_DOOR"])

asgi = ASGIApp(app, threads=app.config.get("ASGI_THREADS", 64))

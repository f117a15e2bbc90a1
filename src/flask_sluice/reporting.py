"""How a stream ended, told to the app: the log, two signals, `call_on_close`.

In: a stream that has ended. Out: what plain Flask leaves out, since to it a view is
over when its generator begins: the traceback in the app's log, `got_request_exception`
for whoever collects errors, and `stream_finished`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, got_request_exception

from .serve.drive import warn_once
from .serve.stream import Stream
from .signals import stream_finished

__all__ = ["report"]

log = logging.getLogger("flask_sluice")


def report(
    app: Flask,
    record: Stream,
    on_close: list[Callable[[], Any]],
    hiding: str | None,
) -> None:
    """Tell the app how a stream ended: the log, two signals, `call_on_close`."""
    error = record.exception
    if error is not None:
        app.logger.error(
            "The stream of %s failed after %d bytes",
            record.path,
            record.bytes_sent,
            exc_info=error,
        )
        got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
        if hiding is not None:
            warn_once(
                f"A stream failed, and its client can't tell: {hiding}. The docs'"
                " page on servers says what can be done."
            )
    # A response that wasn't sent as a stream is closed by Werkzeug, as any other.
    while record.announced and on_close:
        try:
            on_close.pop(0)()
        except Exception:
            log.exception("A call_on_close function of a stream raised")
    if record.announced and stream_finished.receivers:
        stream_finished.send(
            app,
            stream=record,
            outcome=record.outcome,
            bytes_made=record.bytes_made,
            bytes_sent=record.bytes_sent,
            chunks=record.chunks,
            seconds=record.seconds,
            first_byte_seconds=record.first_byte_seconds,
            exception=error,
        )

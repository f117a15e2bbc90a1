"""How a stream ended, told to the app: the log, two signals, `call_on_close`.

In: a stream that has ended. Out: what plain Flask leaves out, since to it a view is
over when its generator begins: the traceback in the app's log, `got_request_exception`
for whoever collects errors, and `stream_finished`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, got_request_exception

from . import native
from .serve.drive import warn_once
from .serve.stream import Stream
from .signals import stream_finished
from .state import State

__all__ = ["report", "report_apart"]

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


def report_apart(
    app: Flask, state: State, on_close: list[Callable[[], Any]]
) -> Callable[[Stream], None]:
    """Give what reports a stream that has left its request.

    One for all of an app, where there is nothing of the stream's own: ten thousand
    would take two megabytes.
    """
    if on_close:
        return partial(_finish_apart, app, state, on_close)
    if state.report is None:
        state.report = partial(_finish_apart, app, state, on_close)
    return state.report


def _finish_apart(
    app: Flask, state: State, on_close: list[Callable[[], Any]], record: Stream
) -> None:
    state.registry.discard(record)
    # On a loop's thread, so only if anybody is to hear of it.
    if record.exception is not None or stream_finished.receivers or on_close:
        native.post(partial(report, app, record, on_close, None))

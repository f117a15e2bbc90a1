"""The choice of the driver, made anew for each request.

In: a transfer, and what the request shows of its server. Out: the iterable that the
server gets, with the transfer behind it. It refuses to know Flask.

Under WSGI a feed is parked if its connection can be taken, and everything else is
pulled. Under `ASGIApp` the environ has an exchange, which knows the event loop.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

from .. import native
from .client import Connection, HalfClose
from .fed import Fed
from .loop import loop
from .park import Parked, is_chunked, why_not
from .pump import Pump
from .stream import Cancellable
from .takeover import Takeover, head_of
from .transfer import Transfer

__all__ = [
    "EXCHANGE",
    "PUSH",
    "Carrier",
    "call_later",
    "drive",
    "hides_a_cut",
    "warn_once",
]

log = logging.getLogger("flask_sluice")

# What `ASGIApp` puts into the environ: its carrier, and a call that promises a push.
EXCHANGE = "flask_sluice.exchange"
PUSH = "flask_sluice.push"

Start = Callable[..., Any]


class Carrier(Protocol):
    """What `ASGIApp` puts into the environ."""

    def carry(self, transfer: Transfer, start_response: Start) -> Iterable[bytes]:
        """Take the transfer on; give what the app's thread is left with."""


def drive(
    transfer: Transfer,
    environ: Mapping[str, Any],
    start_response: Start,
    status: str,
    headers: list[tuple[str, str]],
    *,
    connection: Connection | None,
    park: bool | Literal["always"],
    half_close: HalfClose,
) -> Iterable[bytes]:
    """Give the server the body, by the best way that it allows."""
    exchange: Carrier | None = environ.get(EXCHANGE)
    if exchange is not None:
        return exchange.carry(transfer, start_response)
    has_length = any(name.lower() == "content-length" for name, _ in headers)
    chunked = not has_length and is_chunked(environ)
    is_old = environ.get("SERVER_PROTOCOL") == "HTTP/1.0"
    if chunked and is_old and connection is not None and connection.plain:
        return Takeover(connection.take(), head_of(status, headers), transfer)
    transfer.connection = connection
    transfer.reset = not has_length and not chunked
    transfer.is_gone = environ.get("waitress.client_disconnected")
    if isinstance(transfer, Fed) and not isinstance(transfer.feed, Pump) and park:
        reason = why_not(environ, start_response, connection, trusting=park == "always")
        if reason is None:
            assert connection is not None
            if transfer.will_wait:
                _announce_close(start_response)
            transfer.park = functools.partial(
                _park,
                connection,
                chunked=chunked,
                half_close=connection.policy(half_close),
            )
        elif "SERVER_SOFTWARE" in environ:  # a test client has none
            warn_once(
                f"Live streams hold a worker's thread each here: {reason}. Set"
                " SLUICE_PARK = False if that is meant."
            )
    return transfer


def _park(
    connection: Connection, transfer: Fed, *, chunked: bool, half_close: HalfClose
) -> bool:
    try:
        sock = connection.take()
    except OSError as error:
        warn_once(f"A live stream could not be parked, and holds a thread: {error}")
        return False
    transfer.hand_over()
    Parked(
        sock,
        transfer.feed,
        transfer.stream,
        chunked=chunked,
        pipeline=transfer.pipeline,
        half_close=half_close,
    )
    return True


def _announce_close(start_response: Start) -> None:
    # A parked connection doesn't come back to its server, so it is closed after this
    # response. gunicorn would promise to keep it, and a client that believed that
    # could send its next request into the closing. (Werkzeug closes anyway.)
    force_close = getattr(
        getattr(start_response, "__self__", None), "force_close", None
    )
    if force_close is not None:
        force_close()


# Servers that end a body that raised as if it were whole, and how they show.
_HIDING = (
    ("granian", "Granian's WSGI interface ends a failed body like a whole one"),
    ("uwsgi", "uWSGI ends a failed body like a whole one"),
)


def hides_a_cut(
    environ: Mapping[str, Any], connection: Connection | None
) -> str | None:
    """Say why a client here can't tell a broken body from a whole one.

    None where it can: by chunks, by HTTP/2's frames, or by a reset.
    """
    software = str(environ.get("SERVER_SOFTWARE", "")).lower()
    if environ.get(EXCHANGE) is None:
        for name, reason in _HIDING:
            if name in software or f"{name}.version" in environ:
                return reason
        if connection is not None and connection.plain:
            return None
    if environ.get("SERVER_PROTOCOL") == "HTTP/1.0":
        return (
            "over HTTP/1.0 the end of the connection is the end of the body, and this"
            " server doesn't let an app reset it"
        )
    return None


_said: set[str] = set()


def warn_once(sentence: str) -> None:
    """Log *sentence* the first time in this process."""
    if sentence not in _said:
        _said.add(sentence)
        log.warning(sentence)


def call_later(seconds: float, callback: Callable[[], None]) -> Cancellable:
    """Call *callback* after *seconds*, on a thread that isn't the app's."""
    if native.HAS_EPOLL:
        return loop().call_later(seconds, callback)
    timer = threading.Timer(seconds, callback)
    timer.daemon = True
    timer.start()
    return timer

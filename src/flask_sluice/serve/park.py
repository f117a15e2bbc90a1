"""Driver "park": a feed's socket leaves the server's thread and waits in one of ours.

In: a feed, and the environ of a request whose headers have been sent. Out: bytes on
the wire, written by the loop's thread; the server's thread goes home. It refuses to
know what the feed is, and it never waits: what a socket doesn't take is kept, and
the feed isn't asked again until it is gone.

The recipe, seen to work on gunicorn sync, gthread and gevent and on `flask run`: the
server has sent status, headers and first chunk when it asks for the second. At that
moment the connection is copied, and the server's own descriptor is turned into one
end of a pair whose other end is closed. The server writes its terminator there, logs
the request, runs teardown, and takes the client for gone. A parked stream costs
under a kilobyte (measured with eight thousand of them) and no thread.

The trap in it: a chunk of length zero ends a chunked body. One framed by accident
makes a client believe that it has the whole. `wire.framing` never makes one.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from .. import native
from ..errors import SluiceError
from ..typing import Feed
from ..wire.framing import LAST_CHUNK, chunk
from ..wire.pipeline import Pipeline
from .client import (
    CLOSE_IN_PEACE,
    GRACE,
    RESET_ON_CLOSE,
    Connection,
    HalfClose,
    keep_alive,
)
from .loop import ERROR, HALF, WRITE, Loop, Timer, loop
from .stream import Outcome, Stream

__all__ = ["NotParkable", "Parked", "is_chunked", "server_of", "why_not"]

log = logging.getLogger("flask_sluice")


class NotParkable(SluiceError):
    """Why this connection stays with its server."""


def server_of(environ: Mapping[str, Any]) -> str:
    """Name the server, as far as the rules here are concerned."""
    software = str(environ.get("SERVER_SOFTWARE", "")).lower()
    return next((s for s in ("gunicorn", "werkzeug") if s in software), software)


def is_chunked(environ: Mapping[str, Any]) -> bool:
    """Tell whether the server frames a body without a length as chunks."""
    if server_of(environ) == "werkzeug":
        # It answers HTTP/1.1, whatever it was asked, when it has threads or
        # processes, and HTTP/1.0 when it has not.
        return bool(environ["wsgi.multithread"] or environ["wsgi.multiprocess"])
    return environ.get("SERVER_PROTOCOL") == "HTTP/1.1"


# Whose start_response it is, when no middleware has put its own in front.
_OWN = {
    "gunicorn": "gunicorn.http.wsgi",
    "werkzeug": "werkzeug.serving",
}


def why_not(
    environ: Mapping[str, Any],
    start_response: Callable[..., Any],
    connection: Connection | None,
    *,
    trusting: bool = False,
) -> str | None:
    """Say why this connection can't be parked, or None when it can.

    :param trusting: a middleware's `start_response` is no reason.
    """
    server = server_of(environ)
    if server not in _OWN:
        return f"the server ({server or 'unknown'}) doesn't show its sockets"
    if connection is None:
        return "there is no HTTP/1.x socket of this request's own"
    if not connection.plain:
        return "TLS ends inside the server"
    owner = getattr(start_response, "__self__", None)
    module = (start_response if owner is None else type(owner)).__module__
    if module != _OWN[server] and not trusting:
        return (
            f"a middleware of {module} stands between the app and the server and may"
            ' rewrite bodies; if it does not, set SLUICE_PARK = "always"'
        )
    return connection.fault or _rehearse()


@functools.cache
def _rehearse() -> str | None:
    """Go through the recipe once in each process, on a pair of our own."""
    client, server = socket.socketpair()
    with client, server:
        client.setblocking(False)
        try:
            mine = Connection(server, plain=True).take()
            with contextlib.closing(mine):
                with contextlib.suppress(OSError):
                    os.write(server.fileno(), b"lost")
                mine.send(b"kept")
                if client.recv(16) != b"kept":
                    return "a socket's descriptor can't be exchanged here"
        except OSError as error:
            return f"a socket's descriptor can't be exchanged here ({error})"
    return None


# The same line goes to thousands of clients: framed once, kept by identity.
_framed: tuple[bytes, bytes] = (b"", b"")


def _frame(data: bytes) -> bytes:
    global _framed
    if _framed[0] is not data:
        _framed = (data, chunk(data))
    return _framed[1]


class Parked:
    """One parked stream. Lives on the loop's thread.

    It is what its feed, its stream and the loop call, so that none of them keeps more
    than this one object: from any thread when there is news, and by the loop, with
    events, when something has happened to the socket.

    :param sock: the connection; ours from now on.
    :param chunked: whether the headers said so.
    :param half_close: what a FIN means: `Connection.policy`, from before the headers.
    """

    __slots__ = (
        "_chunked",
        "_ending",
        "_feed",
        "_half_close",
        "_loop",
        "_pending",
        "_pipeline",
        "_sock",
        "_stream",
        "_timer",
    )

    def __init__(
        self,
        sock: native.RawSocket,
        feed: Feed,
        stream: Stream,
        *,
        chunked: bool,
        pipeline: Pipeline,
        half_close: HalfClose,
    ) -> None:
        self._sock: native.RawSocket | None = sock
        self._feed = feed
        self._stream = stream
        self._chunked = chunked
        self._pipeline = pipeline
        self._half_close = half_close
        self._pending: memoryview | None = None
        self._ending = False  # all that is missing is in _pending
        self._timer: Timer | None = None
        self._loop: Loop = loop()
        keep_alive(sock)
        _limit_unsent(sock, feed)
        if not chunked:
            # The end of the connection is the end of the body. So that nobody takes
            # the end of this process for that, closing resets until all is sent.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        stream.driver = "park"
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        sock = self._sock
        if sock is None:
            return
        self._loop.add(sock.fileno(), self._events(), self)
        self._stream.on_interrupt(self)
        self.look()

    # What happens to it.

    def __call__(self, events: int = 0) -> None:
        """Look what is new, or has happened."""
        if events:
            self._event(events)
        else:
            self._loop.wake(self)

    def _event(self, events: int) -> None:
        if events & ERROR:
            self._stream.stop("left")
        elif events & HALF:
            if self._half_close == "leave":
                self._stream.stop("left")
                return
            # Told once; from now on only a reset says that the client is gone.
            self._half_close = "stay"
            self._watch()
            sent = self._stream.chunks
            self._timer = self._loop.call_later(GRACE, lambda: self._decide(sent))
        if events & WRITE and self._sock is not None:
            self._send_pending()

    def _decide(self, sent: int) -> None:
        if self._sock is not None and self._stream.chunks == sent:
            self._stream.stop("left")

    def look(self) -> None:
        """Send what is new, or end."""
        stream = self._stream
        if stream.verdict is not None:
            self._end(stream.verdict)
            return
        if self._sock is None or self._pending is not None:
            return
        feed = self._feed
        try:
            data = feed.take()
            if data is None:
                self._finish()
                return
            if data:
                out = self._pipeline.push(data)
                stream.count(len(data), len(out))
                if out and not self._send(_frame(out) if self._chunked else out):
                    return
            # Once a turn, and then it is the others' one. Mostly there is nothing
            # more, and to be told so by a second take() is a tenth of the work.
            feed.notify(self)
        except Exception as error:
            self._end("failed", error)

    def _finish(self) -> None:
        out = self._pipeline.finish()
        self._stream.count(0, len(out))
        self._ending = True
        is_sent = self._send(_frame(out) + LAST_CHUNK if self._chunked else out)
        if is_sent and self._stream.verdict is None:
            self._end("complete")

    # Writing.

    def _send(self, data: bytes) -> bool:
        """Send it; False if some is left, or nobody is there any more."""
        assert self._sock is not None
        try:
            sent = self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._stream.stop("left")
            return False
        if sent == len(data):
            return True
        self._pending = memoryview(data)[sent:]
        self._watch()
        return False

    def _send_pending(self) -> None:
        pending = self._pending
        if pending is None or self._sock is None:
            return
        try:
            sent = self._sock.send(pending, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._stream.stop("left")
            return
        self._pending = pending[sent:] if sent < len(pending) else None
        if self._pending is None:
            self._watch()
            if self._ending:
                self._end("complete")
            else:
                self.look()

    def _events(self) -> int:
        events = 0 if self._half_close == "stay" else HALF
        return events if self._pending is None else events | WRITE

    def _watch(self) -> None:
        if self._sock is not None:
            self._loop.modify(self._sock.fileno(), self._events())

    # The end.

    def _end(self, outcome: Outcome, error: Exception | None = None) -> None:
        sock = self._sock
        if sock is None:
            return
        self._sock = None
        self._pending = None
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove(sock.fileno())
        try:
            self._feed.close()
        except Exception as raised:
            error = error or raised
        _close(sock, outcome)
        self._stream.finish(outcome, error)


def _limit_unsent(sock: native.RawSocket, feed: Feed) -> None:
    # The kernel would take megabytes for a client that is slow: seconds of video that
    # are old when they arrive (7.7 s were measured, and 0.5 s with this). Connections
    # that aren't TCP have no such limit.
    limit = getattr(feed, "unsent", None)
    if limit is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limit)


def _close(sock: native.RawSocket, outcome: Outcome) -> None:
    with contextlib.suppress(OSError):
        if outcome == "complete":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_IN_PEACE)
            sock.shutdown(socket.SHUT_WR)
            # Unread bytes (a next request, already sent) would turn the close into
            # a reset, and that could overtake the last bytes sent.
            while sock.recv(65536, socket.MSG_DONTWAIT):
                pass
    sock.close()

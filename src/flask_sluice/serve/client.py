"""The client's connection, where the server shows it: watched, cut or taken over.

In: a WSGI environ. Out: whether the client is still there, a transfer that is
plainly broken, or the socket itself. It refuses to know what is streamed.

gunicorn's workers and Werkzeug put the connection's socket into the environ. That
isn't promised anywhere, so each use checks what it has got, and every server
version that the tests run pins it.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Literal

from .. import native
from .loop import ERROR, HALF, Loop, Timer, loop
from .stream import Departure, Stream

__all__ = ["Connection", "HalfClose", "Watch", "has_fin", "keep_alive"]

HalfClose = Literal["ask", "stay", "leave"]

SOCKETS = ("gunicorn.socket", "werkzeug.socket")
GRACE = 0.75  # seconds after a FIN; with the rest a departure is known within 1 s
# Asked after 30 s of silence, then every 15 s; gone after 4 questions unanswered.
KEEP_ALIVE = [
    (getattr(socket, name, 0), value)  # Linux's; elsewhere no client is watched
    for name, value in (
        ("TCP_KEEPIDLE", 30),
        ("TCP_KEEPINTVL", 15),
        ("TCP_KEEPCNT", 4),
    )
]
CLOSE_WAIT = 8  # the first byte of Linux's struct tcp_info is the state
SO_COOKIE = 57  # Linux: a number that no other socket has, ever
_closing = native.lock()  # held for a flag only
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
CLOSE_IN_PEACE = struct.pack("ii", 0, 0)


class Connection:
    """A connection of HTTP/1.x that belongs to one request.

    It is made before any byte is sent, and asks the server's own socket all that it
    wants to know of it. A copy would have to be made and closed, and each call of the
    system at which a thread lets go of Python's lock is one more at which the others
    take it: at a thousand connects a second that is what they cost.

    :param sock: the server's, or what it has in its place. It isn't kept.
    :ivar fd: the server's own descriptor. Once the server has closed the connection
        the number may be somebody else's, so what it names is compared before use.
    :ivar plain: bytes can be written to it as they are: no TLS in between.
    :ivar came_closed: whether the client's FIN came with the request.
    :ivar fault: why it can't be taken, or None.
    :raises OSError: it is no socket, or closed.
    """

    __slots__ = ("_identity", "came_closed", "fault", "fd", "plain")

    def __init__(self, sock: native.RawSocket, *, plain: bool) -> None:
        self.fd = sock.fileno()
        self.plain = plain
        self._identity = _identity(sock)
        self.fault: str | None = None
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != socket.SOCK_STREAM:
            self.fault = "its socket is not a stream"
        elif sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            self.fault = "its socket is the one that listens"
        self.came_closed = self.fault is None and has_fin(sock)

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Connection | None:
        """Find it, or None where the server shows none or shares it."""
        if not native.HAS_EPOLL:
            return None
        sock = next((environ[key] for key in SOCKETS if key in environ), None)
        if sock is None:
            return None
        # HTTP/2 in gunicorn: the environ has the socket that all its streams share.
        if environ.get("HTTP_VERSION") == "2" or not environ.get(
            "SERVER_PROTOCOL", ""
        ).startswith("HTTP/1."):
            return None
        try:
            return cls(sock, plain=not hasattr(sock, "do_handshake"))
        except (AttributeError, OSError):
            return None

    def copy(self) -> native.RawSocket:
        """Make a second descriptor for the connection. The caller closes it.

        :raises OSError: the server has closed it.
        """
        fd = os.dup(self.fd)
        try:
            sock = native.RawSocket(fileno=fd)
        except BaseException:
            os.close(fd)
            raise
        if _identity(sock) != self._identity:
            sock.close()
            raise OSError(errno.EBADF, "the server has closed this connection")
        return sock

    def policy(self, half_close: HalfClose) -> HalfClose:
        """Give what a FIN will mean from here on.

        A FIN that came with the request is from a tool that has said all it wants, and
        only a reset will tell that such a client is gone. One that came later may be
        from a client that has seen enough, however soon that was.
        """
        return "stay" if half_close == "ask" and self.came_closed else half_close

    def take(self) -> native.RawSocket:
        """Take the connection away from the server.

        It is left with a dead end: whatever it still writes goes nowhere, and it
        takes that for a client that left.
        """
        mine = self.copy()
        try:
            os.dup2(_dead_end(), self.fd, inheritable=False)
        except BaseException:
            mine.close()
            raise
        return mine

    def cut(self, *, reset: bool) -> None:
        """End the transfer so that the client sees that it isn't whole.

        Beside the exception that the server gets, because a middleware (Werkzeug's
        debugger is one) may swallow that and end the body properly.

        :param reset: the body has neither a length nor chunks, so that its end is
            the connection's end (HTTP/1.0): only a TCP reset can be told from it.
        """
        with contextlib.suppress(OSError):
            if reset and self.plain:
                mine = self.take()
                mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                mine.close()
            else:
                mine = self.copy()
                try:
                    mine.shutdown(socket.SHUT_RDWR)
                finally:
                    mine.close()


def _identity(sock: native.RawSocket) -> bytes | int:
    # The inode's number is as good, but asking for it lets go of Python's lock.
    try:
        return sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8)
    except OSError:
        return os.fstat(sock.fileno()).st_ino


@functools.cache
def _dead_end() -> int:
    """Give a descriptor of one end of a pair whose other end is closed.

    There is nothing about it that one connection could change for another, so one does
    for all of a process, and for its children.
    """
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours.detach()


class Watch:
    """Looks out for one client until it is closed.

    :param stream: what to stop, or a request's `Departure` when there is none yet.
    :param policy: the value of `SLUICE_HALF_CLOSE`.
    """

    __slots__ = ("_closed", "_loop", "_policy", "_sent", "_sock", "_timer", "target")

    def __init__(
        self,
        connection: Connection,
        target: Stream | Departure,
        policy: HalfClose,
    ) -> None:
        self.target = target
        self._policy = connection.policy(policy)
        self._closed = False
        self._timer: Timer | None = None
        self._sent = 0
        self._loop: Loop = loop()
        self._sock = connection.copy()
        if self._policy != policy:
            keep_alive(self._sock)
        events = ERROR if self._policy == "stay" else HALF
        self._loop.add(self._sock.fileno(), events, self._event)

    def close(self) -> None:
        """Watch no more. From any thread, as often as you like."""
        with _closing:
            if self._closed:
                return
            self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove(self._sock.fileno())
        self._sock.close()

    def look(self) -> None:
        """Look right now, for whoever asks only once."""
        try:
            peeked = self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            gone = not peeked and self._policy == "leave"
        except BlockingIOError:
            return
        except OSError:
            gone = not self._closed
        if gone:
            self._gone()

    def _event(self, events: int) -> None:
        if self._closed or not events:
            return
        if events & ERROR or self._policy == "leave":
            self._gone()
            return
        # A FIN, which is level-triggered and would be told for ever. From here on
        # only a reset matters: it comes one round trip after the next byte sent, if
        # the client has really gone.
        with contextlib.suppress(OSError, ValueError):  # closed this very moment
            self._loop.modify(self._sock.fileno(), ERROR)
        self._sent = self._chunks()
        self._timer = self._loop.call_later(GRACE, self._decide)

    def _decide(self) -> None:
        if not self._closed and self._chunks() == self._sent:
            self._gone()

    def _chunks(self) -> int:
        return self.target.chunks if isinstance(self.target, Stream) else 0

    def _gone(self) -> None:
        target = self.target
        self.close()
        if isinstance(target, Stream):
            target.stop("left")
        else:
            target.leave()


def keep_alive(sock: native.RawSocket) -> None:
    """Have the kernel ask a silent client now and then whether it is there.

    A client that lost its power sends nothing, ever; one that half-closed and then
    went answers the first question that comes a minute after that with a reset.
    """
    with contextlib.suppress(OSError):  # a Unix socket
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def has_fin(sock: native.RawSocket) -> bool:
    """Tell whether the client has closed its sending half already."""
    try:
        state: bytes = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    except OSError:
        # A Unix socket, whose other end is a proxy.
        return bool(native.pending_events(sock.fileno(), HALF) & HALF)
    return state[0] == CLOSE_WAIT

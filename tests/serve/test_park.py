"""Parked feeds on real connections: whole or broken, bounded, and all counted."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import zlib
from typing import Any

import h11
import pytest

from flask_sluice import native
from flask_sluice.serve.client import Connection
from flask_sluice.serve.loop import loop
from flask_sluice.serve.park import Parked, is_chunked, server_of, why_not
from flask_sluice.serve.stream import Departure, Stream
from flask_sluice.wire.pipeline import Pipeline
from helpers import PATIENCE, HandFeed, open_descriptors, read_to_end, tcp_pair, until

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


class Lot:
    """One parked stream and its client."""

    def __init__(
        self,
        feed: Any,
        *,
        chunked: bool = True,
        half_close: Any = "ask",
        coding: str | None = None,
        **buffers: int,
    ) -> None:
        self.client, server = tcp_pair(**buffers)
        self.feed = feed
        self.stream = Stream("/", "::1", Departure())
        self.ended = threading.Event()
        self.stream.on_finish(lambda _: self.ended.set())
        Parked(
            native.RawSocket(fileno=server.detach()),
            feed,
            self.stream,
            chunked=chunked,
            pipeline=Pipeline(coding),
            half_close=half_close,
        )

    def wait(self) -> str | None:
        """Wait for the end; give the outcome."""
        assert self.ended.wait(PATIENCE)
        assert self.feed.closes == 1
        return self.stream.outcome


def settle() -> None:
    """Wait until the loop has done what it was asked so far."""
    done = threading.Event()
    loop().call_soon(done.set)
    assert done.wait(PATIENCE)


def parse(wire: bytes) -> tuple[bytes, bool]:
    """Have h11 read the body; tell whether it is whole."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(HEAD + wire)
    body = b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return body, True
        elif event is h11.NEED_DATA:
            return body, False


def test_a_whole_body() -> None:
    """What the feed had and what it gets, the last chunk, and a FIN."""
    feed = HandFeed(b"one\n", b"two\n")
    lot = Lot(feed)
    with lot.client:
        settle()
        feed.put(b"three\n")
        feed.put(b"four\n", None)
        wire = read_to_end(lot.client)
        assert parse(wire) == (b"one\ntwo\nthree\nfour\n", True)
        assert lot.wait() == "complete"
        assert lot.stream.driver == "park"
        assert (lot.stream.bytes_made, lot.stream.chunks) == (19, 4)


def test_unread_bytes_of_the_client_do_not_spoil_the_end() -> None:
    """A pipelined request is thrown away; the answer arrives whole."""
    feed = HandFeed(b"one\n")
    lot = Lot(feed)
    with lot.client:
        lot.client.send(b"GET /next HTTP/1.1\r\n\r\n")
        settle()
        feed.put(None)
        assert parse(read_to_end(lot.client)) == (b"one\n", True)
        assert lot.wait() == "complete"


def test_a_feed_that_raises_has_no_last_chunk() -> None:
    """The bytes before it arrive, and the body isn't whole."""
    error = LookupError("late")
    feed = HandFeed(b"one\n")
    lot = Lot(feed)
    with lot.client:
        feed.put(error)
        assert parse(read_to_end(lot.client)) == (b"one\n", False)
        assert lot.wait() == "failed"
        assert lot.stream.exception is error


def test_an_expired_stream_has_no_last_chunk() -> None:
    """Nor has one whose time is up."""
    lot = Lot(HandFeed(b"one\n"))
    with lot.client:
        assert lot.client.recv(100) == b"4\r\none\n\r\n"
        lot.stream.stop("expired")
        assert read_to_end(lot.client) == b""
        assert lot.wait() == "expired"


@pytest.mark.parametrize("end", [None, LookupError("late")])
def test_without_chunks_only_a_whole_body_ends_in_peace(end: Any) -> None:
    """The connection's end is the body's; anything else is a reset."""
    feed = HandFeed(b"one\n")
    lot = Lot(feed, chunked=False)
    with lot.client:
        assert lot.client.recv(4) == b"one\n"
        feed.put(b"two\n", end)
        if end is None:
            assert read_to_end(lot.client) == b"two\n"
            assert lot.wait() == "complete"
        else:
            with pytest.raises(ConnectionResetError):
                read_to_end(lot.client)
            assert lot.wait() == "failed"


def test_a_compressed_feed_is_readable_line_by_line() -> None:
    """Each take is flushed; a whole body has gzip's end."""
    feed = HandFeed()
    lot = Lot(feed, chunked=False, coding="gzip")
    decoder = zlib.decompressobj(31)
    with lot.client:
        for line in (b"one\n", b"two\n"):
            feed.put(line)
            got = b""
            while got != line:
                got += decoder.decompress(lot.client.recv(100))
        feed.put(None)
        decoder.decompress(read_to_end(lot.client))
        assert decoder.eof
        assert lot.wait() == "complete"


def test_a_slow_reader_holds_no_more_than_a_take() -> None:
    """While bytes wait for the socket the feed isn't asked; then all comes in order."""
    pieces = [bytes([65 + n % 26]) * 50_000 for n in range(60)]
    feed = HandFeed(*pieces)
    feed.put(None)
    lot = Lot(feed, receive_buffer=8192, send_buffer=8192)
    with lot.client:
        settle()
        settle()
        asked = feed.given
        assert 0 < asked < 1_000_000
        for _ in range(20):
            settle()
        assert feed.given == asked
        assert parse(read_to_end(lot.client)) == (b"".join(pieces), True)
        assert lot.wait() == "complete"


def test_a_wake_for_nothing_spoils_nothing() -> None:
    """A feed may wake while bytes wait: it isn't asked, and the order stays."""
    wakes: list[Any] = []

    class Nervous(HandFeed):
        """A feed that remembers whom to wake."""

        def notify(self, wake: Any) -> None:
            wakes.append(wake)
            super().notify(wake)

    pieces = [bytes([65 + n % 26]) * 50_000 for n in range(60)]
    feed = Nervous()
    lot = Lot(feed, receive_buffer=8192, send_buffer=8192)
    with lot.client:
        settle()
        feed.put(*pieces, None)
        settle()
        settle()
        asked = feed.given
        for _ in range(20):
            wakes[0]()
            settle()
        assert feed.given == asked < 1_000_000
        assert parse(read_to_end(lot.client)) == (b"".join(pieces), True)
        assert lot.wait() == "complete"


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_client_that_leaves_ends_it(way: str) -> None:
    """Within a second, though the feed is silent."""
    lot = Lot(HandFeed(b"one\n"))
    assert lot.client.recv(100)
    if way == "reset":
        lot.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    lot.client.close()
    assert lot.ended.wait(1.0)
    assert lot.wait() == "left"


def test_a_client_that_leaves_while_bytes_wait_ends_it() -> None:
    """A writer that is stuck notices too."""
    feed = HandFeed(*[b"x" * 100_000] * 50)
    lot = Lot(feed, receive_buffer=8192, send_buffer=8192)
    settle()
    settle()
    lot.client.close()
    assert lot.wait() == "left"


@pytest.mark.parametrize("policy", ["ask", "stay"])
def test_a_half_closed_client_that_is_written_to_stays(policy: str) -> None:
    """It gets the rest."""
    feed = HandFeed(b"one\n")
    lot = Lot(feed, half_close=policy)
    with lot.client:
        assert lot.client.recv(100)
        lot.client.shutdown(socket.SHUT_WR)
        settle()
        feed.put(b"two\n")
        assert lot.client.recv(100) == b"4\r\ntwo\n\r\n"
        assert not lot.ended.wait(0.9)
        feed.put(None)
        assert read_to_end(lot.client) == b"0\r\n\r\n"
        assert lot.wait() == "complete"


def test_a_half_closed_client_leaves_by_policy() -> None:
    """At once when the policy says "leave"."""
    lot = Lot(HandFeed(b"one\n"), half_close="leave")
    with lot.client:
        lot.client.shutdown(socket.SHUT_WR)
        assert lot.ended.wait(0.5)
        assert lot.wait() == "left"


def test_a_close_that_raises_is_the_streams_error() -> None:
    """And the connection is closed all the same."""

    class Bad(HandFeed):
        """A feed whose close fails."""

        def close(self) -> None:
            super().close()
            raise LookupError("in close")

    feed = Bad(b"one\n")
    lot = Lot(feed)
    with lot.client:
        feed.put(None)
        assert parse(read_to_end(lot.client)) == (b"one\n", True)
        assert lot.wait() == "complete"


def test_two_hundred_feeds_of_fifty_lines_are_all_counted() -> None:
    """Every line to every client, none twice, on one thread."""
    lots = [Lot(HandFeed()) for _ in range(200)]
    with contextlib.ExitStack() as stack:
        for lot in lots:
            stack.enter_context(lot.client)
        for n in range(50):
            line = b"line %d\n" % n
            for lot in lots:
                lot.feed.put(line)
        for lot in lots:
            lot.feed.put(None)
        expected = b"".join(b"line %d\n" % n for n in range(50))
        for lot in lots:
            assert parse(read_to_end(lot.client)) == (expected, True)
    for lot in lots:
        assert lot.wait() == "complete"
        assert lot.stream.bytes_made == len(expected)


def test_ended_streams_leave_no_descriptor() -> None:
    """Complete, failed, left and expired."""
    settle()
    before = open_descriptors()
    for n in range(40):
        feed = HandFeed(b"x")
        lot = Lot(feed)
        with lot.client:
            if n % 4 == 0:
                feed.put(None)
            elif n % 4 == 1:
                feed.put(LookupError())
            elif n % 4 == 2:
                lot.stream.stop("expired")
            else:
                lot.stream.stop("left")
            lot.wait()
    until(lambda: open_descriptors() == before)


# Whether it may be parked.


def _own_start_response(*args: Any) -> None:
    """Stand for gunicorn's."""


_own_start_response.__module__ = "gunicorn.http.wsgi"


def _environ(server: Any, **more: Any) -> dict[str, Any]:
    return {
        "SERVER_SOFTWARE": "gunicorn/25.0.0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "gunicorn.socket": server,
        **more,
    }


def test_a_plain_socket_of_a_known_server_may_be_parked() -> None:
    """No reason against it."""
    client, server = tcp_pair()
    with client, server:
        assert ask(_environ(server), _own_start_response) is None


def ask(environ: dict[str, Any], start_response: Any, **more: Any) -> str | None:
    """Ask as `drive` does."""
    return why_not(environ, start_response, Connection.of(environ), **more)


def test_why_not() -> None:
    """Each reason is said in words."""
    client, server = tcp_pair()
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener = socket.create_server(("127.0.0.1", 0))
    own = _own_start_response

    def foreign(*args: Any) -> None:
        """Stand for a middleware's."""

    class Tls:
        """Looks like a TLS socket."""

        fileno = server.fileno
        getsockopt = server.getsockopt
        do_handshake = None

    with client, server, one, two, listener:
        reasons = [
            (_environ(server, SERVER_SOFTWARE="waitress"), own, "waitress"),
            ({}, own, "unknown"),
            (_environ(server, SERVER_PROTOCOL="HTTP/2"), own, "HTTP/1.x"),
            (_environ(None), own, "HTTP/1.x"),
            (_environ(Tls()), own, "TLS"),
            (_environ(server), foreign, "middleware"),
            (_environ(one), own, "not a stream"),
            (_environ(listener), own, "listens"),
        ]
        for environ, start_response, words in reasons:
            reason = ask(environ, start_response)
            assert reason is not None
            assert words in reason
        assert ask(_environ(server), foreign, trusting=True) is None


@pytest.mark.parametrize(
    ("software", "protocol", "threads", "expected"),
    [
        ("gunicorn/25", "HTTP/1.1", True, True),
        ("gunicorn/25", "HTTP/1.0", True, False),
        ("Werkzeug/3.1", "HTTP/1.0", True, True),
        ("Werkzeug/3.1", "HTTP/1.1", False, False),
    ],
)
def test_who_frames_chunks(
    software: str, protocol: str, threads: bool, expected: bool
) -> None:
    """By the request for gunicorn, by its own threads for Werkzeug."""
    environ = {
        "SERVER_SOFTWARE": software,
        "SERVER_PROTOCOL": protocol,
        "wsgi.multithread": threads,
        "wsgi.multiprocess": False,
    }
    assert is_chunked(environ) is expected
    assert server_of(environ) == software.partition("/")[0].lower()

"""The client's connection: found, taken, cut, and watched without a false alarm."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from flask_sluice import native
from flask_sluice.serve.client import GRACE, Connection, Watch, has_fin
from flask_sluice.serve.stream import Departure, Stream
from helpers import PATIENCE, open_descriptors, read_to_end, tcp_pair, until

RESET = struct.pack("ii", 1, 0)


class Tls:
    """Looks like a TLS socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.fileno = sock.fileno
        self.getsockopt = sock.getsockopt

    def do_handshake(self) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
def test_it_is_found_where_servers_put_it(key: str) -> None:
    """By gunicorn and Werkzeug, over HTTP/1.x."""
    client, server = tcp_pair()
    with client, server:
        for protocol in ("HTTP/1.0", "HTTP/1.1"):
            found = Connection.of({key: server, "SERVER_PROTOCOL": protocol})
            assert found is not None
            assert (found.fd, found.plain) == (server.fileno(), True)


def test_it_is_not_found_where_it_is_not_the_requests_own(tmp_path: Any) -> None:
    """No socket, a closed one, a file, HTTP/2, no protocol: None."""
    client, server = tcp_pair()
    closed = socket.socket()
    closed.close()
    key, one = "gunicorn.socket", {"SERVER_PROTOCOL": "HTTP/1.1"}
    with client, server, (tmp_path / "file").open("w") as file:
        assert Connection.of({}) is None
        assert Connection.of(one) is None
        assert Connection.of({key: server}) is None
        assert Connection.of({key: server, "SERVER_PROTOCOL": "HTTP/2"}) is None
        assert Connection.of({key: server, **one, "HTTP_VERSION": "2"}) is None
        assert Connection.of({key: closed, **one}) is None
        assert Connection.of({key: file, **one}) is None
        assert Connection.of({key: object(), **one}) is None
        found = Connection.of({key: Tls(server), **one})
        assert found is not None
        assert not found.plain


def test_what_is_taken_is_ours_alone() -> None:
    """We write to the client, and the server's descriptor goes nowhere."""
    client, server = tcp_pair()
    with client, server:
        mine = Connection(server, plain=True).take()
        with pytest.raises(OSError, match="Broken pipe"):
            os.write(server.fileno(), b"lost")
        assert server.recv(1) == b""
        mine.send(b"kept")
        server.close()
        mine.close()
        assert read_to_end(client) == b"kept"


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_is_seen_at_once(reset: bool) -> None:
    """As a reset when it has to be, else as an end, though the server still has it."""
    client, server = tcp_pair()
    with client, server:
        Connection(server, plain=True).cut(reset=reset)
        if reset:
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        else:
            assert client.recv(1) == b""


def test_a_reset_through_tls_is_an_end() -> None:
    """Where TLS stands between the connection is shut down instead."""
    client, server = tcp_pair()
    with client, server:
        Connection(server, plain=False).cut(reset=True)
        assert client.recv(1) == b""


@pytest.mark.parametrize("reset", [True, False])
def test_a_number_that_names_another_socket_is_left_alone(reset: bool) -> None:
    """The server closed the connection, and its number is somebody else's."""
    client, server = tcp_pair()
    other_client, other_server = tcp_pair()
    number = server.fileno()
    connection = Connection(server, plain=True)
    with client, other_client, other_server:
        server.close()
        with pytest.raises(OSError, match=r"descriptor"):
            connection.copy()
        os.dup2(other_server.fileno(), number)
        try:
            with pytest.raises(OSError, match="closed"):
                connection.copy()
            with pytest.raises(OSError, match="closed"):
                connection.take()
            connection.cut(reset=reset)
            os.write(number, b"alive")
            assert other_client.recv(5) == b"alive"
        finally:
            os.close(number)


@pytest.mark.parametrize("pair", [tcp_pair, socket.socketpair], ids=["TCP", "Unix"])
@pytest.mark.parametrize("unread", [b"", b"more"])
def test_has_fin(pair: Callable[[], Any], unread: bytes) -> None:
    """When the client has closed its half, whatever it sent before."""
    client, server = pair()
    with client, server:
        client.sendall(unread)
        assert not has_fin(server)
        client.shutdown(socket.SHUT_WR)
        until(lambda: has_fin(server))


def test_has_fin_of_a_reset() -> None:
    """That is none."""
    client, server = tcp_pair()
    with client, server:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        until(lambda: native.pending_events(server.fileno(), 0))
        assert not has_fin(server)


@pytest.mark.parametrize("pair", [tcp_pair, socket.socketpair], ids=["TCP", "Unix"])
def test_who_is_left_at_a_dead_end(pair: Callable[[], Any]) -> None:
    """Whatever one server does there, the next one finds it the same."""
    for blocking in (True, False, True):
        client, server = pair()
        with client, server, closing(Connection(server, plain=True).take()) as mine:
            server.setblocking(blocking)
            with pytest.raises(BrokenPipeError):
                server.sendall(b"lost")
            assert server.recv(1) == b""
            server.shutdown(socket.SHUT_WR)
            assert server.recv(1) == b""
            mine.sendall(b"kept")
            assert client.recv(9) == b"kept"
            server.close()
            mine.sendall(b"also")
            assert client.recv(9) == b"also"


class Watched:
    """A stream whose client is watched."""

    def __init__(self, server: socket.socket, policy: Any) -> None:
        self.stream = Stream("/", "::1", Departure())
        self.gone = threading.Event()
        self.stream.on_interrupt(self.gone.set)
        connection = Connection(server, plain=True)
        self.watch = Watch(connection, self.stream, policy)


@pytest.mark.parametrize("policy", ["ask", "leave", "stay"])
def test_a_reset_is_a_departure(policy: str) -> None:
    """Under every policy, at once."""
    client, server = tcp_pair()
    with server:
        watched = Watched(server, policy)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        assert watched.gone.wait(1.0)
        assert watched.stream.verdict == "left"


@pytest.mark.parametrize(("policy", "seconds"), [("ask", 1.0), ("leave", 0.5)])
def test_a_client_that_closes_is_gone_within_a_second(
    policy: str, seconds: float
) -> None:
    """A close, or a half close, late and silent."""
    for close in (socket.socket.close, lambda s: s.shutdown(socket.SHUT_WR)):
        client, server = tcp_pair()
        with client, server:
            watched = Watched(server, policy)
            close(client)
            assert watched.gone.wait(seconds)
            assert watched.stream.verdict == "left"


def test_a_half_close_that_came_with_the_request_stays() -> None:
    """Such a client has said all it wants; only a reset ends it."""
    client, server = tcp_pair()
    with client, server:
        client.shutdown(socket.SHUT_WR)
        while not has_fin(server):
            pass
        watched = Watched(server, "ask")
        assert not watched.gone.wait(GRACE + 0.15)
        assert client.fileno() > 0
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        assert watched.gone.wait(1.0)


def test_a_half_close_that_is_written_to_stays() -> None:
    """Bytes that went out since are an answer."""
    client, server = tcp_pair()
    with client, server:
        watched = Watched(server, "ask")
        client.shutdown(socket.SHUT_WR)
        while not has_fin(server):
            pass
        until_seen = threading.Event()
        # The loop counts what had gone when it saw the FIN; this comes after it.
        watched.watch._loop.call_soon(until_seen.set)
        assert until_seen.wait(PATIENCE)
        watched.stream.count(1, 1)
        assert not watched.gone.wait(GRACE + 0.15)
        watched.watch.close()


def test_a_half_close_stays_by_policy() -> None:
    """A FIN alone never means anything when the policy says "stay"."""
    client, server = tcp_pair()
    with client, server:
        watched = Watched(server, "stay")
        client.shutdown(socket.SHUT_WR)
        assert not watched.gone.wait(GRACE + 0.15)
        watched.watch.close()


def test_a_watch_that_was_closed_says_nothing() -> None:
    """From any thread, twice, and the descriptors are back."""
    before = open_descriptors()
    client, server = tcp_pair()
    with client, server:
        watched = Watched(server, "leave")
        watched.watch.close()
        watched.watch.close()
        client.close()
        assert not watched.gone.wait(0.05)
    assert open_descriptors() == before


@pytest.mark.parametrize("policy", ["ask", "leave"])
def test_an_event_that_is_not_true_any_more_is_no_departure(policy: str) -> None:
    """The loop took everything out of it: the client is there."""
    client, server = tcp_pair()
    with client, server:
        watched = Watched(server, policy)
        watched.watch._loop.call_soon(lambda: watched.watch._event(0))
        assert not watched.gone.wait(GRACE + 0.15)
        watched.watch.close()


def test_a_request_without_a_stream_is_watched_too() -> None:
    """The target may be a departure."""
    client, server = tcp_pair()
    departure = Departure()
    gone = threading.Event()
    departure.on_leave(gone.set)
    with server:
        Watch(Connection(server, plain=True), departure, "leave")
        client.close()
        assert gone.wait(PATIENCE)


def test_looking_sees_a_reset_without_waiting_for_the_loop() -> None:
    """`client_gone()` asks right now; bytes that wait are no departure."""
    client, server = tcp_pair()
    with server:
        watched = Watched(server, "stay")
        watched.watch.look()
        client.send(b"next request")
        watched.watch.look()
        assert watched.stream.verdict is None
        watched.watch.close()
    client.close()

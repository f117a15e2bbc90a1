"""Server-sent events on real servers and through real proxies: every delivery counts.

Strategy: the data are numbers, published one after another, so a client can tell by
itself whether one is missing, doubled or out of place.
"""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from helpers import until
from needs import needs
from servers.client import WHOLE, Answer, Client, fetch
from servers.harness import BY_NAME, Row, Server
from servers.proxies import TABLE, start_proxy
from servers.rows import every_server, on, only

EVENT = re.compile(rb"id: (\w+)-(\d+)\ndata: (\d+)")


def told(answer: Answer) -> list[int]:
    """Give the numbers that came; their ids are dense, too."""
    found = EVENT.findall(answer.body)
    sequence = [int(seq) for _, seq, _ in found]
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence)))
    return [int(number) for _, _, number in found]


def last_id(answer: Answer) -> str:
    """Give the id that a browser would come back with: of whole blocks only."""
    whole = answer.body[: answer.body.rindex(b"\n\n")]
    return re.findall(rb"^id: (.*)$", whole, re.MULTILINE)[-1].decode()


def publish(port: int, key: str, first: int, count: int, more: str = "") -> None:
    """Have numbers published by a request of their own."""
    path = f"/publish-many/{key}/{first}/{count}{more}"
    assert fetch(port, path, method="POST").status == 200


@contextlib.contextmanager
def readers(port: int, path: str, count: int) -> Iterator[list[Client]]:
    """Open streams, each of which has been greeted."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(port)) for _ in range(count)]
        for client in clients:
            client.send(path)
            client.until(b": hello\n")
            assert client.answer.headers["content-type"] == "text/event-stream"
        yield clients


@every_server
def test_each_event_reaches_each_client_once(server: Server, key: str) -> None:
    """In order, however fast they come, whether a client reads at once or later."""
    count = 20 if server.row.fed != "pull" else 4
    with readers(server.port, f"/events/{key}", count) as clients:
        publish(server.port, key, 1, 400)
        clients[0].until(b"data: 400\n\n")
        publish(server.port, key, 401, 400)
        for client in clients:
            client.until(b"data: 800\n\n")
            assert told(client.answer) == list(range(1, 801))


@every_server
def test_a_client_that_comes_back_goes_on(server: Server, key: str) -> None:
    """Right after its last event, three times, by the header and by the query."""
    got: list[int] = []
    with readers(server.port, f"/events/{key}", 1) as (client,):
        publish(server.port, key, 1, 50)
        client.until(b"data: 50\n\n")
        got += told(client.answer)
        place = last_id(client.answer)
    for turn in range(1, 4):
        publish(server.port, key, turn * 50 + 1, 25)
        with Client(server.port) as client:
            if turn % 2:
                client.send(f"/events/{key}", headers=[("Last-Event-ID", place)])
            else:
                client.send(f"/events/{key}?last_event_id={place}")
            client.until(f"data: {turn * 50 + 25}\n\n".encode())
            publish(server.port, key, turn * 50 + 26, 25)
            client.until(f"data: {turn * 50 + 50}\n\n".encode())
            got += told(client.answer)
            place = last_id(client.answer)
    assert got == list(range(1, 201))


@on(lambda row: row.watched and row.name != "cheroot")
def test_a_client_that_leaves_is_no_reader_any_more(server: Server, key: str) -> None:
    """Also while the channel is silent."""
    with readers(server.port, f"/events/{key}", 3) as clients:
        assert server.door("subscribers", key=key) == 3
        clients[0].leave()
        clients[1].reset()
        until(lambda: server.door("subscribers", key=key) == 1)
    until(lambda: server.door("subscribers", key=key) == 0)


@on(lambda row: row.fed == "park" or row.name in ("uvicorn", "hypercorn"))
def test_a_client_that_stops_is_told(server: Server, key: str) -> None:
    """What it has is without a gap; then it is closed, comes back, and gets a reset."""
    path = f"/events/{key}?history=50"
    with readers(server.port, path, 1) as (client,):
        for turn in range(8):
            publish(server.port, key, turn * 2000 + 1, 2000, "?pad=1")
        client.rest(20)
        assert told(client.answer) == list(range(1, len(told(client.answer)) + 1))
        assert len(told(client.answer)) < 16_000
        place = last_id(client.answer)
    with Client(server.port) as client:
        client.send(path, headers=[("Last-Event-ID", place)])
        client.until(b"event: reset\n")
        publish(server.port, key, 20_000, 3)
        client.until(b"data: 20002\n\n")
        assert told(client.answer) == [20_000, 20_001, 20_002]


@on(
    lambda row: (
        (row.fed == "park" and row.name != "werkzeug")
        # hypercorn's workers are told by a flag, and no signal.
        or row.name in ("uvicorn", "gunicorn-asgi")
    )
)
def test_a_server_that_stops_says_when_to_come_back(
    launch: Callable[..., Server], row: Row, key: str
) -> None:
    """Each client another time, and each stream with a proper end."""
    server = launch(row)
    count = 6
    with readers(server.port, f"/events/{key}", count) as clients:
        said = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answers = [client.rest() for client in clients]
        server.process.wait(10)
        assert time.monotonic() - said < 3.0
    assert [answer.ending for answer in answers] == [WHOLE] * count
    waits = [
        int(re.findall(rb"^retry: (\d+)\n\n\Z", answer.body, re.MULTILINE)[-1])
        for answer in answers
    ]
    assert all(1000 <= wait <= 10_000 for wait in waits)
    assert len(set(waits)) > 1


@only("gunicorn-gthread")
def test_five_thousand_come_and_go(launch: Callable[..., Server], row: Row) -> None:
    """And nothing of them stays."""
    server = launch(row)
    request = b"GET /events/crowd HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def crowd(count: int) -> None:
        with contextlib.ExitStack() as stack:
            lines = [
                stack.enter_context(
                    socket.create_connection(("127.0.0.1", server.port))
                )
                for _ in range(count)
            ]
            for line in lines:
                line.sendall(request)
            for line in lines:
                assert line.recv(4096).startswith(b"HTTP/1.1 200")
        until(lambda: server.door("subscribers", key="crowd") == 0)

    crowd(1000)
    before = len(server.descriptors()), server.worker.num_threads()
    memory = server.worker.memory_info().rss
    for _ in range(4):
        crowd(1000)
    assert server.door("streams") == []
    until(lambda: len(server.descriptors()) <= before[0] + 2)
    assert server.worker.num_threads() <= before[1]
    assert server.worker.memory_info().rss - memory < 8 << 20


# --- through proxies ------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxy", "row"),
    [
        pytest.param(
            proxy,
            BY_NAME[name],
            id=f"{proxy.requires}-{name}",
            marks=needs(proxy.requires),
        )
        for proxy in TABLE
        for name in ("gunicorn-gthread", "uvicorn")
    ],
)
def test_through_a_proxy(proxy: object, row: Row, server: Server, key: str) -> None:
    """On each of its routes: at once, all, in order, and on from where it was."""
    with start_proxy(proxy, server.port) as running:
        for route, port in running.ports.items():
            if route == "deaf":  # it is told to hold everything back
                continue
            name = f"{key}{route}"
            with readers(port, f"/events/{name}", 3) as clients:
                for turn in range(3):
                    publish(server.port, name, turn * 100 + 1, 100)
                    for client in clients:
                        client.until(f"data: {turn * 100 + 100}\n\n".encode())
                assert [told(c.answer) for c in clients] == [list(range(1, 301))] * 3
                place = last_id(clients[0].answer)
            publish(server.port, name, 301, 10)
            with Client(port) as client:
                client.send(f"/events/{name}", headers=[("Last-Event-ID", place)])
                client.until(b"data: 310\n\n")
                assert told(client.answer) == list(range(301, 311))


# --- one worker, many names -----------------------------------------------------


@only("gunicorn-gthread", "gunicorn-gevent", "uvicorn")
def test_several_channels_in_one_stream(server: Server, key: str) -> None:
    """One id for all of them, and each goes on where it was."""
    other = f"{key}other"
    with readers(server.port, f"/events/{key}?also={other}", 1) as (client,):
        publish(server.port, key, 1, 2)
        publish(server.port, other, 11, 2)
        client.until(b"data: 2\n\n")
        client.until(b"data: 12\n\n")
        place = last_id(client.answer)
    publish(server.port, other, 13, 1)
    publish(server.port, key, 3, 1)
    with Client(server.port) as client:
        client.send(f"/events/{key}?also={other}", headers=[("Last-Event-ID", place)])
        client.until(b"data: 3\n\n")
        client.until(b"data: 13\n\n")
        assert re.findall(rb"data: (\d+)", client.answer.body) in (
            [b"3", b"13"],
            [b"13", b"3"],
        )


@only("gunicorn-gthread", "uvicorn", "waitress")
def test_a_full_server_asks_to_come_back(
    launch: Callable[..., Server], row: Row, key: str
) -> None:
    """By 200 and `retry`, because a browser never comes back after a 503."""
    server = launch(row, config={"SLUICE_MAX_STREAMS": 1})
    with readers(server.port, f"/events/{key}", 1):
        for accept in ([("Accept", "text/event-stream")], []):
            answer = fetch(server.port, f"/events/{key}", headers=accept)
            assert (answer.status, answer.ending) == (200, WHOLE)
            assert re.fullmatch(rb": full\nretry: \d+\n\n", answer.body)
        json = [("Accept", "application/json")]
        assert fetch(server.port, f"/events/{key}", headers=json).status == 503

"""Feeds under each driver: who carries them, how many, and how they end."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from servers.client import CUT, RESET, WHOLE, Client, fetch, opened
from servers.harness import Row, Server
from servers.rows import every_server, on, only

one_of_each_driver = only("gunicorn-gthread", "waitress", "uvicorn")


@contextmanager
def _many(server: Server, path: str, key: str, count: int) -> Iterator[list[Client]]:
    """Open that many streams, each with its first line read."""
    with ExitStack() as stack:
        clients = []
        for number in range(count):
            client = stack.enter_context(Client(server.port))
            client.send(f"/{path}/{key}-{number}")
            clients.append(client)
        for client in clients:
            client.until(b"\n")
        yield clients


@every_server
def test_a_feed_goes_the_way_its_server_allows(server: Server, key: str) -> None:
    """The driver of a feed is the one that the table promises for the server."""
    with opened(server.port, f"/ticker/{key}") as client:
        client.until(b"tick")
        stream = server.stream(key)
        assert stream is not None
        assert stream["driver"] == server.row.fed
        assert stream["client"] == "127.0.0.1"
    assert server.noted(key, "stream finished")["outcome"] == "left"


@every_server
def test_ticks_come_one_by_one(server: Server, key: str) -> None:
    """Consecutive numbers, none lost and none twice, each in its own time."""
    with opened(server.port, f"/ticker/{key}") as client:
        while client.answer.body.count(b"\n") < 6:
            assert client.read()
        lines = client.answer.body.decode().splitlines()[:6]
    numbers = [int(line.removeprefix("tick ")) for line in lines]
    assert numbers == list(range(numbers[0], numbers[0] + 6))
    assert client.answer.arrivals[-1][0] - client.answer.arrivals[0][0] > 0.1


@every_server
def test_a_feed_ends_properly(server: Server, key: str) -> None:
    """A feed that is over ends its response, and the connection is of use or closed."""
    with opened(server.port, f"/hand/{key}") as client:
        client.until(b"first")
        server.door("feed", key=key, line="second\n")
        client.until(b"second")
        server.door("feed", key=key, line=None)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"first\nsecond\n", WHOLE)
    assert server.noted(key, "body closed")
    assert server.noted(key, "stream finished")["outcome"] == "complete"


@every_server
def test_a_feed_over_http_1_0(server: Server, key: str) -> None:
    """Raw bytes, each as it comes, and the end is the connection's."""
    with opened(server.port, f"/hand/{key}", version="1.0") as client:
        client.until(b"first")
        server.door("feed", key=key, line="second\n")
        client.until(b"second")
        server.door("feed", key=key, line=None)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"first\nsecond\n", WHOLE)
    assert (answer.framing == "chunked") == server.row.chunks10


@on(lambda row: row.fed != "pull")
def test_a_feed_with_a_stopped_reader_is_bounded(server: Server, key: str) -> None:
    """A reader that stops costs no thread and no growing memory."""
    with opened(server.port, f"/hand/{key}") as client:
        client.until(b"first")
        line = "x" * 65535 + "\n"
        for _ in range(200):
            server.door("feed", key=key, line=line)
        spent = server.worker.cpu_times()
        assert server.quiet(key, "stream finished", 1.0)
        now = server.worker.cpu_times()
        assert (now.user + now.system) - (spent.user + spent.system) < 0.2
        assert server.stream(key)["bytes_made"] <= server.row.slack
        server.door("feed", key=key, line=None)
        answer = client.rest()
    assert answer.ending == WHOLE
    assert len(answer.body) == len(b"first\n") + 200 * 65536


@only("gunicorn-gthread", "gunicorn-sync", "gunicorn-gevent", "uvicorn")
def test_idle_streams_hold_no_thread(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """Fifty feeds run on two threads, or one, and others are answered meanwhile."""
    few = ["--worker-connections", "4"] if row.name == "gunicorn-gevent" else []
    server = launch(row, threads=2, arguments=few)
    threads = server.worker.num_threads()
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port)) for _ in range(50)]
        for number, client in enumerate(clients):
            client.send(f"/hand/{key}-{number}")
            client.until(b"first")
        assert len(server.door("streams")) == 50
        assert server.ping(timeout=2.0)
        assert fetch(server.port, f"/tiny/{key}").ending == WHOLE
        assert server.worker.num_threads() <= threads + 8
        for number, client in enumerate(clients):
            server.door("feed", key=f"{key}-{number}", line="second\n")
            client.until(b"second")


@only("gunicorn-gthread")
def test_parking_can_be_switched_off(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """SLUICE_PARK=False: the feed is pulled by the request's own thread."""
    server = launch(row, config={"SLUICE_PARK": False})
    with opened(server.port, f"/ticker/{key}") as client:
        client.until(b"tick")
        assert server.stream(key)["driver"] == "pull"


@one_of_each_driver
def test_the_limit_of_a_process(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """One stream too many is a 503 with Retry-After, before any work is done."""
    server = launch(row, config={"SLUICE_MAX_STREAMS": 3})
    with _many(server, "ticker", key, 3):
        for method, path in (("GET", "three"), ("GET", "hand"), ("GET", "async")):
            answer = fetch(server.port, f"/{path}/{key}", method=method)
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) >= 1
        assert "made one" not in server.names(key)
        assert "stream started" not in server.names(key)
        assert fetch(server.port, f"/plain/{key}").status == 200
    for number in range(3):
        server.noted(f"{key}-{number}", "stream finished")
    server.release(f"{key}-late", 3)
    assert fetch(server.port, f"/three/{key}-late").ending == WHOLE


@one_of_each_driver
def test_the_limit_of_a_client(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """A client that has its share is refused, and another one isn't."""
    server = launch(row, config={"SLUICE_MAX_STREAMS_PER_CLIENT": 2})
    with _many(server, "ticker", key, 2):
        answer = fetch(server.port, f"/ticker/{key}")
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) >= 1
        with Client(server.port, source="127.0.0.2") as other:
            other.send(f"/ticker/{key}-other")
            other.until(b"tick")
            assert other.answer.status == 200


@on(lambda row: row.fed == "park" or row.name == "uvicorn")
def test_sigterm_ends_open_feeds(
    launch: Callable[..., Server], row: Row, key: str
) -> None:
    """The server is gone within 2 s, and no client takes its stream for whole."""
    server = launch(row)
    with _many(server, "slow-ticker", key, 3) as clients:
        said = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        endings = [client.rest().ending for client in clients]
        try:
            server.process.wait(10)
        except subprocess.TimeoutExpired:
            pytest.fail("the server did not end")
        assert time.monotonic() - said < 2.0
    assert set(endings) <= {CUT, RESET}

"""Clients that leave, stop reading, or take too long; and what they cost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from servers.client import CUT, RESET, WHOLE, Client, opened
from servers.harness import BY_NAME, TABLE, Row, Server
from servers.rows import every_server, on, only

KNOWN = 1.0  # seconds within which a departure is known where it can be watched
MIB = 1 << 20


def _watched(row: Row) -> bool:
    return row.watched


@every_server
@pytest.mark.parametrize("how", ["leave", "reset"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_client_that_leaves_a_busy_body(
    server: Server, key: str, how: str, version: str
) -> None:
    """A producer that yields is closed soon, callbacks run, the outcome is "left"."""
    client = Client(server.port)
    client.send(f"/busy/{key}", version=version)
    client.until(b"more")
    left = client.reset() if how == "reset" else client.leave()
    assert server.noted(key, "body closed")["at"] - left < KNOWN
    assert server.noted(key, "stream finished")["outcome"] == "left"
    assert server.noted(key, "on_leave")
    assert server.names(key).count("on_leave") == 1
    assert server.stream(key) is None


@on(_watched)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_departure_is_known_while_a_body_is_blocked(
    server: Server, key: str, version: str
) -> None:
    """on_leave runs within a second; the blocked generator closes at its next yield."""
    with opened(server.port, f"/silent/{key}", version=version) as client:
        client.until(b"first")
        server.noted(key, "blocked")
        left = client.leave()
    assert server.noted(key, "on_leave")["at"] - left < KNOWN
    assert "body closed" not in server.names(key)
    server.release(key)
    assert server.noted(key, "woken")["gone"] is True
    assert server.noted(key, "body closed")
    assert server.noted(key, "stream finished")["outcome"] == "left"


@on(_watched)
def test_a_silent_body_can_ask_whether_its_client_is_gone(
    server: Server, key: str
) -> None:
    """client_gone() turns true within a second though nothing is sent."""
    with opened(server.port, f"/asking/{key}") as client:
        client.until(b"first")
        server.noted(key, "blocked")
        left = client.leave()
    assert server.noted(key, "client gone")["at"] - left < KNOWN
    assert server.noted(key, "stream finished")["outcome"] == "left"


@on(_watched)
@pytest.mark.parametrize("path", ["silent-async", "hand"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_silent_body_in_our_hands_is_closed_at_once(
    server: Server, key: str, path: str, version: str
) -> None:
    """A feed or an async generator ends within a second of its client's leaving."""
    with opened(server.port, f"/{path}/{key}", version=version) as client:
        client.until(b"first")
        if path == "silent-async":
            server.noted(key, "blocked")
        left = client.leave()
    assert server.noted(key, "body closed")["at"] - left < KNOWN
    assert server.noted(key, "on_leave")["at"] - left < KNOWN
    assert server.noted(key, "stream finished")["outcome"] == "left"


@on(_watched)
def test_a_silent_body_with_max_delay_is_let_go_at_once(
    server: Server, key: str
) -> None:
    """The worker is free within a second; the producer closes at its next yield."""
    with opened(server.port, f"/silent/{key}?max_delay=0.05") as client:
        client.until(b"first")
        server.noted(key, "blocked")
        left = client.leave()
    assert server.noted(key, "on_leave")["at"] - left < KNOWN
    assert server.ping(timeout=2.0)
    server.release(key)
    assert server.noted(key, "body closed")
    assert server.noted(key, "stream finished")["outcome"] == "left"


@on(lambda row: not row.watched)
def test_elsewhere_a_departure_is_known_at_the_next_yield(
    server: Server, key: str
) -> None:
    """A server that shows no socket knows nothing in the silence, and then does."""
    with opened(server.port, f"/silent/{key}") as client:
        client.until(b"first")
        server.noted(key, "blocked")
    assert server.quiet(key, "on_leave", KNOWN)
    server.release(key)
    assert server.noted(key, "body closed")
    assert server.noted(key, "on_leave")
    assert server.noted(key, "stream finished")["outcome"] == "left"


@only("waitress")
def test_waitress_can_be_asked(
    launch: Callable[..., Server], key: str, row: Row
) -> None:
    """With its look-ahead on, waitress tells; client_gone() turns true in silence."""
    lookahead = ["--channel-request-lookahead=1"]
    server = launch(row, arguments=lookahead)
    with opened(server.port, f"/asking/{key}") as client:
        client.until(b"first")
        server.noted(key, "blocked")
        left = client.leave()
    assert server.noted(key, "client gone")["at"] - left < KNOWN


def _survives_half_close(row: Row) -> bool:
    return row.half_close


@on(_survives_half_close)
def test_a_half_closed_client_gets_everything(server: Server, key: str) -> None:
    """Closing the sending side in mid-stream is not leaving."""
    with opened(server.port, f"/three/{key}") as client:
        client.until(b"one")
        client.half_close()
        server.release(key, 3)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"one\ntwo\nthree\n", WHOLE)
    assert server.noted(key, "stream finished")["outcome"] == "complete"


@on(_survives_half_close)
def test_a_client_that_said_all_it_wants_can_wait(server: Server, key: str) -> None:
    """With the FIN sent along with the request, a silence of a second is no leaving."""
    with opened(server.port, f"/three/{key}", fin=True) as client:
        client.until(b"one")
        assert server.quiet(key, "stream finished", 1.2)
        server.release(key, 3)
        answer = client.rest()
    assert (answer.body, answer.ending) == (b"one\ntwo\nthree\n", WHOLE)


@only("gunicorn-gthread")
@pytest.mark.parametrize("policy", ["stay", "leave"])
@pytest.mark.parametrize("path", ["silent", "hand"])
def test_the_app_says_what_a_half_close_means(
    launch: Callable[..., Server], row: Row, key: str, policy: str, path: str
) -> None:
    """SLUICE_HALF_CLOSE: "stay" waits however long, "leave" ends it at once."""
    server = launch(row, config={"SLUICE_HALF_CLOSE": policy})
    with opened(server.port, f"/{path}/{key}") as client:
        client.until(b"first")
        client.half_close()
        if policy == "leave":
            server.noted(key, "on_leave", timeout=KNOWN)
            server.release(key)
            assert server.noted(key, "stream finished")["outcome"] == "left"
        else:
            assert server.quiet(key, "on_leave", 1.2)
            server.release(key)
            if path == "hand":
                server.door("feed", key=key, line="more\n")
            client.until(b"more")


@pytest.mark.parametrize(
    ("row", "version"),
    [(row, "1.1") for row in TABLE] + [(BY_NAME["werkzeug"], "1.0")],
    ids=str,
)
def test_a_reader_that_stops_costs_little(
    server: Server, key: str, version: str
) -> None:
    """The producer stops too: memory stays bounded and no thread spins."""
    before = server.worker.memory_info().rss
    with opened(server.port, f"/big/{key}", version=version) as client:
        client.head()
        made = _stalled(server, key)
        spent = server.worker.cpu_times()
        assert server.quiet(key, "body closed", 1.0)
        now = server.worker.cpu_times()
        assert (now.user + now.system) - (spent.user + spent.system) < 0.2
        assert server.stream(key)["bytes_made"] == made <= server.row.slack
        assert server.worker.memory_info().rss - before < server.row.slack + 32 * MIB
    assert server.noted(key, "body closed", timeout=15)
    assert server.noted(key, "stream finished")["outcome"] == "left"


KINDS = ["kind=pulled", "kind=pulled&max_delay=0.05", "kind=async", "kind=feed"]


@on(_watched)
@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_reader_that_leaves_is_known(
    server: Server, key: str, kind: str
) -> None:
    """A body that has been waiting for its reader is closed when that one goes."""
    with opened(server.port, f"/big/{key}?{kind}") as client:
        client.head()
        assert _stalled(server, key) <= server.row.slack
        left = client.leave()
    assert server.noted(key, "body closed")["at"] - left < KNOWN
    assert server.noted(key, "stream finished")["outcome"] == "left"
    assert server.ping(timeout=2.0)


@every_server
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_leaves_before_the_stream_begins(
    server: Server, key: str, kind: str
) -> None:
    """Gone while the view still worked: the stream ends at once, and wholly."""
    with opened(server.port, f"/big/{key}?slow=1&{kind}") as client:
        server.noted(key, "in the view")
        client.leave()
    if server.row.watched:
        server.noted(key, "on_leave")
    server.release(key)
    for what in ("request torn down", "app torn down"):
        server.noted(key, what)
    _until(server, lambda: server.stream(key) is None)
    names = server.names(key)
    assert names.count("request torn down") == names.count("app torn down") == 1
    assert names.count("stream finished") == names.count("stream started")
    assert names.count("body closed") == 1 or "body started" not in names


@on(_watched)
@pytest.mark.parametrize("kind", KINDS)
def test_a_deadline_doesnt_wait_for_a_stopped_reader(
    server: Server, key: str, kind: str
) -> None:
    """A stream that is up against a full socket expires in its time too."""
    with opened(server.port, f"/big/{key}?deadline=0.3&{kind}"):
        finished = server.noted(key, "stream finished", timeout=2)
        assert finished["outcome"] == "expired"
        assert server.noted(key, "body closed")
    assert server.ping(timeout=2.0)


@every_server
@pytest.mark.parametrize("kind", ["pulled", "async", "feed"])
def test_a_deadline_ends_a_stream(server: Server, key: str, kind: str) -> None:
    """After 0.3 s a stream that wants more is "expired", and cut where it can be."""
    with opened(server.port, f"/deadline/{kind}/{key}") as client:
        answer = client.rest()
    assert answer.ending in ((CUT, RESET) if server.row.cut else (WHOLE,))
    finished = server.noted(key, "stream finished")
    assert finished["outcome"] == "expired"
    assert 0.25 < finished["seconds"] < 1.3
    assert server.noted(key, "body closed")


@every_server
def test_no_descriptor_leaks(server: Server, key: str) -> None:
    """Two hundred streams are opened and left; the worker's descriptors come back."""
    _abort(server, f"{key}-warm", 4, "ticker", 4)  # the epoll thread has its own two
    _until(server, lambda: not _open(server, key))
    before = server.descriptors()
    # A body that is pulled holds a thread, and a sync worker has one.
    widths = {"busy": 1 if server.row.single else 4}
    widths["ticker"] = 4 if server.row.fed == "pull" else 20
    for path, width in widths.items():
        _abort(server, f"{key}-{path}", 100, path, width)
    for path in widths:
        for number in range(100):
            name = f"{key}-{path}-{number}"
            assert server.noted(name, "stream finished")["outcome"] == "left"
    _until(server, lambda: len(server.descriptors()) <= len(before) + 2)
    assert not _open(server, key)


def _until(server: Server, holds: Callable[[], bool]) -> None:
    """Ask again until it holds, for ten seconds; the door paces the questions."""
    for _ in range(100):
        if holds():
            return
        server.quiet("nobody", "nothing", 0.1)
    assert holds(), server.descriptors()


@on(lambda row: row.kind == "asgi")
def test_aborted_downloads_leave_no_thread(server: Server, key: str) -> None:
    """A thousand clients take a piece of a big body and go; nothing stays behind."""
    total = 1000 if server.row.name in ("uvicorn", "hypercorn") else 200
    _abort(server, f"{key}-warm", 60)
    _until(server, lambda: not _open(server, key))
    threads, descriptors = server.worker.num_threads(), server.descriptors()
    _abort(server, key, total)
    _until(server, lambda: not _open(server, key))
    _until(server, lambda: len(server.descriptors()) <= len(descriptors) + 2)
    assert server.worker.num_threads() <= max(threads, 64 + 8)
    assert server.ping(timeout=2.0)


def _open(server: Server, prefix: str) -> list[str]:
    """Give the keys that begin so of the streams that are open."""
    keys = [stream["key"] for stream in server.door("streams")]
    return [key for key in keys if key.startswith(prefix)]


def _stalled(server: Server, key: str) -> int:
    """Wait until the stream makes no more, and give the bytes that it has made."""
    made, seen = 0, -1
    while made != seen:
        seen = made
        assert server.quiet(key, "body closed", 0.2)
        stream = server.stream(key)
        assert stream is not None
        made = stream["bytes_made"]
    return made


def _abort(
    server: Server, key: str, total: int, path: str = "big", width: int = 20
) -> None:
    """Open that many streams, `width` at once, and leave each after its first bytes."""
    for turn in range(0, total, width):
        clients = [Client(server.port) for _ in range(width)]
        for number, client in enumerate(clients, start=turn):
            client.send(f"/{path}/{key}-{number}")
        for client in clients:
            client.until(b"\n" if path != "big" else b"0")
            client.leave()

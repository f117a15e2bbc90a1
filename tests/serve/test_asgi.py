"""ASGIApp, driven by hand: what it sends for what it receives."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request

from flask_sluice import flush, stream, stream_rows
from flask_sluice.asgi import ASGIApp
from flask_sluice.errors import ArgumentError
from flask_sluice.serve.drive import EXCHANGE
from flask_sluice.serve.environ import LIMIT, RequestBody, environ_of
from flask_sluice.serve.exchange import OUTBOX
from helpers import PATIENCE, Finishes, HandFeed, make_app


class NoCarrier:
    """What stands in the environ for an exchange."""

    def carry(self, transfer: object, start_response: object) -> tuple[()]:
        return ()


class Talk:
    """One request: messages in from the test, messages out to it."""

    def __init__(self, asgi: ASGIApp, method: str = "GET", **scope: Any) -> None:
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", b"test")],
            "client": ("10.0.0.1", 1234),
            "server": ("test", 80),
            **scope,
        }
        self.asgi = asgi
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.received = 0
        self.sent: list[Any] = []
        self.news = asyncio.Event()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.task: asyncio.Task[None] | None = None

    async def receive(self) -> dict[str, Any]:
        message = await self.inbox.get()
        self.received += 1
        return message

    async def send(self, message: Any) -> None:
        await self.may_send.wait()
        self.sent.append(message)
        self.news.set()

    def put(self, body: bytes = b"", *, more: bool = False) -> None:
        self.inbox.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leave(self) -> None:
        self.inbox.put_nowait({"type": "http.disconnect"})

    def start(self) -> None:
        self.task = asyncio.ensure_future(
            self.asgi(self.scope, self.receive, self.send)
        )

    async def end(self) -> None:
        assert self.task is not None
        await asyncio.wait_for(self.task, PATIENCE)

    async def run(self) -> Talk:
        self.put()
        self.start()
        await self.end()
        return self

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self.news.clear()
                await self.news.wait()

    @property
    def status(self) -> int:
        assert self.sent[0]["type"] == "http.response.start"
        return int(self.sent[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent[1:])

    @property
    def is_whole(self) -> bool:
        return [m["more_body"] for m in self.sent[1:]][-1:] == [False]


def app_of(view: Callable[..., Any], **config: Any) -> Flask:
    """Give an app whose only page is *view*."""
    app = make_app(**config)
    app.add_url_rule("/", "view", view, methods=["GET", "POST"])
    return app


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a conversation in a loop of its own."""

    async def bounded() -> None:
        await asyncio.wait_for(main(), 2 * PATIENCE)

    asyncio.run(bounded())


async def happened(event: threading.Event) -> None:
    """Wait for a thread's event without holding the loop."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


def test_a_plain_response() -> None:
    """Status, headers in small letters, one body, its end with it."""

    async def main() -> None:
        talk = await Talk(ASGIApp(app_of(lambda: "plain"))).run()
        assert talk.status == 200
        headers = dict(talk.sent[0]["headers"])
        assert headers[b"content-length"] == b"5"
        assert (talk.body, talk.is_whole) == (b"plain", True)

    run(main)


def test_any_wsgi_callable_will_do() -> None:
    """Also one that uses write()."""

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("201 Created", [("X-A", "1")])
        write(b"one")
        return [b"", b"two"]

    async def main() -> None:
        talk = await Talk(ASGIApp(wsgi)).run()
        assert talk.status == 201
        assert (talk.body, talk.is_whole) == (b"onetwo", True)

    run(main)


def _three() -> Iterator[Any]:
    for n in range(3):
        yield f"{request.path}{n}"
        yield flush


async def _three_async() -> AsyncIterator[str]:
    for n in range(3):
        yield f"{request.path}{n}"
        await asyncio.sleep(0)


@pytest.mark.parametrize("make", [_three, _three_async])
@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_a_streamed_response(make: Callable[[], Any], max_delay: float | None) -> None:
    """Whole, with contexts to the end, torn down once, told of as driver asgi."""
    app = app_of(lambda: stream(make(), max_delay=max_delay))
    finishes = Finishes(app)
    teardowns: list[object] = []
    torn = threading.Event()
    app.teardown_request(lambda error: (teardowns.append(error), torn.set()))

    async def main() -> None:
        talk = await Talk(ASGIApp(app)).run()
        assert (talk.body, talk.is_whole) == (b"/0/1/2", True)
        await happened(torn)
        assert teardowns == [None]
        assert finishes.outcomes == ["complete"]
        assert finishes.finished[0]["stream"].driver == "asgi"

    run(main)


def test_a_reader_that_stops_stops_the_producer() -> None:
    """No further ahead than the outbox, and then all the bytes."""
    made = 0
    block = b"x" * (OUTBOX // 4)

    def body() -> Iterator[bytes]:
        nonlocal made
        for _ in range(40):
            made += 1
            yield block

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(lambda: stream(body()))))
        talk.put()
        talk.may_send.clear()
        talk.start()
        for _ in range(40):
            await asyncio.sleep(0.005)
        assert made <= 10
        talk.may_send.set()
        await talk.end()
        assert talk.body == block * 40
        assert talk.is_whole

    run(main)


@pytest.mark.parametrize("size", [0, 10, LIMIT, 5 * LIMIT + 7])
def test_a_request_body_is_read_as_it_comes(size: int) -> None:
    """Also one larger than what may wait, in pieces."""
    app = app_of(lambda: str(len(request.get_data())))

    async def main() -> None:
        talk = Talk(ASGIApp(app), "POST")
        for start in range(0, size, 10_000):
            talk.put(b"x" * min(10_000, size - start), more=True)
        talk.put()
        talk.start()
        await talk.end()
        assert talk.body == str(size).encode()

    run(main)


def test_an_app_that_does_not_read_is_not_sent_all() -> None:
    """The server isn't asked for more than may wait, until the app reads."""
    gate = threading.Event()

    def view() -> str:
        assert gate.wait(PATIENCE)
        return str(len(request.get_data()))

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(view)), "POST")
        for _ in range(100):
            talk.put(b"x" * 10_000, more=True)
        talk.put()
        talk.start()
        for _ in range(200):
            await asyncio.sleep(0)
        assert talk.received * 10_000 <= LIMIT + 10_000
        gate.set()
        await talk.end()
        assert talk.body == b"1000000"

    run(main)


def test_leaving_while_the_request_is_read_ends_the_view() -> None:
    """Reading raises, and no thread waits for ever."""
    raised: list[BaseException] = []
    done = threading.Event()

    def view() -> str:
        try:
            request.get_data()
        except BaseException as error:
            raised.append(error)
            raise
        finally:
            done.set()
        return "never"

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(view)), "POST")
        talk.put(b"half", more=True)
        talk.leave()
        talk.start()
        await talk.end()
        await happened(done)
        assert len(raised) == 1

    run(main)


@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_a_disconnect_closes_a_pulled_body(max_delay: float | None) -> None:
    """The generator sees GeneratorExit and the outcome is left."""
    closed = threading.Event()
    kinds: list[type[BaseException]] = []

    def body() -> Iterator[Any]:
        try:
            while True:
                yield "x" * 1000
                yield flush
        except BaseException as error:
            kinds.append(type(error))
            raise
        finally:
            closed.set()

    app = app_of(lambda: stream(body(), max_delay=max_delay))
    finishes = Finishes(app)

    async def main() -> None:
        talk = Talk(ASGIApp(app))
        talk.put()
        talk.start()
        await talk.until(lambda: len(talk.sent) > 3)
        talk.leave()
        await talk.end()
        await happened(closed)
        assert kinds == [GeneratorExit]
        for _ in range(1000):
            if finishes.finished:
                break
            await asyncio.sleep(0.002)
        assert finishes.outcomes == ["left"]

    run(main)


def test_a_disconnect_cancels_an_async_body() -> None:
    """Where it waits."""
    seen: list[type[BaseException]] = []
    closed = threading.Event()

    async def body() -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        except BaseException as error:
            seen.append(type(error))
            raise
        finally:
            closed.set()

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(lambda: stream(body()))))
        talk.put()
        talk.start()
        await talk.until(lambda: len(talk.sent) > 1)
        talk.leave()
        await talk.end()
        await happened(closed)
        assert seen == [asyncio.CancelledError]

    run(main)


def test_a_feed_is_carried_by_the_loop() -> None:
    """No thread waits; lines go as they come; teardown ran at the hand-over."""
    feed = HandFeed(b"one\n")
    app = app_of(lambda: stream(feed, mimetype="text/plain"))
    finishes = Finishes(app)
    torn = threading.Event()
    app.teardown_request(lambda error: torn.set())

    async def main() -> None:
        talk = Talk(ASGIApp(app, threads=1))
        talk.put()
        talk.start()
        await talk.until(lambda: talk.sent[1:] and talk.body == b"one\n")
        await happened(torn)
        # The only thread is free.
        other = await Talk(talk.asgi, "HEAD").run()
        assert other.status == 200
        feed.put(b"two\n")
        await talk.until(lambda: talk.body == b"one\ntwo\n")
        feed.put(None)
        await talk.end()
        assert talk.is_whole
        assert feed.closes >= 1
        for _ in range(1000):
            if finishes.finished:
                break
            await asyncio.sleep(0.002)
        assert finishes.outcomes == ["complete"]

    run(main)


def test_a_client_of_a_silent_feed_that_leaves_closes_it() -> None:
    """At once."""
    feed = HandFeed(b"one\n")

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(lambda: stream(feed))))
        talk.put()
        talk.start()
        await talk.until(lambda: len(talk.sent) > 1)
        talk.leave()
        await talk.end()
        assert feed.closes == 1

    run(main)


def _failing() -> Iterator[Any]:
    yield "x"
    yield flush
    raise LookupError("late")


async def _failing_async() -> AsyncIterator[str]:
    yield "x"
    await asyncio.sleep(0)
    raise LookupError("late")


def _failing_feed() -> HandFeed:
    feed = HandFeed(b"x")
    feed.put(LookupError("late"))
    return feed


@pytest.mark.parametrize("make", [_failing, _failing_async, _failing_feed])
def test_a_failure_after_the_start_leaves_the_response_open(
    make: Callable[[], Any],
) -> None:
    """No last message pretends an end, so the server drops the connection."""
    app = app_of(lambda: stream(make()))

    async def main() -> None:
        talk = await Talk(ASGIApp(app)).run()
        assert talk.status == 200
        assert talk.body == b"x"
        assert not talk.is_whole

    run(main)


def test_a_failure_before_the_start_is_a_500() -> None:
    """From the app itself."""
    app = app_of(lambda: 1 / 0)

    async def main() -> None:
        talk = await Talk(ASGIApp(app)).run()
        assert talk.status == 500
        assert talk.is_whole

    run(main)


def test_a_deadline_cuts() -> None:
    """A silent feed is ended when its time is up."""
    feed = HandFeed(b"x")

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(lambda: stream(feed, deadline=0.03))))
        await talk.run()
        assert not talk.is_whole
        assert feed.closes == 1

    run(main)


def test_a_websocket_is_refused() -> None:
    """Closed before it is accepted."""

    async def main() -> None:
        talk = Talk(ASGIApp(app_of(lambda: "x")), type="websocket")
        talk.inbox.put_nowait({"type": "websocket.connect"})
        talk.start()
        await talk.end()
        assert [m["type"] for m in talk.sent] == ["websocket.close"]

    run(main)


def test_lifespan() -> None:
    """Start-up and shutdown are answered, and the threads go."""
    threads: list[threading.Thread] = []

    def view() -> str:
        threads.append(threading.current_thread())
        return "x"

    async def main() -> None:
        asgi = ASGIApp(app_of(view))
        await Talk(asgi).run()
        talk = Talk(asgi, type="lifespan")
        talk.inbox.put_nowait({"type": "lifespan.startup"})
        talk.inbox.put_nowait({"type": "lifespan.shutdown"})
        talk.start()
        await talk.end()
        assert [m["type"] for m in talk.sent] == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        await asyncio.to_thread(threads[0].join, PATIENCE)
        assert not threads[0].is_alive()

    run(main)


@pytest.mark.parametrize("threads", [0, -1, True, 1.5, "4"])
def test_wrong_threads(threads: Any) -> None:
    """A count is a whole number above zero."""
    with pytest.raises(ArgumentError, match="threads"):
        ASGIApp(app_of(lambda: "x"), threads=threads)


def test_the_environ_is_as_pep_3333_wants_it() -> None:
    """Paths as latin-1, headers as keys, spoofed ones left out, cookies joined."""
    scope = {
        "method": "POST",
        "path": "/app/fünf",
        "raw_path": b"/app/f%C3%BCnf",
        "root_path": "/app",
        "query_string": b"a=1",
        "http_version": "2",
        "scheme": "https",
        "server": ("host", 443),
        "client": ("10.0.0.1", 99),
        "headers": [
            (b"Content-Type", b"text/plain"),
            (b"content-length", b"5"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"x-many", b"1"),
            (b"x-many", b"2"),
            (b"x_real_ip", b"6.6.6.6"),
        ],
    }
    environ = environ_of(scope, RequestBody(lambda: None), carrier := NoCarrier())
    expected = {
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/fünf".encode().decode("latin-1"),
        "QUERY_STRING": "a=1",
        "REQUEST_URI": "/app/f%C3%BCnf?a=1",
        "SERVER_PROTOCOL": "HTTP/2",
        "wsgi.url_scheme": "https",
        "SERVER_PORT": "443",
        "REMOTE_ADDR": "10.0.0.1",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "5",
        "HTTP_COOKIE": "a=1; b=2",
        EXCHANGE: carrier,
        "HTTP_X_MANY": "1,2",
    }
    assert {key: environ.get(key) for key in expected} == expected
    assert "HTTP_X_REAL_IP" not in environ


@pytest.mark.parametrize(
    ("extensions", "te", "taken"),
    [
        ({"http.response.trailers": {}}, b"trailers", True),
        ({"http.response.trailers": {}}, b"", False),
        ({}, b"trailers", False),
        (None, b"trailers", False),
    ],
)
def test_a_receipt_in_the_trailers(extensions: Any, te: bytes, taken: bool) -> None:
    """The end of a whole export says what it was, if server and client take that."""

    async def main() -> None:
        app = app_of(lambda: stream_rows([{"n": 1}, {"n": 2}]))
        headers = [(b"host", b"test"), (b"te", te)]
        talk = Talk(ASGIApp(app), headers=headers, extensions=extensions)
        await talk.run()
        first, last = talk.sent[0], talk.sent[-1]
        assert first["trailers"] is taken
        announced = dict(first["headers"])
        assert (b"trailer" in announced) is taken
        if not taken:
            assert last["type"] == "http.response.body"
            return
        assert last["type"] == "http.response.trailers"
        [(name, value)] = last["headers"]
        body = b"".join(m["body"] for m in talk.sent[1:-1])
        digest = hashlib.sha256(body).hexdigest()
        assert name == b"sluice-receipt"
        assert value.decode().split("; ") == [
            announced[b"sluice-receipt"].decode(),
            "rows=2",
            f"bytes={len(body)}",
            f"sha256={digest}",
        ]

    run(main)


def test_no_trailers_for_what_failed() -> None:
    """Only a whole file has an end."""

    def rows() -> Iterator[Any]:
        yield from ({"n": n} for n in range(1000))
        raise ValueError("lost")

    async def main() -> None:
        app = app_of(lambda: stream_rows(rows()))
        talk = Talk(
            ASGIApp(app),
            headers=[(b"host", b"test"), (b"te", b"trailers")],
            extensions={"http.response.trailers": {}},
        )
        await talk.run()
        assert {m["type"] for m in talk.sent} == {
            "http.response.start",
            "http.response.body",
        }
        assert talk.sent[-1]["more_body"] is True

    run(main)

"""`stream_events()`: a response that browsers read as server-sent events."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from flask import Flask, Response, request

from flask_sluice.errors import (
    ArgumentError,
    BodyTypeError,
    OutsideRequestError,
    TooManyStreamsError,
)
from flask_sluice.events import Event, stream_events
from flask_sluice.pubsub.channel import Channel
from flask_sluice.testing import StreamClient
from flask_sluice.typing import flush
from helpers import PATIENCE, Finishes, make_app, until


def serve(view: Callable[[], Response], **config: Any) -> Flask:
    """Give an app with *view* at /events."""
    app = make_app(**config)
    app.add_url_rule("/events", "events", view)
    return app


def data_of(stream: bytes) -> list[str]:
    """Give the data of each event."""
    return re.findall(r"^data: ?(.*)$", stream.decode(), re.MULTILINE)


# --- of channels ------------------------------------------------------------


def test_headers_and_a_comment_come_at_once() -> None:
    """The type, the wishes to proxies, a place to come back to: before any event."""
    channel = Channel("c")
    app = serve(lambda: stream_events(channel))
    with StreamClient(app).stream("/events") as arrivals:
        assert arrivals.status_code == 200
        assert arrivals.headers["Content-Type"] == "text/event-stream"
        assert arrivals.headers["Cache-Control"] == "no-cache, no-transform"
        assert arrivals.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in arrivals.headers
        first = arrivals.read_until(b"\n\n")
        assert first.startswith(b": hello\n")
        assert f"id: {channel.cursor()}\n".encode() in first
        assert 1_000 <= int(re.findall(rb"retry: (\d+)", first)[0]) <= 3_000


def test_what_is_published_arrives() -> None:
    """From another thread, in order; the stream ends when it is disconnected."""
    channel = Channel("c")
    app = serve(lambda: stream_events(channel))
    finishes = Finishes(app)
    with StreamClient(app).stream("/events") as arrivals:
        arrivals.read_until(b"\n\n")

        def publish() -> None:
            for n in range(100):
                channel.publish({"n": n}, event="left")

        thread = threading.Thread(target=publish)
        thread.start()
        arrivals.read_until(b'{"n":99}\n\n')
        thread.join(PATIENCE)
        assert [json.loads(d)["n"] for d in data_of(arrivals.data)] == [*range(100)]
        channel.disconnect()
        arrivals.read_all()
        arrivals.assert_whole()
    assert finishes.outcomes == ["complete"]
    assert channel.subscribers == 0


def test_a_client_that_leaves_is_forgotten() -> None:
    """A hundred come and go: no reader stays."""
    channel = Channel("c")
    app = serve(lambda: stream_events(channel))
    client = StreamClient(app)
    for _ in range(100):
        with client.stream("/events") as arrivals:
            arrivals.read_until(b"\n\n")
            assert channel.subscribers == 1
    assert channel.subscribers == len(channel.waiting) == 0


@pytest.mark.parametrize("how", ["header", "query", "both"])
def test_a_client_comes_back_to_its_place(how: str) -> None:
    """By header, or by query; the header is the newer one."""
    channel = Channel("c")
    made = [channel.publish(str(n)) for n in range(6)]
    options: dict[str, Any] = {
        "header": {"headers": {"Last-Event-ID": made[3]}},
        "query": {"query_string": {"last_event_id": made[3]}},
        "both": {
            "headers": {"Last-Event-ID": made[3]},
            "query_string": {"last_event_id": made[0]},
        },
    }[how]
    app = serve(lambda: stream_events(channel))
    with StreamClient(app).stream("/events", **options) as arrivals:
        arrivals.read_until(b"data: 5\n\n")
        assert data_of(arrivals.data) == ["4", "5"]


def test_what_cannot_be_replayed_is_told() -> None:
    """An id of another life: `reset` first, then what is new."""
    channel = Channel("c")
    app = serve(lambda: stream_events(channel))
    headers = {"Last-Event-ID": "0000000-12"}
    with StreamClient(app).stream("/events", headers=headers) as arrivals:
        arrivals.read_until(b"event: reset\n")
        channel.publish("new")
        arrivals.read_until(b"data: new\n\n")
        reset, new = data_of(arrivals.data)
        assert json.loads(reset)["reason"] == "restarted"
        assert new == "new"


def test_a_request_opens_no_channel_of_its_own() -> None:
    """An id of a channel that the view doesn't name shows nothing of it."""
    public, secret = Channel("public"), Channel("secret")
    place = secret.cursor()
    secret.publish("secret")
    app = serve(lambda: stream_events(public))
    with StreamClient(app).stream(
        "/events", headers={"Last-Event-ID": place}
    ) as arrivals:
        arrivals.read_until(b"event: reset\n")
        public.publish("public")
        arrivals.read_until(b"data: public\n\n")
        assert b"secret" not in arrivals.data


def test_options_reach_the_stream() -> None:
    """Filter, conflation, client and retry."""
    channel = Channel("c")
    app = serve(
        lambda: stream_events(
            channel,
            conflate="latest",
            filter=lambda event: event.data != 9,
            client=request.args["user"],
            retry=None,
        )
    )
    place = channel.cursor()
    for n in range(10):
        channel.publish(n)
    with StreamClient(app).stream(
        "/events", query_string={"user": "ann", "last_event_id": place}
    ) as arrivals:
        arrivals.read_until(b"data: 8\n\n")
        assert data_of(arrivals.data) == ["8"]
        assert b"retry" not in arrivals.data
        assert channel.close("bob") == 0
        assert channel.close("ann") == 1
        arrivals.read_all()
        arrivals.assert_whole()


def test_head_has_the_headers_alone() -> None:
    """And no reader is left behind."""
    channel = Channel("c")
    app = serve(lambda: stream_events(channel))
    response = app.test_client().head("/events")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.data == b""
    assert channel.subscribers == 0


# --- full -------------------------------------------------------------------


def _full_process() -> tuple[Flask, Channel]:
    channel = Channel("c")
    return serve(lambda: stream_events(channel), SLUICE_MAX_STREAMS=1), channel


def _full_channel() -> tuple[Flask, Channel]:
    channel = Channel("c", limit=1)
    return serve(lambda: stream_events(channel)), channel


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", None])
@pytest.mark.parametrize("full", [_full_process, _full_channel])
def test_one_too_many_is_asked_to_come_back(full: Any, accept: str | None) -> None:
    """A browser by 200, a time and the end, since after a 503 it never would."""
    app, channel = full()
    with StreamClient(app).stream("/events") as arrivals:
        arrivals.read_until(b"\n\n")
        other = app.test_client()
        refused = other.get("/events", headers={"Accept": accept} if accept else {})
        assert refused.status_code == 200
        assert refused.headers["Content-Type"] == "text/event-stream"
        (retry,) = re.findall(rb"^retry: (\d+)\n\n\Z", refused.data, re.MULTILINE)
        assert 5_000 <= int(retry) <= 15_000
        plain = other.get("/events", headers={"Accept": "application/json"})
        assert plain.status_code == 503
        assert plain.headers["Retry-After"]
        assert channel.subscribers == 1
    with StreamClient(app).stream("/events") as arrivals:
        assert arrivals.read_until(b": hello")


# --- of one's own -----------------------------------------------------------


def tokens() -> Iterator[object]:
    """Yield one of each kind."""
    yield "one"
    yield {"two": 2}
    yield flush
    yield Event("three\nlines", event="end", id="t-3")


async def async_tokens() -> AsyncIterator[object]:
    """Yield the same, after a while each."""
    for token in tokens():
        await asyncio.sleep(0)
        yield token


WANTED = (
    b'data: one\n\ndata: {"two":2}\n\nid: t-3\nevent: end\ndata: three\ndata: lines\n\n'
)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tokens,
        tokens,
        lambda: list(tokens()),
        lambda: async_tokens,
        async_tokens,
    ],
    ids=["function", "generator", "list", "async function", "async generator"],
)
def test_an_iterable_of_events(make: Callable[[], Any]) -> None:
    """Text, JSON and whole events, after a first comment; then the end."""
    app = serve(lambda: stream_events(make()))
    with StreamClient(app).stream("/events") as arrivals:
        stream = arrivals.read_all()
        arrivals.assert_whole()
    hello, _, rest = stream.partition(b"\n\n")
    assert re.fullmatch(rb": hello\nretry: \d+", hello)
    assert rest == WANTED


def test_its_headers_come_before_it_begins() -> None:
    """A model that thinks keeps nobody waiting; a comment breaks its silence."""
    thought = threading.Event()

    def model() -> Iterator[str]:
        assert thought.wait(PATIENCE)
        yield "done"

    app = serve(lambda: stream_events(model, heartbeat=0.01))
    with StreamClient(app).stream("/events") as arrivals:
        arrivals.read_until(b": hello\n")
        arrivals.read_until(b"\n\n:\n\n")
        assert not thought.is_set()
        thought.set()
        assert data_of(arrivals.read_all()) == ["done"]


def test_tokens_are_sent_together() -> None:
    """A hundred at once are a few writes, not a hundred."""
    app = serve(lambda: stream_events(str(n) for n in range(100)))
    with StreamClient(app).stream("/events") as arrivals:
        assert data_of(arrivals.read_all()) == [str(n) for n in range(100)]
        assert len(arrivals.arrivals) < 10


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_it_is_closed_when_the_client_leaves(kind: str) -> None:
    """Nobody pays for tokens that nobody reads."""
    closed = threading.Event()
    go = threading.Event()

    def sync() -> Iterator[str]:
        try:
            yield "first"
            while True:
                go.wait(0.001)
                yield "more"
        finally:
            closed.set()

    async def coroutine() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    body: Any = sync if kind == "sync" else coroutine
    app = serve(lambda: stream_events(body))
    finishes = Finishes(app)
    with StreamClient(app).stream("/events") as arrivals:
        arrivals.read_until(b"data: first\n\n")
    assert closed.wait(PATIENCE)
    until(lambda: finishes.outcomes == ["left"])


def test_its_request_is_there() -> None:
    """To its last line, in whatever thread it runs."""

    def body() -> Iterator[str]:
        yield request.path
        yield request.args["q"]

    app = serve(lambda: stream_events(body))
    with StreamClient(app).stream("/events", query_string={"q": "x"}) as arrivals:
        assert data_of(arrivals.read_all()) == ["/events", "x"]


@pytest.mark.parametrize("bad", [None, object(), {"x": object()}])
def test_an_item_that_cannot_be_sent_cuts(bad: object) -> None:
    """What came before it arrives, and the stream isn't whole."""

    def body() -> Iterator[object]:
        yield "good"
        yield bad

    app = serve(lambda: stream_events(body))
    finishes = Finishes(app)
    with StreamClient(app).stream("/events") as arrivals:
        assert data_of(arrivals.read_all()) == ["good"]
        arrivals.assert_cut()
    assert isinstance(finishes.finished[0]["exception"], BodyTypeError)


# --- arguments --------------------------------------------------------------

WRONG: dict[str, tuple[type[Exception], Callable[[], object]]] = {
    "nothing": (ArgumentError, stream_events),
    "both": (ArgumentError, lambda: stream_events(Channel("c"), ["x"])),
    "two iterables": (ArgumentError, lambda: stream_events(["x"], ["y"])),
    "text": (BodyTypeError, lambda: stream_events("text")),
    "a dict": (BodyTypeError, lambda: stream_events({"a": 1})),
    "a number": (BodyTypeError, lambda: stream_events(5)),  # type: ignore[arg-type]
    "heartbeat": (ArgumentError, lambda: stream_events(["x"], heartbeat=0)),
    "retry": (ArgumentError, lambda: stream_events(["x"], retry=0)),
    "conflate": (ArgumentError, lambda: stream_events(["x"], conflate="latest")),
    "filter": (ArgumentError, lambda: stream_events(["x"], filter=bool)),
}


@pytest.mark.parametrize(("error", "call"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_the_views_error(
    error: type[Exception], call: Callable[[], object]
) -> None:
    """Before anything is sent."""
    with make_app().test_request_context(), pytest.raises(error):
        call()


def test_outside_a_request() -> None:
    """It says that it needs one."""
    with pytest.raises(OutsideRequestError):
        stream_events(Channel("c"))


def test_too_many_is_raised_to_whoever_wants_no_events() -> None:
    """So that an error handler may answer."""
    channel = Channel("c", limit=1)
    feed = channel.subscribe()
    request = make_app().test_request_context(headers={"Accept": "application/json"})
    with request, pytest.raises(TooManyStreamsError):
        stream_events(channel)
    feed.close()

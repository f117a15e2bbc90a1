"""`stream()`: decided before committed, whole or cut, bounded, and told about."""

from __future__ import annotations

import asyncio
import gzip
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    abort,
    flash,
    got_request_exception,
    redirect,
    request,
    session,
)

from flask_sluice import Sluice, StreamedResponse, flush, native, signals, stream
from flask_sluice.errors import (
    ArgumentError,
    BodyTypeError,
    HeaderError,
    NotInitializedError,
    OutsideRequestError,
)
from flask_sluice.pubsub import Ticker
from flask_sluice.testing import StreamClient
from helpers import PATIENCE, Finishes, HandFeed, make_app, until


def app_of(view: Callable[..., Any], **config: Any) -> Flask:
    """Give an app whose only page is *view*."""
    app = make_app(**config)
    app.add_url_rule("/", "view", view, methods=["GET", "POST"])
    return app


def get(view: Callable[..., Any], **options: Any) -> Any:
    """Ask for *view* in an app of its own, body and all."""
    return app_of(view).test_client().get("/", **options)


# Bodies of every kind.


async def _async_rows() -> AsyncIterator[str]:
    for n in range(3):
        await asyncio.sleep(0)
        yield f"{n};"


def _rows() -> Iterator[str]:
    for n in range(3):
        yield f"{n};"


class _Rows:
    def __iter__(self) -> Iterator[str]:
        return _rows()


BODIES: list[Any] = [
    pytest.param(lambda: ["0;", b"1;", "2;"], id="list"),
    pytest.param(lambda: iter(("0;1;", "2;")), id="iterator"),
    pytest.param(_rows, id="generator"),
    pytest.param(lambda: _rows, id="generator function"),
    pytest.param(_Rows, id="iterable"),
    pytest.param(_async_rows, id="async generator"),
    pytest.param(lambda: _async_rows, id="async generator function"),
    pytest.param(lambda: ["", "0;", flush, b"", "1;2;"], id="edges"),
]


@pytest.mark.parametrize("make", BODIES)
@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_bodies_of_every_kind(make: Callable[[], Any], max_delay: float | None) -> None:
    """Iterables, generators and functions of them, sync and async, are sent whole."""
    app = app_of(lambda: stream(make(), max_delay=max_delay))
    finishes = Finishes(app)
    response = app.test_client().get("/")
    assert response.data == b"0;1;2;"
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert "Content-Length" not in response.headers
    until(lambda: finishes.outcomes == ["complete"])
    assert finishes.finished[0]["bytes_made"] == 6


def test_a_feed_is_a_body() -> None:
    """A feed is taken from until it gives None, and closed once."""
    feed = HandFeed(b"a", b"b")
    feed.put(None)
    response = get(lambda: stream(feed))
    assert response.data == b"ab"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert feed.closes == 1


def test_a_ticker_is_a_body() -> None:
    """The first lines of a real feed arrive in order; leaving ends its subscription."""
    ticker = Ticker(lambda n: f"tick {n}\n", interval=0.005)
    app = app_of(lambda: stream(ticker.subscribe(), mimetype="text/plain"))
    with StreamClient(app).stream("/") as arrivals:
        data = arrivals.read_until(b"tick 3\n")
    assert data.startswith(b"tick 1\ntick 2\ntick 3\n")
    until(lambda: ticker.listeners == 0)


# Decided before committed.


def test_abort_before_the_first_item_has_its_status() -> None:
    """The body runs to its first item in the view, so a 404 is a 404."""

    def body() -> Iterator[str]:
        abort(404)
        yield "never"

    response = get(lambda: stream(body()))
    assert response.status_code == 404


def test_redirect_before_the_first_item() -> None:
    """A body may turn the client away while nothing is sent."""

    def body() -> Iterator[str]:
        abort(redirect("/login"))
        yield "never"

    response = get(lambda: stream(body()))
    assert response.status_code in {302, 303}  # Flask 3.2 has another default
    assert response.headers["Location"] == "/login"


@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_an_exception_before_the_first_item_reaches_its_handler(
    max_delay: float | None,
) -> None:
    """The app's own error handler answers, whoever runs the body."""

    def body() -> Iterator[str]:
        raise LookupError("no such flight")
        yield "never"

    app = app_of(lambda: stream(body(), max_delay=max_delay))
    app.register_error_handler(LookupError, lambda error: (str(error), 418))
    finishes = Finishes(app)
    response = app.test_client().get("/")
    assert (response.status_code, response.data) == (418, b"no such flight")
    assert finishes.started == finishes.finished == []
    assert len(app.extensions["sluice.state"].registry) == 0


def test_an_async_exception_before_the_first_item_reaches_its_handler() -> None:
    """The same for an async body."""

    async def body() -> AsyncIterator[str]:
        await asyncio.sleep(0)
        abort(409)
        yield "never"

    assert get(lambda: stream(body())).status_code == 409


def test_session_and_flash_before_the_first_item() -> None:
    """What is written until then is in the cookie."""

    def body() -> Iterator[str]:
        session["seen"] = "yes"
        flash("hello")
        yield "x"

    app = app_of(lambda: stream(body()))
    app.add_url_rule("/read", "read", lambda: f"{dict(session)}")
    client = app.test_client()
    assert client.get("/").data == b"x"
    assert b"'seen': 'yes'" in client.get("/read").data
    assert b"hello" in client.get("/read").data


def test_status_headers_and_cookies_from_the_view() -> None:
    """A streamed response is a flask.Response, in a tuple too."""

    def view() -> Any:
        response = stream(["x"], headers={"X-One": "1"}, mimetype="text/plain")
        assert isinstance(response, Response)
        assert isinstance(response, StreamedResponse)
        response.set_cookie("crumb", "1")
        response.headers["X-Two"] = "2"
        return response, 203, {"X-Three": "3"}

    response = get(view)
    assert response.status_code == 203
    assert [response.headers[f"X-{n}"] for n in ("One", "Two", "Three")] == [
        "1",
        "2",
        "3",
    ]
    assert "crumb=1" in response.headers["Set-Cookie"]
    assert response.data == b"x"


@pytest.mark.parametrize("status", [202, "202 ACCEPTED"])
def test_status_as_an_argument(status: int | str) -> None:
    """A number or a line."""
    assert get(lambda: stream(["x"], status=status)).status == "202 ACCEPTED"


def test_after_request_sees_and_changes_the_response() -> None:
    """The app's functions run before the first byte, with the headers open."""
    app = app_of(lambda: stream(["x"]))

    @app.after_request
    def add(response: Response) -> Response:
        response.headers["X-After"] = str(response.is_streamed)
        return response

    assert app.test_client().get("/").headers["X-After"] == "True"


@pytest.mark.parametrize("body", [[], iter(()), lambda: ()])
def test_an_empty_body_is_a_200_of_length_zero(body: Any) -> None:
    """Nothing to stream is a plain response, and nothing is announced."""
    app = app_of(lambda: stream(body))
    finishes = Finishes(app)
    response = app.test_client().get("/", headers={"Accept-Encoding": "gzip"})
    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Content-Length"] == "0"
    assert "Content-Encoding" not in response.headers
    assert finishes.started == finishes.finished == []
    assert len(app.extensions["sluice.state"].registry) == 0


@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_a_body_of_edges_alone_is_whole(max_delay: float | None) -> None:
    """It has items, if no bytes."""
    response = get(lambda: stream(["", b"", flush], max_delay=max_delay))
    assert (response.status_code, response.data) == (200, b"")


# Whole or broken.


class Oops(Exception):
    """What bodies here fail with."""


def _failing(after: int = 1) -> Iterator[str]:
    for n in range(after):
        yield f"{n};"
        yield flush
    raise Oops("late")


async def _failing_async() -> AsyncIterator[str]:
    yield "0;"
    await asyncio.sleep(0)
    raise Oops("late")


def _failing_feed() -> HandFeed:
    feed = HandFeed(b"0;")
    feed.put(Oops("late"))
    return feed


@pytest.mark.parametrize(
    ("make", "max_delay"),
    [
        (_failing, None),
        (_failing, 0.01),
        (_failing_async, None),
        (_failing_feed, None),
    ],
    ids=["pulled", "max_delay", "async", "feed"],
)
def test_a_late_exception_cuts_and_is_told(
    make: Callable[[], Any], max_delay: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The bytes before it arrive, then a cut; log and signals have it, once."""
    app = app_of(lambda: stream(make(), max_delay=max_delay))
    finishes = Finishes(app)
    told: list[BaseException] = []

    def tell(sender: Flask, exception: BaseException, **_: Any) -> None:
        told.append(exception)

    got_request_exception.connect(tell, app)
    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_all() == b"0;"
        arrivals.assert_cut()
    until(lambda: finishes.finished)
    assert finishes.outcomes == ["failed"]
    assert isinstance(finishes.finished[0]["exception"], Oops)
    assert [str(error) for error in told] == ["late"]
    assert caplog.text.count("Traceback") >= 1
    assert "Oops: late" in caplog.text
    assert len([r for r in caplog.records if "failed after" in r.message]) == 1


@pytest.mark.parametrize("item", [None, 5, ["x"], bytearray(b"x")])
@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_a_wrong_item_late_cuts(item: Any, max_delay: float | None) -> None:
    """An item of a wrong type is a failure like any other."""
    gate = threading.Event()

    def body() -> Iterator[Any]:
        yield "ok"
        yield ""
        assert gate.wait(PATIENCE)
        yield item

    app = app_of(lambda: stream(body(), max_delay=max_delay))
    finishes = Finishes(app)
    with StreamClient(app).stream("/") as arrivals:
        arrivals.read_until(b"ok")
        gate.set()
        arrivals.read_all()
        arrivals.assert_cut()
    until(lambda: finishes.finished)
    assert isinstance(finishes.finished[0]["exception"], BodyTypeError)


def test_a_failed_compressed_body_has_no_end() -> None:
    """The decoder has the bytes and still waits."""
    app = app_of(lambda: stream(_failing()))
    with StreamClient(app).stream("/", headers={"Accept-Encoding": "gzip"}) as got:
        decoder = zlib.decompressobj(31)
        assert decoder.decompress(got.read_all()) == b"0;"
        assert not decoder.eof
        got.assert_cut()


def test_a_broken_stream_breaks_no_other() -> None:
    """The app answers as before."""
    app = app_of(lambda: stream(_failing()))
    app.add_url_rule("/ok", "ok", lambda: "ok")
    for _ in range(3):
        with StreamClient(app).stream("/") as arrivals:
            arrivals.read_all()
            arrivals.assert_cut()
        assert app.test_client().get("/ok").data == b"ok"


# Chunks.


def test_small_writes_are_gathered_and_edges_cut() -> None:
    """The first item goes alone; then edges decide."""

    def body() -> Iterator[Any]:
        yield "first"
        yield "a"
        yield "b"
        yield flush
        yield "c"
        yield ""
        yield "d"

    app = app_of(lambda: stream(body()))
    with StreamClient(app).stream("/") as arrivals:
        arrivals.read_all()
    got = [arrival.data for arrival in arrivals.arrivals]
    assert got[0] == b"first"
    assert got[-2:] == [b"c", b"d"]
    assert b"".join(got) == b"firstabcd"


def test_many_small_items_go_in_few_chunks() -> None:
    """A million bytes in tens of pieces, not tens of thousands."""
    app = app_of(lambda: stream("x" * 50 for _ in range(20_000)))
    with StreamClient(app).stream("/") as arrivals:
        assert len(arrivals.read_all()) == 1_000_000
    assert len(arrivals.arrivals) < 200


def test_the_first_chunk_is_made_in_the_view() -> None:
    """By the time stream() returns the body stands behind its first item."""
    steps: list[str] = []

    def body() -> Iterator[str]:
        steps.append("one")
        yield "1"
        steps.append("two")
        yield "2"

    def view() -> Any:
        response = stream(body())
        steps.append("view")
        return response

    assert get(view).data == b"12"
    assert steps == ["one", "view", "two"]


def test_max_delay_sends_what_a_blocked_body_holds() -> None:
    """Bytes leave while the body blocks, without an edge."""
    gate = threading.Event()

    def body() -> Iterator[str]:
        yield "a"
        yield "b"
        yield "c"
        assert gate.wait(PATIENCE)
        yield "d"

    app = app_of(lambda: stream(body(), max_delay=0.01))
    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_until(b"abc") == b"abc"
        gate.set()
        assert arrivals.read_all() == b"abcd"
        arrivals.assert_whole()


# Leaving and deadlines.


def test_leaving_closes_the_generator() -> None:
    """It sees GeneratorExit, the outcome is left, and callbacks run."""
    seen: list[str] = []
    left = threading.Event()

    def body() -> Iterator[str]:
        sluice = app.extensions["sluice"]
        sluice.on_leave(left.set)
        try:
            while True:
                yield "x"
                yield flush
        except GeneratorExit:
            seen.append(request.path)
            raise

    app = app_of(lambda: stream(body()))
    finishes = Finishes(app)
    with StreamClient(app).stream("/") as arrivals:
        next(arrivals)
    assert arrivals.ended == "left"
    assert seen == ["/"]
    assert finishes.outcomes == ["left"]
    assert left.wait(PATIENCE)


def test_leaving_closes_an_async_generator() -> None:
    """It is cancelled where it waits, and the stream ends when it is closed."""
    seen: list[str] = []

    async def body() -> AsyncIterator[str]:
        try:
            yield "x"
            await asyncio.Event().wait()
        finally:
            seen.append(request.path)

    app = app_of(lambda: stream(body()))
    finishes = Finishes(app)
    with StreamClient(app).stream("/") as arrivals:
        arrivals.read_until(b"x")
    until(lambda: finishes.outcomes == ["left"])
    assert seen == ["/"]


def test_client_gone_and_on_leave_need_a_request() -> None:
    """Each says so outside of one."""
    app = make_app()
    sluice = app.extensions["sluice"]
    with pytest.raises(OutsideRequestError, match="client_gone"):
        sluice.client_gone()
    with app.app_context(), pytest.raises(OutsideRequestError, match="on_leave"):
        sluice.on_leave(lambda: None)
    with pytest.raises(OutsideRequestError, match="limits"):
        _ = sluice.limits
    with app.test_request_context("/"):
        assert sluice.client_gone() is False


def test_one_stream_dropped_is_nobody_leaving() -> None:
    """A view that makes a stream and returns another has a client all the same."""
    called: list[int] = []
    gone: list[bool] = []

    def body() -> Iterator[str]:
        yield "x"
        yield flush
        gone.append(app.extensions["sluice"].client_gone())
        yield "y"

    def view() -> Any:
        app.extensions["sluice"].on_leave(lambda: called.append(1))
        stream(["dropped"])
        return stream(body())

    app = app_of(view)
    assert app.test_client().get("/").data == b"xy"
    assert gone == [False]
    done = threading.Event()
    native.post(done.set)  # a callback would have come before this
    assert done.wait(PATIENCE)
    assert called == []


@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_a_deadline_expires(max_delay: float | None) -> None:
    """The stream is cut with the outcome expired, and on_leave has run by then."""
    expired = threading.Event()

    def body() -> Iterator[str]:
        app.extensions["sluice"].on_leave(expired.set)
        yield "x"
        yield flush
        assert expired.wait(PATIENCE)
        yield "y"
        yield flush
        yield "z"

    app = app_of(lambda: stream(body(), deadline=0.03, max_delay=max_delay))
    finishes = Finishes(app)
    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_all() == b"x"
        arrivals.assert_cut()
    until(lambda: finishes.outcomes == ["expired"])


def test_a_deadline_ends_a_silent_feed() -> None:
    """A feed that never says anything is closed when its time is up."""
    feed = HandFeed(b"x")
    app = app_of(lambda: stream(feed, deadline=0.03))
    finishes = Finishes(app)
    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_all() == b"x"
        arrivals.assert_cut()
    assert finishes.outcomes == ["expired"]
    assert feed.closes == 1


def test_a_deadline_that_is_kept_changes_nothing() -> None:
    """A body that ends before is whole."""
    app = app_of(lambda: stream(["x"], deadline=60))
    finishes = Finishes(app)
    assert app.test_client().get("/").data == b"x"
    assert finishes.outcomes == ["complete"]


# Headers.


def test_the_standing_headers() -> None:
    """Proxies are asked not to buffer; a value of the view's own stays."""
    headers = get(lambda: stream(["x"])).headers
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["Incremental"] == "?1"
    own = get(lambda: stream(["x"], headers={"X-Accel-Buffering": "yes"})).headers
    assert own.getlist("X-Accel-Buffering") == ["yes"]


@pytest.mark.parametrize(
    ("mimetype", "expected"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("image/svg+xml", "image/svg+xml; charset=utf-8"),
        ("application/json", "application/json"),
        ("text/plain; charset=latin-1", "text/plain; charset=latin-1"),
        ("application/octet-stream", "application/octet-stream"),
    ],
)
def test_mimetypes(mimetype: str, expected: str) -> None:
    """Text gets its charset, unless it says one."""
    response = get(lambda: stream([b"x"], mimetype=mimetype))
    assert response.content_type == expected


def test_a_file_name() -> None:
    """The browser is told to save under it."""
    response = get(lambda: stream(["x"], filename="flüge.csv"))
    value = response.headers["Content-Disposition"]
    assert value.startswith('attachment; filename="fluge.csv"; ')
    assert value.endswith("filename*=UTF-8''fl%C3%BCge.csv")


def _gunzip(data: bytes) -> bytes:
    return zlib.decompress(data, 31)


@pytest.mark.parametrize("max_delay", [None, 0.01])
def test_compression_by_the_clients_wish(max_delay: float | None) -> None:
    """Text is compressed, said so, and Vary tells caches."""
    response = get(
        lambda: stream(["a" * 500, flush, "b" * 500], max_delay=max_delay),
        headers={"Accept-Encoding": "gzip"},
    )
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert _gunzip(response.data) == b"a" * 500 + b"b" * 500
    assert len(response.data) < 200


@pytest.mark.parametrize(
    ("options", "accept", "coding", "varies"),
    [
        ({}, "gzip", "gzip", True),
        ({}, "br, zstd;q=0.5", "br", True),
        ({}, "", None, True),
        ({}, "identity", None, True),
        ({"compress": False}, "gzip", None, False),
        ({"mimetype": "image/png"}, "gzip", None, False),
        ({"mimetype": "image/png", "compress": True}, "gzip", None, False),
        ({"mimetype": "application/pdf"}, "gzip", None, False),
        ({"mimetype": "application/pdf", "compress": True}, "gzip", "gzip", True),
        ({"headers": {"Content-Encoding": "own"}}, "gzip", "own", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_compressed(
    method: str,
    options: dict[str, Any],
    accept: str,
    coding: str | None,
    varies: bool,
) -> None:
    """Type, wish and argument decide, and for HEAD and GET alike."""
    app = app_of(lambda: stream([b"x" * 100], **options))
    response = app.test_client().open(
        "/", method=method, headers={"Accept-Encoding": accept}
    )
    assert response.headers.get("Content-Encoding") == coding
    assert ("Accept-Encoding" in response.headers.get("Vary", "")) is varies


def test_a_view_may_say_that_its_body_is_compressed() -> None:
    """Also after `stream()` has agreed on a coding: nothing is compressed twice."""
    packed = gzip.compress(b"hello" * 100)

    def view() -> Any:
        response = stream([packed], mimetype="text/plain")
        assert response.headers["Content-Encoding"] == "br"
        response.headers["Content-Encoding"] = "gzip"
        return response

    response = get(view, headers={"Accept-Encoding": "br"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.data == packed


def test_a_feed_is_compressed_only_when_asked() -> None:
    """Each compressor holds memory, and feeds are many."""
    for compress, coding in ((None, None), (True, "gzip")):
        feed = HandFeed(b"line\n")
        feed.put(None)
        response = get(
            lambda feed=feed, compress=compress: stream(feed, compress=compress),
            headers={"Accept-Encoding": "gzip"},
        )
        assert response.headers.get("Content-Encoding") == coding
        data = _gunzip(response.data) if coding else response.data
        assert data == b"line\n"


def test_vary_keeps_what_the_view_said() -> None:
    """Accept-Encoding is added, not put in its place."""
    response = get(lambda: stream(["x"], headers={"Vary": "Cookie"}))
    assert set(response.headers["Vary"].split(", ")) == {"Cookie", "Accept-Encoding"}


def test_head_agrees_with_get_and_runs_nothing() -> None:
    """The same headers, no producer; a cursor that was handed in is closed."""
    begun: list[str] = []
    closed: list[str] = []

    class Cursor:
        """Rows with a close."""

        def __iter__(self) -> Iterator[str]:
            begun.append(request.method)
            return iter(["x"])

        def close(self) -> None:
            closed.append(request.method)

    app = app_of(lambda: stream(Cursor(), filename="x.csv", mimetype="text/csv"))
    finishes = Finishes(app)
    client = app.test_client()
    head = client.head("/", headers={"Accept-Encoding": "zstd"})
    assert begun == []
    assert closed == ["HEAD"]
    assert head.data == b""
    assert finishes.started == []
    full = client.get("/", headers={"Accept-Encoding": "zstd"})
    assert dict(head.headers) == dict(full.headers)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_body_closes_the_body(status: int) -> None:
    """Nothing is sent, the generator is closed, and nothing stays open."""
    closed: list[int] = []

    def body() -> Iterator[str]:
        try:
            yield "x"
        finally:
            closed.append(1)

    app = app_of(lambda: (stream(body()), status))
    response = app.test_client().get("/")
    assert (response.status_code, response.data) == (status, b"")
    assert closed == [1]
    assert len(app.extensions["sluice.state"].registry) == 0


# Signals, lists, limits.


def test_signals_have_the_right_numbers() -> None:
    """One of each, for the same stream, with what was made and sent."""
    app = app_of(lambda: stream(["ab", flush, "cde"], mimetype="application/x-own"))
    finishes = Finishes(app)
    assert app.test_client().get("/").data == b"abcde"
    (started,), (finished,) = finishes.started, finishes.finished
    assert set(started) == {"stream"}
    assert set(finished) == {
        "stream",
        "outcome",
        "bytes_made",
        "bytes_sent",
        "chunks",
        "seconds",
        "first_byte_seconds",
        "exception",
    }
    assert started["stream"] is finished["stream"]
    assert finished["outcome"] == "complete"
    assert (finished["bytes_made"], finished["bytes_sent"]) == (5, 5)
    assert finished["chunks"] == 2
    assert 0 <= finished["first_byte_seconds"] <= finished["seconds"] < PATIENCE
    assert finished["exception"] is None


def test_bytes_sent_are_those_after_compression() -> None:
    """Made and sent differ by what was saved."""
    app = app_of(lambda: stream(["a" * 5000]))
    finishes = Finishes(app)
    response = app.test_client().get("/", headers={"Accept-Encoding": "gzip"})
    sent = len(response.data)
    finished = finishes.finished[0]
    assert finished["bytes_made"] == 5000
    assert finished["bytes_sent"] == sent < 5000


def test_signals_come_with_contexts() -> None:
    """A receiver of stream_finished may still ask for the request."""
    app = app_of(lambda: stream(["x"]))
    paths: list[str] = []

    def hear(sender: Flask, **news: Any) -> None:
        paths.append(request.path)

    with signals.stream_finished.connected_to(hear, app):
        assert app.test_client().get("/").data == b"x"
    assert paths == ["/"]


def test_what_is_open_is_listed() -> None:
    """While a stream is open it is in `streams`, with its numbers, and then not."""
    app = app_of(lambda: stream(_rows_with_edges()))
    sluice = app.extensions["sluice"]
    with StreamClient(app).stream("/") as arrivals:
        next(arrivals)
        with app.app_context():
            (entry,) = sluice.streams
            assert sluice.limits.open == 1
        assert (entry.path, entry.driver, entry.outcome) == ("/", "pull", None)
        assert (entry.bytes_made, entry.bytes_sent, entry.chunks) == (2, 2, 1)
        assert entry.seconds >= 0
        assert isinstance(entry.id, int)
        assert isinstance(entry.client, str)
        arrivals.read_all()
    with app.app_context():
        assert sluice.streams == []
        assert sluice.limits.open == 0
        assert sluice.limits.max_streams == 16_384
        assert sluice.limits.max_streams_per_client is None
    assert entry.outcome == "complete"


def _rows_with_edges() -> Iterator[Any]:
    for n in range(3):
        yield f"{n};"
        yield flush


@pytest.mark.parametrize("key", ["SLUICE_MAX_STREAMS", "SLUICE_MAX_STREAMS_PER_CLIENT"])
def test_one_stream_too_many_is_a_503(key: str) -> None:
    """With Retry-After, before the generator runs, its body closed; room comes back."""
    ran: list[int] = []
    closed: list[int] = []

    class Body:
        """A body that notes what becomes of it."""

        def __iter__(self) -> Iterator[Any]:
            ran.append(1)
            return _rows_with_edges()

        def close(self) -> None:
            closed.append(1)

    app = app_of(lambda: stream(Body()), **{key: 1})
    environ = {"REMOTE_ADDR": "10.0.0.1"}
    client = StreamClient(app)
    with client.stream("/", environ_base=environ) as first:
        next(first)
        assert ran == [1]
        with client.stream("/", environ_base=environ) as second:
            second.read_all()
        assert second.status_code == 503
        assert int(second.headers["Retry-After"]) > 0
        assert ran == [1]
        assert closed == [1]
        other = {"REMOTE_ADDR": "10.0.0.2"}
        with client.stream("/", environ_base=other) as third:
            third.read_all()
        assert third.status_code == (503 if key == "SLUICE_MAX_STREAMS" else 200)
        first.read_all()
    with client.stream("/", environ_base=environ) as fourth:
        assert fourth.read_all() == b"0;1;2;"


# call_on_close.


def _plain_view() -> Any:
    return stream(["x", flush, "y"])


def _replaced_view() -> Any:
    response = stream(["x", flush, "y"])
    response.call_on_close(lambda: _closes.append(1))
    response.set_data("replaced")
    return response


def _read_view() -> Any:
    response = stream(["x", flush, "y"])
    response.call_on_close(lambda: _closes.append(1))
    response.get_data()
    return response


def _no_content_view() -> Any:
    response = stream(["x", flush, "y"])
    response.call_on_close(lambda: _closes.append(1))
    return response, 204


def _streamed_view() -> Any:
    response = stream(["x", flush, "y"])
    response.call_on_close(lambda: _closes.append(1))
    return response


_closes: list[int] = []


@pytest.mark.parametrize(
    "view", [_streamed_view, _replaced_view, _read_view, _no_content_view]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_call_on_close_is_called_once(view: Callable[[], Any], method: str) -> None:
    """Whatever becomes of the body."""
    _closes.clear()
    app_of(view).test_client().open("/", method=method).close()
    assert _closes == [1]


def test_call_on_close_comes_after_the_last_byte() -> None:
    """And with a failing function the others run."""
    order: list[str] = []

    def body() -> Iterator[str]:
        yield "x"
        yield flush
        order.append("body")
        yield "y"

    def view() -> Any:
        response = stream(body())
        response.call_on_close(lambda: 1 / 0)
        response.call_on_close(lambda: order.append("closed"))
        return response

    assert get(view).data == b"xy"
    assert order == ["body", "closed"]


# Bad arguments.


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("text", r"\[body\]"),
        (b"bytes", r"\[body\]"),
        (bytearray(b"x"), "bytearray"),
        (memoryview(b"x"), "memoryview"),
        ({"a": 1}, "dict"),
        (5, "int"),
        (None, "NoneType"),
        (lambda: "text", r"\[body\]"),
        (lambda: None, "NoneType"),
    ],
)
def test_a_wrong_body_is_refused(body: Any, words: str) -> None:
    """With an error that says what to give, and nothing stays open."""
    app = make_app()
    with app.test_request_context("/"), pytest.raises(BodyTypeError, match=words):
        stream(body)
    assert len(app.extensions["sluice.state"].registry) == 0


@pytest.mark.parametrize("name", ["max_delay", "deadline"])
@pytest.mark.parametrize("value", [0, -1, True, "1", float("nan"), float("inf")])
def test_wrong_seconds_are_refused(name: str, value: Any) -> None:
    """Each by name."""
    with (
        make_app().test_request_context("/"),
        pytest.raises(ArgumentError, match=name),
    ):
        stream(["x"], **{name: value})


@pytest.mark.parametrize(
    "options",
    [
        {"mimetype": "text/html\r\nX-Evil: 1"},
        {"mimetype": "text/html\n"},
        {"filename": "a\r\nX-Evil: 1"},
        {"filename": "a\x00"},
        {"headers": {"X-A": "1\r\nX-Evil: 1"}},
        {"headers": [("X-A\r\n", "1")]},
    ],
)
def test_controls_in_headers_are_refused(options: dict[str, Any]) -> None:
    """A user's input writes no header of its own; the app goes on."""
    app = app_of(lambda: stream(["x"], **options))
    app.add_url_rule("/ok", "ok", lambda: stream(["ok"]))
    with app.test_request_context("/"), pytest.raises(HeaderError):
        stream(["x"], **options)
    client = app.test_client()
    assert client.get("/").status_code == 500
    assert client.get("/ok").data == b"ok"


def test_stream_needs_a_request() -> None:
    """Outside of one it says so."""
    with pytest.raises(OutsideRequestError, match=r"stream\(\)"):
        stream(["x"])
    with make_app().app_context(), pytest.raises(OutsideRequestError):
        stream(["x"])


def test_stream_needs_a_sluice() -> None:
    """An app without one is told what to write."""
    with (
        Flask("bare").test_request_context("/"),
        pytest.raises(NotInitializedError, match=r"Sluice\(app\)"),
    ):
        stream(["x"])


def test_two_apps_in_one_process() -> None:
    """Each has its own limits, list and signals; one Sluice may serve both."""
    sluice = Sluice()
    apps = [Flask("one"), Flask("two")]
    apps[0].config["SLUICE_MAX_STREAMS"] = 1
    for app in apps:
        sluice.init_app(app)
        app.add_url_rule("/", "view", lambda: stream(_rows_with_edges()))
    heard = [Finishes(app) for app in apps]
    with StreamClient(apps[0]).stream("/") as one:
        next(one)
        for n, app in enumerate(apps):
            assert app.extensions["sluice"] is sluice
            with app.app_context():
                assert sluice.limits.open == (1, 0)[n]
        assert apps[0].test_client().get("/").status_code == 503
        assert apps[1].test_client().get("/").data == b"0;1;2;"
        one.read_all()
    assert [h.outcomes for h in heard] == [["complete"], ["complete"]]

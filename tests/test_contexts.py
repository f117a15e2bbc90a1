"""Contexts: there to the body's last line, torn down once, and nobody else's."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import pytest
from flask import (
    Flask,
    Response,
    current_app,
    g,
    has_app_context,
    has_request_context,
    request,
    session,
    stream_with_context,
    url_for,
)

from flask_sluice import Sluice, flush, signals, stream
from flask_sluice.testing import StreamClient
from helpers import PATIENCE, HandFeed, make_app, until


class House:
    """An app with one page, and a count of its teardowns."""

    def __init__(self, view: Callable[..., Any], **config: Any) -> None:
        self.app = make_app(**config)
        self.teardowns: list[BaseException | None] = []
        self.app_teardowns: list[BaseException | None] = []
        self.app.teardown_request(self._tear_down)
        self.app.teardown_appcontext(self.app_teardowns.append)
        self.app.add_url_rule("/<name>", "view", view)
        self.app.add_url_rule("/plain", "plain", lambda: request.path)
        self.client = StreamClient(self.app)

    def _tear_down(self, error: BaseException | None) -> None:
        assert has_request_context()
        self.teardowns.append(error)

    def assert_once(self) -> None:
        """Assert that teardown ran once, and stays at that."""
        until(lambda: self.teardowns and self.app_teardowns, 2.0)
        assert len(self.teardowns) == 1
        assert len(self.app_teardowns) == 1
        assert not has_app_context()
        assert not has_request_context()


def _rows() -> Iterator[Any]:
    for _ in range(3):
        yield f"{request.path};"
        yield flush


async def _async_rows() -> AsyncIterator[Any]:
    for _ in range(3):
        await asyncio.sleep(0)
        yield f"{request.path};"
        yield flush


KINDS: list[Any] = [
    pytest.param(_rows, {}, id="pulled"),
    pytest.param(_rows, {"max_delay": 0.01}, id="max_delay"),
    pytest.param(_async_rows, {}, id="async"),
]


@pytest.mark.parametrize(("rows", "options"), KINDS)
def test_contexts_work_to_the_last_line(
    rows: Callable[[], Any], options: dict[str, Any]
) -> None:
    """request, session, g, current_app and url_for in the body, teardown after it."""
    order: list[str] = []

    def check() -> None:
        assert request.path == "/x"
        assert session["user"] == "ann"
        assert g.colour == "red"
        assert current_app.name == "unit"
        assert url_for("view", name="y") == "/y"

    def body() -> Iterator[Any]:
        for _ in range(3):
            check()
            yield "a"
            yield flush
        check()
        order.append("last line")

    async def async_body() -> AsyncIterator[Any]:
        for _ in range(3):
            check()
            await asyncio.sleep(0)
            yield "a"
        check()
        order.append("last line")

    def view(name: str) -> Any:
        session["user"] = "ann"
        g.colour = "red"
        return stream(body() if rows is _rows else async_body(), **options)

    house = House(view)
    house.app.teardown_request(lambda error: order.append("teardown"))
    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"aaa"
        arrivals.assert_whole()
    house.assert_once()
    assert order == ["last line", "teardown"]
    assert house.teardowns == [None]


@pytest.mark.parametrize(("rows", "options"), KINDS)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_client_that_leaves_tears_down_once(
    rows: Callable[[], Any], options: dict[str, Any], after: int
) -> None:
    """Never started, after the first chunk, after the second."""
    arrived = threading.Event()

    def body() -> Iterator[Any]:
        yield "a"
        yield flush
        assert arrived.wait(PATIENCE)
        yield "b"
        yield flush
        yield "c"

    async def async_body() -> AsyncIterator[Any]:
        yield "a"
        await asyncio.to_thread(arrived.wait, PATIENCE)
        yield "b"
        await asyncio.Event().wait()

    made = body if rows is _rows else async_body
    house = House(lambda name: stream(made(), **options))
    with house.client.stream("/x") as arrivals:
        for _ in range(after):
            next(arrivals)
            arrived.set()
        assert house.teardowns == []
    arrived.set()
    house.assert_once()


@pytest.mark.parametrize("options", [{}, {"max_delay": 0.01}])
def test_a_body_that_fails_tears_down_once_with_its_error(
    options: dict[str, Any],
) -> None:
    """Teardown functions hear of the exception."""
    error = LookupError("late")

    def body() -> Iterator[Any]:
        yield "a"
        yield flush
        raise error

    house = House(lambda name: stream(body(), **options))
    with house.client.stream("/x") as arrivals:
        arrivals.read_all()
        arrivals.assert_cut()
    house.assert_once()
    assert house.teardowns == [error]


def _raise_before_the_first_item(name: str) -> Any:
    def body() -> Iterator[str]:
        raise LookupError
        yield "never"

    return stream(body())


def _raise_after_stream(name: str) -> Any:
    stream(_rows())
    raise LookupError


def _drop(name: str) -> Any:
    stream(_rows())
    return "other"


def _drop_one_of_two(name: str) -> Any:
    stream(_rows())
    return stream(_rows())


def _get_data(name: str) -> Any:
    response = stream(_rows())
    assert response.get_data() == b"/x;/x;/x;"
    return response


def _set_data(name: str) -> Any:
    response = stream(_rows())
    response.set_data("new")
    return response


def _wrap(name: str) -> Any:
    response = stream(_rows())
    response.response = (chunk.upper() for chunk in response.response)
    return response


def _no_content(name: str) -> Any:
    return stream(_rows()), 204


def _empty(name: str) -> Any:
    return stream([])


@pytest.mark.parametrize(
    ("view", "status", "data"),
    [
        (_raise_before_the_first_item, 500, None),
        (_raise_after_stream, 500, None),
        (_drop, 200, b"other"),
        (_drop_one_of_two, 200, b"/x;/x;/x;"),
        (_get_data, 200, b"/x;/x;/x;"),
        (_set_data, 200, b"new"),
        (_wrap, 200, b"/X;/X;/X;"),
        (_no_content, 204, b""),
        (_empty, 200, b""),
    ],
)
def test_every_way_out_of_a_view_tears_down_once(
    view: Callable[[str], Any],
    status: int,
    data: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An exception, a replaced, read or dropped body; nothing stays open."""
    house = House(view)
    with house.client.stream("/x") as arrivals:
        got = arrivals.read_all()
    assert arrivals.status_code == status
    assert data is None or got == data
    house.assert_once()
    assert len(house.app.extensions["sluice.state"].registry) == 0
    assert "Teardown after a stream raised" not in caplog.text


def test_a_body_replaced_after_the_request_is_closed() -> None:
    """after_request may put another body in its place."""
    closed: list[str] = []

    def body() -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append(request.path)

    house = House(lambda name: stream(body()))

    @house.app.after_request
    def replace(response: Response) -> Response:
        response.set_data("new")
        return response

    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"new"
    assert closed == ["/x"]
    house.assert_once()


def test_an_after_request_that_raises_closes_the_body() -> None:
    """The response is lost, its body isn't left open."""
    closed: list[int] = []

    def body() -> Iterator[str]:
        try:
            yield "a"
        finally:
            closed.append(1)

    house = House(lambda name: stream(body()))

    @house.app.after_request
    def fail(response: Response) -> Response:
        if not closed and response.status_code == 200:
            raise LookupError
        return response

    with house.client.stream("/x") as arrivals:
        arrivals.read_all()
    assert arrivals.status_code == 500
    assert closed == [1]
    house.assert_once()


@pytest.mark.parametrize("options", [{}, {"max_delay": 0.01}])
def test_a_started_signal_that_raises_tears_down_once(
    options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver's error is the server's to see; contexts aren't left on."""

    def fail(sender: Flask, **news: Any) -> None:
        raise LookupError("receiver")

    house = House(lambda name: stream(_rows(), **options))
    with (
        signals.stream_started.connected_to(fail, house.app),
        pytest.raises(LookupError, match="receiver"),
        house.client.stream("/x"),
    ):
        pass
    house.assert_once()
    assert len(house.app.extensions["sluice.state"].registry) == 0
    assert "Teardown after a stream raised" not in caplog.text


def test_a_middleware_inside_may_read_the_body_within_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One that was put on before the Sluice and gathers bodies: teardown once."""
    app = Flask("unit")
    teardowns: list[object] = []
    app.teardown_request(teardowns.append)
    app.add_url_rule("/<name>", "view", lambda name: stream(_rows()))
    inner = app.wsgi_app

    def gather(environ: Any, start_response: Any) -> Iterable[bytes]:
        body = inner(environ, start_response)
        try:
            return [b"".join(body)]
        finally:
            body.close()  # type: ignore[attr-defined]

    app.wsgi_app = gather  # type: ignore[method-assign]
    Sluice(app)
    assert app.test_client().get("/x").data == b"/x;/x;/x;"
    assert len(teardowns) == 1
    assert "Teardown after a stream raised" not in caplog.text


def test_a_teardown_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The stream has ended by then, and stays whole."""
    house = House(lambda name: stream(_rows()))

    @house.app.teardown_request
    def fail(error: BaseException | None) -> None:
        raise LookupError("in teardown")

    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"/x;/x;/x;"
        arrivals.assert_whole()
    assert "in teardown" in caplog.text


def test_a_feed_holds_no_context() -> None:
    """Teardown runs when the view is over and the feed still open, when parked.

    Without a server the thread carries it, and then teardown comes no later.
    """
    feed = HandFeed(b"a")
    house = House(lambda name: stream(feed))
    with house.client.stream("/x") as arrivals:
        arrivals.read_until(b"a")
        house.assert_once()
        feed.put(b"b", None)
        assert arrivals.read_all() == b"ab"
    house.assert_once()


@pytest.mark.parametrize(("rows", "options"), KINDS)
def test_a_body_closed_by_another_thread_poisons_no_worker(
    rows: Callable[[], Any], options: dict[str, Any]
) -> None:
    """Flask #6123: the thread that began it serves two more requests, each its own."""
    house = House(lambda name: stream(rows(), **options))
    seen: list[bytes] = []
    arrivals: list[Any] = []
    left = threading.Event()
    started = threading.Event()

    def worker() -> None:
        manager = house.client.stream("/x")
        arrivals.append(manager.__enter__())
        next(arrivals[0])
        started.set()
        assert left.wait(PATIENCE)
        for path in ("/one", "/plain"):
            assert not has_request_context()
            assert not has_app_context()
            with house.client.stream(path) as more:
                seen.append(more.read_all())

    thread = threading.Thread(target=worker)
    thread.start()
    assert started.wait(PATIENCE)
    closer = threading.Thread(target=arrivals[0].close)
    closer.start()
    closer.join(PATIENCE)
    until(lambda: len(house.teardowns) == 1)
    left.set()
    thread.join(PATIENCE)
    assert seen == [b"/one;/one;/one;", b"/plain"]
    until(lambda: len(house.teardowns) == 3)
    assert not has_request_context()


def test_each_step_may_run_on_another_thread() -> None:
    """A server may take the chunks wherever it likes."""
    house = House(lambda name: stream(_rows()))
    with house.client.stream("/x") as arrivals:
        for _ in range(4):
            thread = threading.Thread(target=lambda: next(arrivals, None))
            thread.start()
            thread.join(PATIENCE)
        assert arrivals.data == b"/x;/x;/x;"
        arrivals.assert_whole()
    house.assert_once()


def test_interleaved_streams_on_one_thread_keep_apart() -> None:
    """Two open bodies, pulled in turn, see each its own request."""
    house = House(lambda name: stream(_rows()))
    with house.client.stream("/a") as one, house.client.stream("/b") as two:
        for _ in range(3):
            next(one)
            next(two)
        one.read_all()
        two.read_all()
    assert (one.data, two.data) == (b"/a;/a;/a;", b"/b;/b;/b;")
    until(lambda: len(house.teardowns) == 2)


def test_a_test_may_read_contexts_after_the_request() -> None:
    """`with client:` gives request, session and g to the test, as for any view."""

    def view(name: str) -> Any:
        session["user"] = "ann"
        g.colour = "red"
        return stream(_rows())

    house = House(view)
    with house.app.test_client() as client:
        response = client.get("/x")
        assert request.path == "/x"
        assert session["user"] == "ann"
        assert g.colour == "red"
        assert response.data == b"/x;/x;/x;"
        assert request.path == "/x"
        assert client.get("/plain").data == b"/plain"
        assert request.path == "/plain"
        assert client.get("/y").data == b"/y;/y;/y;"
        assert request.path == "/y"
    assert not has_request_context()


def test_an_async_view_may_return_a_stream() -> None:
    """Flask runs it, the stream goes on after it."""

    async def view(name: str) -> Any:
        await asyncio.sleep(0)
        return stream(_rows())

    house = House(view)
    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"/x;/x;/x;"
        arrivals.assert_whole()
    house.assert_once()


def test_a_body_that_a_middleware_lost_is_closed() -> None:
    """Nobody called close(); the garbage collector ends the stream."""
    house = House(lambda name: stream(_rows()))
    lost = house.app.wsgi_app

    def lose(environ: Any, start_response: Any) -> Iterable[bytes]:
        next(iter(lost(environ, start_response)))
        return [b"instead"]

    house.app.wsgi_app = lose  # type: ignore[method-assign]
    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"instead"
    gc.collect()
    assert len(house.app.extensions["sluice.state"].registry) == 0
    house.assert_once()


def test_stream_with_context_around_a_body_does_no_harm() -> None:
    """An old habit may stay."""
    house = House(lambda name: stream(stream_with_context(_rows())))
    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"/x;/x;/x;"
    until(lambda: house.teardowns)
    assert not has_request_context()


def test_a_request_without_a_stream_is_untouched() -> None:
    """A plain view is torn down once, and leaves nothing in its environ."""
    house = House(lambda name: f"plain {name}")
    with house.client.stream("/x") as arrivals:
        assert arrivals.read_all() == b"plain x"
    house.assert_once()


def test_the_app_without_its_wsgi_call() -> None:
    """test_request_context is a request too: stream() works, nothing is held."""
    app = make_app()
    with app.test_request_context("/x"):
        response = stream(_rows())
        assert response.get_data() == b"/x;/x;/x;"
    assert not has_request_context()

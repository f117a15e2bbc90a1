"""The test kit itself: it sees order and time, and its assertions can fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request

from flask_sluice import flush, stream
from flask_sluice.testing import Arrival, Clock, StreamClient, check_encoder
from helpers import make_app


def _app(body: Any, **options: Any) -> Flask:
    app = make_app()
    app.add_url_rule(
        "/", "view", lambda: stream(body(), **options), methods=["GET", "POST"]
    )
    return app


def _two_steps() -> Iterator[Any]:
    yield "one"
    yield flush
    yield "two"


def test_chunks_come_as_they_are_pulled() -> None:
    """Each with its bytes, its time by the test's clock, and its place."""
    clock = Clock(100.0)
    client = StreamClient(_app(_two_steps), clock=clock)
    with client.stream("/") as arrivals:
        first = next(arrivals)
        assert arrivals.ended is None
        clock.advance(2.5)
        second = next(arrivals)
        assert list(arrivals) == []
    assert first == Arrival(b"one", 100.0, first.order)
    assert second == Arrival(b"two", 102.5, second.order)
    assert first.order < second.order
    assert arrivals.arrivals == [first, second]
    assert (arrivals.status, arrivals.status_code) == ("200 OK", 200)
    assert arrivals.headers["Content-Type"] == "text/html; charset=utf-8"
    arrivals.assert_whole()


def test_order_of_bytes_and_calls() -> None:
    """Out before the call passes; out after it, never called or never out fails."""
    app = make_app()
    client = StreamClient(app)
    query = client.watch(lambda n: n + 1)
    unused = client.watch(lambda: None)

    @app.get("/")
    def view() -> Any:
        def body() -> Iterator[Any]:
            yield "<header>"
            yield flush
            yield f"{query(1)}"

        return stream(body())

    with client.stream("/") as arrivals:
        arrivals.read_all()
    arrivals.assert_out_before(b"<header>", query)
    arrivals.assert_out_before(b"<head", query)
    with pytest.raises(AssertionError, match="only after"):
        arrivals.assert_out_before(b"<header>2", query)
    with pytest.raises(AssertionError, match="never called"):
        arrivals.assert_out_before(b"<header>", unused)
    with pytest.raises(AssertionError, match="has not arrived"):
        arrivals.assert_out_before(b"footer", query)
    assert len(query.orders) == 1


def test_what_spans_chunks_is_found() -> None:
    """It was complete with the later of them."""
    with StreamClient(_app(_two_steps)).stream("/") as arrivals:
        arrivals.read_all()
    assert arrivals.order_of(b"netw") == arrivals.arrivals[1].order


def test_read_until() -> None:
    """No further than needed; a body that ends without it fails the test."""
    with StreamClient(_app(_two_steps)).stream("/") as arrivals:
        assert arrivals.read_until(b"on") == b"one"
        with pytest.raises(AssertionError, match="never came"):
            arrivals.read_until(b"three")


@pytest.mark.parametrize(("after", "expected"), [(0, b""), (1, b"one"), (4, b"onetwo")])
def test_leaving_after_so_many_bytes(after: int, expected: bytes) -> None:
    """The client leaves once it has them."""
    closed: list[int] = []

    def body() -> Iterator[Any]:
        try:
            while True:
                yield from _two_steps()
                yield flush
        finally:
            closed.append(1)

    with StreamClient(_app(body)).stream("/", leave_after=after) as arrivals:
        assert arrivals.read_all() == expected
        assert arrivals.ended == "left"
    assert closed == [1]
    for check in (arrivals.assert_whole, arrivals.assert_cut):
        with pytest.raises(AssertionError, match="left"):
            check()


def test_assertions_tell_whole_from_cut_from_open() -> None:
    """Each passes for one of them only."""

    def failing() -> Iterator[Any]:
        yield "one"
        yield flush
        raise LookupError

    with StreamClient(_app(failing)).stream("/") as arrivals:
        for check in (arrivals.assert_cut, arrivals.assert_whole):
            with pytest.raises(AssertionError, match="open"):
                check()
        arrivals.read_all()
        arrivals.assert_cut()
        with pytest.raises(AssertionError, match="cut"):
            arrivals.assert_whole()
    with StreamClient(_app(_two_steps)).stream("/") as arrivals:
        arrivals.read_all()
        with pytest.raises(AssertionError, match="whole"):
            arrivals.assert_cut()


def test_requests_of_every_kind() -> None:
    """Method, body, headers, query and protocol are the request's."""
    app = make_app()

    @app.post("/")
    def view() -> Any:
        parts = [
            request.method,
            request.environ["SERVER_PROTOCOL"],
            request.headers["X-A"],
            request.args["q"],
            request.get_json()["n"],
        ]
        return stream([" ".join(map(str, parts))])

    client = StreamClient(app)
    with client.stream(
        "/",
        method="POST",
        http="HTTP/1.0",
        headers={"X-A": "1"},
        query_string={"q": "2"},
        json={"n": 3},
    ) as arrivals:
        assert arrivals.read_all() == b"POST HTTP/1.0 1 2 3"


def test_plain_responses_are_arrivals_too() -> None:
    """Any view of the app can be asked."""
    app = make_app()
    app.add_url_rule("/", "view", lambda: "plain")
    with StreamClient(app).stream("/") as arrivals:
        assert arrivals.read_all() == b"plain"
        arrivals.assert_whole()
    with StreamClient(app).stream("/none") as arrivals:
        assert arrivals.status_code == 404


class Csv:
    """A good encoder."""

    def begin(self) -> bytes:
        return b"head\n"

    def encode(self, batch: list[object], /) -> bytes:
        return b"".join(b"%d\n" % item for item in batch)  # type: ignore[str-bytes-safe]

    def finish(self) -> bytes:
        return b"foot\n"


class Joined(Csv):
    """A bad one: its comma stands between items of one batch only."""

    def encode(self, batch: list[object], /) -> bytes:
        return ",".join(map(str, batch)).encode()


class Padded(Csv):
    """A bad one: an empty batch isn't empty."""

    def encode(self, batch: list[object], /) -> bytes:
        return super().encode(batch) or b" "


@pytest.mark.parametrize("items", [[], [1], [1, 2], list(range(10))])
def test_check_encoder_passes_a_good_one(items: list[int]) -> None:
    """And gives its bytes."""
    expected = "head\n" + "".join(f"{n}\n" for n in items) + "foot\n"
    assert check_encoder(Csv, items) == expected.encode()


@pytest.mark.parametrize("kind", [Joined, Padded])
def test_check_encoder_catches_a_bad_one(kind: type[Csv]) -> None:
    """It says how it was fed, and both results."""
    with pytest.raises(AssertionError, match=r"^fed .*fed whole"):
        check_encoder(kind, [1, 2, 3])

"""The iterator that a server gets: one end, whoever brings it about."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from flask_sluice.errors import ClientLeft, StreamExpired, StreamFailed
from flask_sluice.serve.client import Connection
from flask_sluice.serve.fed import Fed
from flask_sluice.serve.pump import ThreadPump
from flask_sluice.serve.stream import Departure, Stream
from flask_sluice.serve.transfer import Pulled
from helpers import PATIENCE, HandFeed, read_to_end, tcp_pair, until


class Body:
    """A generator with a gate before its second item, that counts its closings."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.gate = threading.Event()
        self.closed_in: list[int] = []

    def __call__(self) -> Iterator[str]:
        try:
            yield "first"
            yield ""
            self.inside.set()
            assert self.gate.wait(PATIENCE)
            while True:
                yield "more"
                yield ""
        finally:
            self.closed_in.append(threading.get_ident())


def pulled(source: Iterable[Any]) -> tuple[Pulled, Stream, list[str | None]]:
    """Give a primed transfer, its stream, and the list of its ends."""
    stream = Stream("/", "::1", Departure())
    ends: list[str | None] = []
    stream.on_finish(lambda ended: ends.append(ended.outcome))
    transfer = Pulled(stream, iter(source), copy_context())
    transfer.prime()
    return transfer, stream, ends


def fed(feed: Any) -> tuple[Fed, Stream, list[str | None]]:
    """Give the same for a feed."""
    stream = Stream("/", "::1", Departure())
    ends: list[str | None] = []
    stream.on_finish(lambda ended: ends.append(ended.outcome))
    transfer = Fed(stream, feed)
    transfer.prime()
    return transfer, stream, ends


def test_a_whole_body() -> None:
    """Chunks, then StopIteration for ever, one end, closing later changes nothing."""
    transfer, stream, ends = pulled(["a", "b", "", "c"])
    assert b"".join(transfer) == b"abc"
    assert list(transfer) == []
    transfer.close()
    transfer.close()
    assert ends == ["complete"]
    assert (stream.bytes_made, stream.bytes_sent) == (3, 3)


@pytest.mark.parametrize(
    ("verdict", "error"), [("left", ClientLeft), ("expired", StreamExpired)]
)
def test_what_a_body_raises_when_it_has_to_stop_is_no_failure(
    verdict: Any, error: type[Exception]
) -> None:
    """The app cancels its query, and that raises: the stream ends as it was told."""
    made: list[Stream] = []

    def cancelled() -> Iterator[str]:
        yield "first"
        made[0].stop(verdict)
        raise RuntimeError("the query was cancelled")

    transfer, stream, ends = pulled(cancelled())
    made.append(stream)
    assert next(transfer) == b"first"
    with pytest.raises(error):
        next(transfer)
    assert ends == [verdict]
    assert stream.exception is None


def test_a_failed_body_raises_to_the_server() -> None:
    """StreamFailed, with the reason as its cause; then it is over."""
    error = LookupError("late")

    def failing() -> Iterator[str]:
        yield "a"
        raise error

    transfer, stream, ends = pulled(failing())
    assert next(transfer) == b"a"
    with pytest.raises(StreamFailed) as caught:
        next(transfer)
    assert caught.value.__cause__ is error
    assert list(transfer) == []
    assert (ends, stream.exception) == (["failed"], error)


def test_what_ends_a_process_comes_through_as_it_is() -> None:
    """SystemExit isn't dressed up, and the stream has failed."""

    def leaving() -> Iterator[str]:
        yield "a"
        raise SystemExit(3)

    transfer, _, ends = pulled(leaving())
    next(transfer)
    with pytest.raises(SystemExit):
        next(transfer)
    assert ends == ["failed"]


def test_closing_from_another_thread_while_it_runs() -> None:
    """The body is closed once, after the step, by the thread that was inside."""
    body = Body()
    transfer, _, ends = pulled(body())
    ran_in: list[int] = []

    def run() -> None:
        ran_in.append(threading.get_ident())
        for _ in transfer:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    assert body.inside.wait(PATIENCE)
    transfer.close()
    transfer.close()
    assert body.closed_in == []
    assert ends == []
    body.gate.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert body.closed_in == ran_in
    assert ends == ["left"]


def test_two_threads_in_next_are_refused() -> None:
    """The second gets an error, the first goes on."""
    body = Body()
    transfer, _, ends = pulled(body())
    next(transfer)
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(next(transfer)))
    thread.start()
    assert body.inside.wait(PATIENCE)
    with pytest.raises(RuntimeError, match="Two threads"):
        next(transfer)
    body.gate.set()
    thread.join(PATIENCE)
    assert got == [b"more"]
    assert ends == []
    transfer.close()
    assert ends == ["left"]


@pytest.mark.parametrize("started", [True, False])
def test_dropped_without_close_it_ends_all_the_same(started: bool) -> None:
    """A middleware may lose it."""
    body = Body()
    transfer, stream, ends = pulled(body())
    if started:
        next(transfer)
    del transfer, stream
    gc.collect()
    assert ends == ["left"]
    assert len(body.closed_in) == 1


@pytest.mark.parametrize(
    ("verdict", "kind"), [("left", ClientLeft), ("expired", StreamExpired)]
)
def test_a_verdict_is_carried_out_at_the_next_step(
    verdict: Any, kind: type[Exception]
) -> None:
    """The body is closed there, and the server hears why."""
    body = Body()
    transfer, stream, ends = pulled(body())
    next(transfer)
    stream.stop(verdict)
    with pytest.raises(kind):
        next(transfer)
    assert ends == [verdict]
    assert len(body.closed_in) == 1


def test_a_verdict_during_a_step_keeps_what_came_after() -> None:
    """A body that yields after the client left isn't sent any more."""
    body = Body()
    transfer, stream, ends = pulled(body())
    next(transfer)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            next(transfer)
        except ClientLeft as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert body.inside.wait(PATIENCE)
    stream.stop("left")
    body.gate.set()
    thread.join(PATIENCE)
    assert len(raised) == 1
    assert ends == ["left"]


def test_a_server_that_can_be_asked_is_asked() -> None:
    """As waitress, which tells who has gone."""
    transfer, _, ends = pulled(["a", "", "b"])
    answers = iter([False, True])
    transfer.is_gone = lambda: next(answers)
    assert next(transfer) == b"a"
    with pytest.raises(ClientLeft):
        next(transfer)
    assert ends == ["left"]


def test_a_close_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whole or not was decided before."""

    class Rows:
        """Rows whose close fails."""

        def __iter__(self) -> Iterator[str]:
            return self

        def __next__(self) -> str:
            raise StopIteration

        def close(self) -> None:
            raise LookupError("in close")

    stream = Stream("/", "::1", Departure())
    transfer = Pulled(stream, Rows(), copy_context())  # type: ignore[arg-type]
    assert not transfer.prime()
    transfer.exhaust()
    assert stream.outcome == "complete"
    assert "in close" in caplog.text


def test_steps_run_in_the_bodys_context_and_leave_none() -> None:
    """What a body sets stays its own, on whatever thread it runs."""
    variable: ContextVar[int] = ContextVar("variable", default=0)
    seen: list[int] = []

    def body() -> Iterator[str]:
        for n in range(1, 4):
            seen.append(variable.get())
            variable.set(n)
            yield "x"
            yield ""

    transfer, _, _ = pulled(body())
    for _ in range(2):
        thread = threading.Thread(target=lambda: next(transfer))
        thread.start()
        thread.join(PATIENCE)
    list(transfer)
    assert seen == [0, 1, 2]
    assert variable.get() == 0


@pytest.mark.parametrize("reset", [True, False])
def test_a_failed_body_cuts_the_connection(reset: bool) -> None:
    """With a reset where the connection's end is the body's, else with its end."""
    client, server = tcp_pair()

    def failing() -> Iterator[str]:
        yield "a"
        raise LookupError

    with client, server:
        transfer, _, _ = pulled(failing())
        transfer.connection = Connection(server, plain=True)
        transfer.reset = reset
        next(transfer)
        with pytest.raises(StreamFailed):
            next(transfer)
        if reset:
            with pytest.raises(ConnectionResetError):
                read_to_end(client)
        else:
            assert read_to_end(client) == b""


def test_a_deadline_cuts_while_the_body_is_blocked() -> None:
    """The client isn't kept waiting for a body that can't be interrupted."""
    client, server = tcp_pair()
    body = Body()
    with client, server:
        transfer, stream, ends = pulled(body())
        transfer.connection = Connection(server, plain=True)
        next(transfer)
        raised: list[BaseException] = []

        def run() -> None:
            try:
                next(transfer)
            except StreamExpired as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert body.inside.wait(PATIENCE)
        stream.stop("expired")
        assert read_to_end(client) == b""
        assert ends == []
        body.gate.set()
        thread.join(PATIENCE)
        assert len(raised) == 1
        assert ends == ["expired"]


# Feeds.


def test_a_feed_is_carried_to_its_end() -> None:
    """The headers go first; then what the feed gives; it is closed once."""
    feed = HandFeed()
    transfer, _, ends = fed(feed)
    assert next(transfer) == b""
    feed.put(b"a")
    assert next(transfer) == b"a"
    threading.Timer(0.02, feed.put, (b"b", None)).start()
    assert list(transfer) == [b"b"]
    assert ends == ["complete"]
    assert feed.closes == 1


@pytest.mark.parametrize(
    ("verdict", "kind"), [("left", ClientLeft), ("expired", StreamExpired)]
)
def test_a_silent_feed_is_stopped(verdict: Any, kind: type[Exception]) -> None:
    """A thread that waits for a feed wakes when the stream has to stop."""
    feed = HandFeed()
    transfer, stream, ends = fed(feed)
    next(transfer)
    threading.Timer(0.02, stream.stop, (verdict,)).start()
    with pytest.raises(kind):
        next(transfer)
    assert ends == [verdict]
    assert feed.closes == 1


def test_a_feed_that_raises_fails() -> None:
    """As a body that raises."""
    feed = HandFeed()
    transfer, _, ends = fed(feed)
    next(transfer)
    feed.put(LookupError("late"))
    with pytest.raises(StreamFailed):
        next(transfer)
    assert ends == ["failed"]
    assert feed.closes == 1


def test_a_polled_server_is_asked_while_a_feed_is_silent() -> None:
    """Where the server only answers when it is asked, it is asked every half second."""
    feed = HandFeed()
    transfer, _, ends = fed(feed)
    next(transfer)
    asked = threading.Event()
    answers = iter([False, True])

    def is_gone() -> bool:
        asked.set()
        return next(answers)

    transfer.is_gone = is_gone
    with pytest.raises(ClientLeft):
        next(transfer)
    assert asked.is_set()
    assert ends == ["left"]


def test_a_handed_over_feed_is_over_here_and_open_there() -> None:
    """The iterator ends, the stream doesn't, and dropping it closes nothing."""
    feed = HandFeed()
    transfer, stream, ends = fed(feed)
    told: list[int] = []
    transfer.on_hand_over = lambda: told.append(1)

    def park(transfer: Fed) -> bool:
        transfer.hand_over()
        return True

    transfer.park = park
    assert next(transfer) == b""
    assert list(transfer) == []
    transfer.close()
    del transfer
    gc.collect()
    assert told == [1]
    assert ends == []
    assert stream.outcome is None
    assert feed.closes == 0


def test_a_feed_that_could_not_be_parked_is_carried_here() -> None:
    """Parking is tried once."""
    feed = HandFeed(b"a")
    feed.put(None)
    transfer, _, ends = fed(feed)
    tried: list[int] = []
    transfer.park = lambda _: bool(tried.append(1))
    assert b"".join(transfer) == b"a"
    assert tried == [1]
    assert ends == ["complete"]


def test_a_pump_ends_the_stream_when_its_producer_has() -> None:
    """Not when it is told to: callbacks and contexts must not go from under it."""
    body = Body()
    transfer, _, ends = fed(ThreadPump(body(), copy_context(), 0.01))
    next(transfer)
    assert body.inside.wait(PATIENCE)
    transfer.close()
    assert ends == []
    body.gate.set()
    until(lambda: ends == ["left"])
    assert len(body.closed_in) == 1

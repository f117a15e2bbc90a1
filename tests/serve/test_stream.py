"""A stream ends once, a departure is told once, and the counts are right."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from flask_sluice.serve.stream import Departure, Registry, Stream
from helpers import PATIENCE, until


def open_stream(client: str = "::1") -> Stream:
    """Give a stream without a request."""
    return Stream("/path", client, Departure())


def race(*jobs: Callable[[], object]) -> None:
    """Run all jobs at once, each on a thread of its own."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        barrier.wait(PATIENCE)
        job()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_many_threads_finish_it_once() -> None:
    """Whoever comes first decides the outcome; the others change nothing."""
    outcomes = ["complete", "failed", "left", "expired"] * 2
    for _ in range(30):
        stream = open_stream()
        told: list[str | None] = []
        stream.on_finish(lambda ended, told=told: told.append(ended.outcome))
        race(*(lambda o=o, s=stream: s.finish(o) for o in outcomes))
        assert len(told) == 1
        assert told == [stream.outcome]


def test_seconds_stand_still_after_the_end() -> None:
    """A stream that has ended tells how long it took."""
    stream = open_stream()
    assert stream.seconds >= 0
    stream.finish("complete")
    took = stream.seconds
    until(lambda: stream._started + took + 0.01 < __import__("time").monotonic())
    assert stream.seconds == took


def test_what_is_counted() -> None:
    """Bytes made and sent, pieces, and the time of the first byte."""
    stream = open_stream()
    stream.count(10, 0)
    assert (stream.chunks, stream.first_byte_seconds) == (0, None)
    stream.count(5, 3)
    first = stream.first_byte_seconds
    assert first is not None
    stream.count(0, 4)
    assert (stream.bytes_made, stream.bytes_sent, stream.chunks) == (15, 7, 2)
    assert stream.first_byte_seconds == first


def test_stopping_is_said_once_and_interrupts_once() -> None:
    """The first reason counts, and none counts after the end."""
    for _ in range(30):
        stream = open_stream()
        calls: list[int] = []
        stream.on_interrupt(lambda calls=calls: calls.append(1))
        race(*(lambda v=v, s=stream: s.stop(v) for v in ["left", "expired"] * 2))
        assert calls == [1]
        assert stream.verdict in {"left", "expired"}
    stream = open_stream()
    stream.finish("complete")
    stream.stop("left")
    assert stream.verdict is None
    assert not stream.departure.gone


def test_who_listens_after_the_stop_is_told_at_once() -> None:
    """An interrupt handler that comes late isn't missed."""
    stream = open_stream()
    stream.stop("expired")
    calls: list[int] = []
    stream.on_interrupt(lambda: calls.append(1))
    assert calls == [1]


def test_ending_calls_the_timer_off() -> None:
    """A deadline of a stream that has ended doesn't fire."""
    stream = open_stream()
    timer = threading.Timer(60, lambda: None)
    stream.timer = timer
    stream.finish("complete")
    assert timer.finished.is_set()


@pytest.mark.parametrize("verdict", ["left", "expired"])
def test_leave_callbacks_run_once_off_the_thread_that_noticed(verdict: str) -> None:
    """On another thread, each once, however often the news comes."""
    stream = open_stream()
    ran: list[int] = []
    done = threading.Event()
    stream.departure.on_leave(lambda: ran.append(threading.get_ident()))
    stream.departure.on_leave(done.set)
    stream.stop(verdict)  # type: ignore[arg-type]
    stream.finish(verdict)  # type: ignore[arg-type]
    assert done.wait(PATIENCE)
    until(lambda: ran)
    assert len(ran) == 1
    assert ran[0] != threading.get_ident()


def test_a_late_leave_callback_runs_at_once() -> None:
    """Who subscribes after the client has gone hears it too."""
    departure = Departure()
    departure.leave()
    done = threading.Event()
    departure.on_leave(done.set)
    assert done.wait(PATIENCE)


def test_leaving_and_subscribing_at_once_loses_no_callback() -> None:
    """Each callback runs exactly once, whichever side of the news it came on."""
    for _ in range(30):
        departure = Departure()
        ran: list[int] = []
        subscribe = [
            lambda n=n, d=departure, ran=ran: d.on_leave(lambda: ran.append(n))
            for n in range(4)
        ]
        race(*subscribe, departure.leave, departure.leave)
        until(lambda ran=ran: len(ran) >= 4)
        assert sorted(ran) == [0, 1, 2, 3]


def test_a_callback_that_raises_is_logged_and_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One bad callback is the app's affair alone."""
    departure = Departure()
    done = threading.Event()
    departure.on_leave(lambda: 1 / 0)
    departure.on_leave(done.set)
    departure.leave()
    assert done.wait(PATIENCE)
    until(lambda: "ZeroDivisionError" in caplog.text)


def test_a_whole_stream_forgets_its_callbacks() -> None:
    """Nobody is told of a departure that didn't happen."""
    stream = open_stream()
    stream.announced = True
    stream.departure.on_leave(lambda: None)
    stream.finish("complete")
    assert not stream.departure.gone
    assert stream.departure._callbacks == ()


def test_limits_hold_under_threads() -> None:
    """Never more than the limit get in, in all and for one client."""
    registry = Registry()
    streams = [open_stream(f"10.0.0.{n % 4}") for n in range(40)]
    answers: list[str | None] = []

    def admit(some: list[Stream]) -> None:
        answers.extend([registry.admit(stream, 20, 4) for stream in some])

    race(*(lambda n=n: admit(streams[n::8]) for n in range(8)))
    assert len(registry) == answers.count(None) == 16
    assert answers.count("client") == 24
    assert registry.admit(open_stream("10.0.0.9"), 16, 4) == "all"


def test_discarding_makes_room_and_may_come_twice() -> None:
    """A stream is counted off once, and nothing of its client stays."""
    registry = Registry()
    one, two = open_stream(), open_stream()
    assert registry.admit(one, None, 1) is None
    assert registry.admit(two, None, 1) == "client"
    assert registry.list() == [one]
    registry.discard(two)
    registry.discard(one)
    registry.discard(one)
    assert len(registry) == 0
    assert registry._by_client == {}
    assert registry.admit(two, 1, 1) is None


def test_coming_and_going_under_threads_leaves_nothing() -> None:
    """After any number of admissions and ends the counts are zero."""
    registry = Registry()

    def come_and_go() -> None:
        for _ in range(200):
            stream = open_stream("::1")
            stream.on_finish(registry.discard)
            registry.admit(stream, None, None)
            stream.finish("complete")

    race(*[come_and_go] * 4)
    assert len(registry) == 0
    assert registry._by_client == {}

"""Bodies beside the request's thread: same bytes, bounded, closed where they ran."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import BodyTypeError
from flask_sluice.serve.pump import ThreadPump
from flask_sluice.typing import flush
from helpers import PATIENCE, until

ITEMS = st.lists(
    st.one_of(st.text(max_size=9), st.binary(max_size=9), st.just(flush)), max_size=30
)


def pump_of(items: Iterable[Any], **options: Any) -> ThreadPump:
    """Give a pump over *items*, not started."""
    return ThreadPump(iter(items), copy_context(), 0.01, **options)


def wait(pump: ThreadPump) -> None:
    """Wait until there is something to take."""
    ready = threading.Event()
    pump.notify(ready.set)
    assert ready.wait(PATIENCE)


def drain(pump: ThreadPump) -> bytes:
    """Take all to the end."""
    parts = []
    while (data := pump.take()) is not None:
        if data:
            parts.append(data)
        else:
            wait(pump)
    return b"".join(parts)


def encoded(item: Any) -> bytes:
    """Give an item's bytes, as plainly as can be."""
    return item.encode() if isinstance(item, str) else item or b""


@settings(deadline=None, max_examples=60)
@given(items=ITEMS, limit=st.integers(1, 30))
def test_all_bytes_in_order(items: list[Any], limit: int) -> None:
    """Whatever is yielded is taken, in order, whatever the limit."""
    pump = pump_of(items, limit=limit)
    pump.start()
    assert drain(pump) == b"".join(map(encoded, items))
    assert pump.take() is None


def test_the_producer_runs_ahead_no_further_than_the_limit() -> None:
    """A taker that doesn't come stops it; each take lets it run as far again."""
    made = 0

    def counting() -> Iterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1
            yield b"x" * 10

    pump = pump_of(counting(), limit=50)
    due = threading.Event()
    pump.notify_due(due.set)
    pump.start()
    total = 0
    for _ in range(5):
        assert due.wait(PATIENCE)
        due.clear()
        # Full: the producer waits with 50 bytes made, and asks for nothing more.
        assert len(pump._items) * 10 == 50
        assert made * 10 == total + 50
        data = pump.take()
        assert data is not None
        total += len(data)
        pump.notify_due(due.set)
    assert total == 250
    pump.close()


def test_a_blocked_producer_gives_what_it_yielded() -> None:
    """What was yielded before the block can be taken while it lasts."""
    gate = threading.Event()

    def blocking() -> Iterator[str]:
        yield "before"
        gate.wait(PATIENCE)
        yield "after"

    pump = pump_of(blocking())
    pump.start()
    wait(pump)
    assert pump.take() == b"before"
    assert pump.take() == b""
    gate.set()
    assert drain(pump) == b"after"


class Body:
    """A generator that waits at a gate, and notes where and how it was closed."""

    def __init__(self) -> None:
        self.at_gate = threading.Event()
        self.gate = threading.Event()
        self.closed = threading.Event()
        self.kind: type[BaseException] | None = None
        self.ran_in: int | None = None
        self.closed_in: int | None = None
        self.yields = 0

    def __call__(self) -> Iterator[str]:
        self.ran_in = threading.get_ident()
        try:
            yield "first"
            self.at_gate.set()
            self.gate.wait(PATIENCE)
            for _ in range(1000):
                self.yields += 1
                yield "more"
        except BaseException as error:
            self.kind = type(error)
            raise
        finally:
            self.closed_in = threading.get_ident()
            self.closed.set()


def test_closing_a_blocked_producer_ends_it_at_its_next_yield() -> None:
    """It sees GeneratorExit, in its own thread, after one more item."""
    body = Body()
    pump = pump_of(body())
    ended = threading.Event()
    pump.start()
    assert body.at_gate.wait(PATIENCE)
    pump.close()
    pump.when_ended(ended.set)
    assert not ended.is_set()
    assert not body.closed.is_set()
    body.gate.set()
    assert ended.wait(PATIENCE)
    assert body.kind is GeneratorExit
    assert body.closed_in == body.ran_in != threading.get_ident()
    assert body.yields == 1


def test_closing_a_producer_that_waits_for_room_wakes_it() -> None:
    """It isn't left waiting for a taker that has gone."""
    body = Body()
    body.gate.set()
    pump = pump_of(body(), limit=50)
    full, ended = threading.Event(), threading.Event()
    pump.notify_due(full.set)
    pump.start()
    assert full.wait(PATIENCE)
    pump.close()
    pump.when_ended(ended.set)
    assert ended.wait(PATIENCE)
    assert body.kind is GeneratorExit


def test_edges_stop_a_closed_producer_too() -> None:
    """A body that yields nothing but edges is closed all the same."""
    closed, ended = threading.Event(), threading.Event()

    def edges() -> Iterator[str]:
        try:
            while True:
                yield ""
        finally:
            closed.set()

    pump = pump_of(edges())
    pump.start()
    pump.close()
    pump.when_ended(ended.set)
    assert ended.wait(PATIENCE)
    assert closed.is_set()


@pytest.mark.parametrize("kind", [LookupError, SystemExit, KeyboardInterrupt])
def test_an_error_comes_after_the_items(kind: type[BaseException]) -> None:
    """The very exception, once, behind every byte that was yielded before it."""
    error = kind("late")

    def failing() -> Iterator[str]:
        yield "a"
        yield "b"
        raise error

    pump = pump_of(failing())
    ended = threading.Event()
    pump.when_ended(ended.set)
    pump.start()
    assert ended.wait(PATIENCE)
    assert pump.take() == b"ab"
    with pytest.raises(kind) as caught:
        pump.take()
    assert caught.value is error
    assert pump.take() is None


@pytest.mark.parametrize("item", [None, 0, 5, [], ["x"], bytearray(b"x")])
def test_a_wrong_item_is_an_error_that_names_it(item: Any) -> None:
    """As in a pulled body."""
    pump = pump_of([item])
    pump.start()
    with pytest.raises(BodyTypeError, match=type(item).__name__):
        drain(pump)
    pump.close()


def test_a_context_variable_of_the_view_is_seen() -> None:
    """The body runs in the context that it was given, closing included."""
    variable: ContextVar[str] = ContextVar("variable")
    seen = []

    def body() -> Iterator[str]:
        try:
            yield variable.get()
        finally:
            seen.append(variable.get())

    variable.set("mine")
    pump = pump_of(body())
    pump.start()
    assert drain(pump) == b"mine"
    until(lambda: seen == ["mine"])


def test_due_is_told_at_edges_and_at_the_limit() -> None:
    """What must not wait is pressed; what may linger isn't."""
    step, made = threading.Event(), threading.Event()

    def body() -> Iterator[str]:
        yield "small"
        made.set()
        assert step.wait(PATIENCE)
        yield "edge"
        yield ""
        step.clear()
        made.set()
        step.wait(PATIENCE)

    pump = pump_of(body())
    due = threading.Event()
    pump.notify_due(due.set)
    pump.start()
    assert made.wait(PATIENCE)
    assert not due.is_set()
    step.set()
    assert due.wait(PATIENCE)
    assert pump.take() == b"smalledge"
    pump.close()
    step.set()


def test_a_due_that_was_pressed_before_is_told_at_once() -> None:
    """Whoever asks late isn't made to wait."""
    pump = pump_of(["x", ""])
    ended, due = threading.Event(), threading.Event()
    pump.when_ended(ended.set)
    pump.start()
    assert ended.wait(PATIENCE)
    pump.notify_due(due.set)
    assert due.is_set()


def test_no_thread_is_left() -> None:
    """After ends of every kind the pumps' threads are gone."""

    def threads() -> int:
        return sum(t.name == "flask-sluice-pump" for t in threading.enumerate())

    for n in range(20):
        pump = pump_of(["x"] * 100, limit=10)
        pump.start()
        if n % 2:
            pump.close()
        else:
            drain(pump)
    gc.collect()
    until(lambda: threads() == 0)

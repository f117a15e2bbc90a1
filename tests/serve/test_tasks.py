"""Async bodies as feeds: same bytes, bounded, cancelled where they wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_sluice.errors import BodyTypeError
from flask_sluice.serve.tasks import TaskPump, background_loop
from flask_sluice.typing import flush
from helpers import PATIENCE, until

ITEMS = st.lists(
    st.one_of(st.text(max_size=9), st.binary(max_size=9), st.just(flush)), max_size=30
)


def pump_of(source: AsyncIterable[Any], **options: Any) -> TaskPump:
    """Give a pump on the process's own loop, not started."""
    return TaskPump(source, copy_context(), background_loop(), **options)


def wait(pump: TaskPump) -> None:
    """Wait until there is something to take."""
    ready = threading.Event()
    pump.notify(ready.set)
    assert ready.wait(PATIENCE)


def drain(pump: TaskPump) -> bytes:
    """Take all to the end."""
    parts = []
    while (data := pump.take()) is not None:
        if data:
            parts.append(data)
        else:
            wait(pump)
    return b"".join(parts)


def ended(pump: TaskPump) -> threading.Event:
    """Give an event that is set when the body is closed."""
    event = threading.Event()
    pump.when_ended(event.set)
    return event


@settings(deadline=None, max_examples=60)
@given(items=ITEMS, limit=st.integers(1, 30), pauses=st.sets(st.integers(0, 30)))
def test_all_bytes_in_order(items: list[Any], limit: int, pauses: set[int]) -> None:
    """Whatever is yielded is taken, in order, wherever the body waits."""

    async def body() -> AsyncIterator[Any]:
        for n, item in enumerate(items):
            if n in pauses:
                await asyncio.sleep(0)
            yield item

    pump = pump_of(body(), limit=limit)
    pump.start()
    plain = (i.encode() if isinstance(i, str) else i or b"" for i in items)
    assert drain(pump) == b"".join(plain)
    assert pump.take() is None


def test_the_task_runs_ahead_no_further_than_the_limit() -> None:
    """A taker that doesn't come stops it; each take lets it run as far again."""
    made = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(100):
            made += 1
            yield b"x" * 10

    pump = pump_of(body(), limit=50)
    due = threading.Event()
    pump.notify_due(due.set)
    pump.start()
    total = 0
    for _ in range(5):
        assert due.wait(PATIENCE)
        due.clear()
        assert made * 10 == total + 50
        data = pump.take()
        assert data is not None
        total += len(data)
        pump.notify_due(due.set)
    assert total == 250
    pump.close()


def test_what_was_yielded_goes_out_when_the_task_waits() -> None:
    """No byte is held while the body awaits anything."""
    loop = background_loop()
    gate = asyncio.Event()

    async def body() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        await gate.wait()
        yield "c"

    pump = pump_of(body())
    ready = threading.Event()
    pump.notify(ready.set)
    pump.start()
    assert ready.wait(PATIENCE)
    assert pump.take() == b"ab"
    loop.call_soon_threadsafe(gate.set)
    assert drain(pump) == b"c"


def test_closing_cancels_the_body_where_it_waits() -> None:
    """It sees CancelledError right away, and its clean-up runs."""
    seen: list[str] = []
    waiting = threading.Event()

    async def body() -> AsyncIterator[str]:
        try:
            yield "first"
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned")

    pump = pump_of(body())
    pump.start()
    assert waiting.wait(PATIENCE)
    pump.close()
    assert ended(pump).wait(PATIENCE)
    assert seen == ["cancelled", "cleaned"]


def test_closing_a_body_that_waits_for_room_closes_its_generator() -> None:
    """A generator at a yield sees GeneratorExit; aclose has run when it is over."""
    seen: list[str] = []

    async def body() -> AsyncIterator[str]:
        try:
            while True:
                yield "xxxxx"
        except GeneratorExit:
            seen.append("exit")
            raise

    pump = pump_of(body(), limit=10)
    due = threading.Event()
    pump.notify_due(due.set)
    pump.start()
    assert due.wait(PATIENCE)
    pump.close()
    assert ended(pump).wait(PATIENCE)
    assert seen == ["exit"]


def test_closing_before_the_start_ends_it_unbegun() -> None:
    """A body that is never begun is over at once."""
    begun: list[int] = []

    async def body() -> AsyncIterator[str]:
        begun.append(1)
        yield "x"

    pump = pump_of(body())
    pump.close()
    pump.start()
    assert ended(pump).wait(PATIENCE)
    assert begun == []


@pytest.fixture
def own_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Give a loop in a thread of its own, which a test may ruin."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        try:
            loop.run_forever()
        except BaseException:
            # What a body let loose ended the loop; run what is left of it.
            loop.run_until_complete(asyncio.sleep(0))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield loop
    if thread.is_alive():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
    loop.close()


def test_closing_just_as_the_task_is_made_ends_it(
    own_loop: asyncio.AbstractEventLoop,
) -> None:
    """A task that is cancelled before its first step ends its pump too."""

    async def body() -> AsyncIterator[str]:
        yield "x"

    source = body()
    pump = TaskPump(source, copy_context(), own_loop)

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> asyncio.Task[Any]:
        pump.close()  # as another thread may, just now
        return asyncio.Task(coroutine, loop=loop, **options)

    own_loop.set_task_factory(factory)  # type: ignore[arg-type]
    pump.start()
    assert ended(pump).wait(1.0)


class Bang(BaseException):
    """Neither an Exception nor one of Python's own."""


@pytest.mark.parametrize("kind", [SystemExit, Bang])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_a_process_ends_the_body(
    own_loop: asyncio.AbstractEventLoop, kind: type[BaseException]
) -> None:
    """An async body that raises SystemExit ends itself, not the loop of all others."""

    async def body() -> AsyncIterator[str]:
        yield "x"
        raise kind

    pump = TaskPump(body(), copy_context(), own_loop)
    pump.start()
    assert ended(pump).wait(1.0)
    assert pump.take() == b"x"
    with pytest.raises(RuntimeError, match=kind.__name__) as caught:
        pump.take()
    assert isinstance(caught.value.__cause__, kind)
    assert own_loop.is_running()


def test_an_error_comes_after_the_items() -> None:
    """The very exception, once, behind every byte that was yielded before it."""
    error = LookupError("late")

    async def body() -> AsyncIterator[str]:
        yield "a"
        yield "b"
        raise error

    pump = pump_of(body())
    over = ended(pump)
    pump.start()
    assert over.wait(PATIENCE)
    assert pump.take() == b"ab"
    with pytest.raises(LookupError) as caught:
        pump.take()
    assert caught.value is error
    assert pump.take() is None


def test_a_body_that_cancels_itself_has_failed() -> None:
    """A cancellation that nobody asked for isn't an end."""

    async def body() -> AsyncIterator[str]:
        yield "x"
        raise asyncio.CancelledError

    pump = pump_of(body())
    pump.start()
    with pytest.raises(ConnectionAbortedError):
        drain(pump)


@pytest.mark.parametrize("item", [None, 0, 5, [], ["x"], bytearray(b"x")])
def test_a_wrong_item_is_an_error_that_names_it(item: Any) -> None:
    """As in a pulled body."""

    async def body() -> AsyncIterator[Any]:
        yield item

    pump = pump_of(body())
    pump.start()
    with pytest.raises(BodyTypeError, match=type(item).__name__):
        drain(pump)


def test_a_context_variable_of_the_view_is_seen() -> None:
    """The task runs in the context that it was given."""
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("mine")

    async def body() -> AsyncIterator[str]:
        yield variable.get()
        await asyncio.sleep(0)
        yield variable.get()

    pump = pump_of(body())
    pump.start()
    assert drain(pump) == b"minemine"


def test_an_async_iterator_without_aclose_will_do() -> None:
    """Any async iterable is a body."""

    class Numbers:
        """An async iterator, and no more."""

        def __init__(self) -> None:
            self._numbers = iter("123")

        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> str:
            try:
                return next(self._numbers)
            except StopIteration:
                raise StopAsyncIteration from None

    pump = pump_of(Numbers())
    pump.start()
    assert drain(pump) == b"123"


def test_one_loop_serves_all_bodies() -> None:
    """Any number of async bodies at once, on one thread."""
    names: set[str] = set()

    async def body(n: int) -> AsyncIterator[str]:
        names.add(threading.current_thread().name)
        for _ in range(10):
            await asyncio.sleep(0)
            yield f"{n};"

    pumps = [pump_of(body(n)) for n in range(50)]
    for pump in pumps:
        pump.start()
    for n, pump in enumerate(pumps):
        assert drain(pump) == f"{n};".encode() * 10
    assert names == {"flask-sluice-asyncio"}
    until(lambda: all(p._task is None or p._task.done() for p in pumps))

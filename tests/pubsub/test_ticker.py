"""A ticker: consecutive numbers to everyone, or an error that says why not."""

from __future__ import annotations

import itertools
import random
import threading
from typing import Any

import pytest

from flask_sluice.errors import ArgumentError, FellBehindError
from flask_sluice.pubsub import Ticker
from flask_sluice.typing import Feed
from helpers import PATIENCE, until


class ByHand:
    """A ticker whose ticks come when its line is allowed to be made."""

    def __init__(self, **options: Any) -> None:
        self.go = threading.Semaphore(0)
        self.ticker = Ticker(self._line, interval=0.0001, **options)

    def _line(self, number: int) -> str:
        self.go.acquire(timeout=PATIENCE)
        return f"{number}\n"

    def tick(self, times: int) -> None:
        head = self.ticker._head
        self.go.release(times)
        until(lambda: self.ticker._head == head + times)


def wait(feed: Feed) -> None:
    """Wait until there is something to take."""
    ready = threading.Event()
    feed.notify(ready.set)
    assert ready.wait(PATIENCE)


def test_a_subscription_is_a_feed() -> None:
    """Silent at first, told of the next tick."""
    by_hand = ByHand()
    feed = by_hand.ticker.subscribe()
    assert feed.take() == b""
    by_hand.tick(1)
    wait(feed)
    assert feed.take() == b"1\n"
    assert feed.take() == b""
    feed.close()
    by_hand.go.release(2)


def test_everybody_gets_consecutive_numbers() -> None:
    """Forty listeners that come and take at random times: no gap, nothing twice."""
    ticker = Ticker(lambda n: f"{n}\n", interval=0.001, history=500)
    got: list[list[int]] = [[] for _ in range(40)]
    dice = [random.Random(n) for n in range(40)]

    def listen(n: int) -> None:
        late = threading.Event()
        late.wait(dice[n].random() * 0.05)
        feed = ticker.subscribe()
        while len(got[n]) < 60:
            wait(feed)
            late.wait(dice[n].choice([0, 0, 0.003, 0.01]))
            data = feed.take()
            assert data is not None
            got[n].extend(map(int, data.split()))
        feed.close()

    threads = [threading.Thread(target=listen, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * PATIENCE)
        assert not thread.is_alive()
    for numbers in got:
        first = numbers[0]
        assert numbers == list(itertools.islice(itertools.count(first), len(numbers)))


def test_each_line_is_made_once() -> None:
    """However many listen, and they share the very bytes."""
    by_hand = ByHand()
    feeds = [by_hand.ticker.subscribe() for _ in range(5)]
    by_hand.tick(1)
    lines = [feed.take() for feed in feeds]
    assert len(set(map(id, lines))) == 1
    for feed in feeds:
        feed.close()
    by_hand.go.release(2)


def test_one_that_falls_behind_is_told() -> None:
    """Exactly `history` ticks may be missed; one more is an error, not a gap."""
    by_hand = ByHand(history=5)
    feed, slow = by_hand.ticker.subscribe(), by_hand.ticker.subscribe()
    by_hand.tick(5)
    assert feed.take() == b"1\n2\n3\n4\n5\n"
    by_hand.tick(1)
    with pytest.raises(FellBehindError, match="6 items behind; 5"):
        slow.take()
    assert feed.take() == b"6\n"
    feed.close()
    slow.close()
    by_hand.go.release(2)


def test_a_line_that_raises_fails_its_listeners_and_no_later_one() -> None:
    """The exception is taken where the line would be; the next tick is tried."""

    def line(number: int) -> str:
        if number == 2:
            raise LookupError("no line 2")
        return f"{number}\n"

    ticker = Ticker(line, interval=0.002)
    feed = ticker.subscribe()
    wait(feed)
    until(lambda: ticker._head >= 2)
    with pytest.raises(LookupError, match="no line 2"):
        feed.take()
    feed.close()
    later = ticker.subscribe()
    until(lambda: ticker._head > 3)
    data = later.take()
    assert data is not None
    feed.close()
    later.close()


@pytest.mark.parametrize("line", [5, None, ["x"], True])
def test_a_line_of_a_wrong_type_is_an_error(line: Any) -> None:
    """A number isn't sent as so many NUL bytes."""
    ticker = Ticker(lambda n: line, interval=0.002)
    feed = ticker.subscribe()
    try:
        wait(feed)
        with pytest.raises(TypeError):
            feed.take()
    finally:
        feed.close()


@pytest.mark.parametrize("line", ["é\n", b"\xff\n"])
def test_text_and_bytes(line: str | bytes) -> None:
    """Text as UTF-8, bytes as they are."""
    ticker = Ticker(lambda n: line, interval=0.002)
    feed = ticker.subscribe()
    wait(feed)
    data = feed.take()
    assert data is not None
    assert data.startswith(line.encode() if isinstance(line, str) else line)
    feed.close()


def test_its_thread_ends_when_nobody_listens_and_starts_again() -> None:
    """The numbers go on where they were."""
    threads: set[int] = set()

    def line(number: int) -> str:
        threads.add(threading.get_ident())
        return f"{number}\n"

    ticker = Ticker(line, interval=0.002)
    assert not ticker._running
    feed = ticker.subscribe()
    other = ticker.subscribe()
    assert ticker.listeners == 2
    wait(feed)
    feed.close()
    other.close()
    until(lambda: not ticker._running)
    assert len(threads) == 1
    head = ticker._head
    assert head >= 1
    again = ticker.subscribe()
    wait(again)
    data = again.take()
    assert data is not None
    assert data.startswith(f"{head + 1}\n".encode())
    again.close()
    until(lambda: not ticker._running)


def test_closing_twice_counts_once() -> None:
    """A feed may be closed by whoever ends it."""
    ticker = Ticker(lambda n: "x", interval=0.002)
    one, two = ticker.subscribe(), ticker.subscribe()
    one.close()
    one.close()
    assert ticker.listeners == 1
    two.close()
    assert ticker.listeners == 0


@pytest.mark.parametrize(
    "options",
    [{"interval": 0}, {"interval": -1}, {"history": 0}, {"interval": float("nan")}],
)
def test_wrong_arguments(options: dict[str, Any]) -> None:
    """Both are above zero."""
    with pytest.raises(ArgumentError, match="above zero"):
        Ticker(lambda n: "x", **options)
